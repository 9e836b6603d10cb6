//! The address space: its layout, its mappings, which pages are where.

/// The address space of a task, in `mm-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MmEntry {
    /// Start of the program's text, see proc_pid_stat(5) for all of these.
    #[prost(uint64, required, tag = "1")]
    pub mm_start_code: u64,
    /// End of the program's text.
    #[prost(uint64, required, tag = "2")]
    pub mm_end_code: u64,
    /// Start of initialised data.
    #[prost(uint64, required, tag = "3")]
    pub mm_start_data: u64,
    /// End of initialised data.
    #[prost(uint64, required, tag = "4")]
    pub mm_end_data: u64,
    /// Where the first stack began.
    #[prost(uint64, required, tag = "5")]
    pub mm_start_stack: u64,
    /// Start of the heap.
    #[prost(uint64, required, tag = "6")]
    pub mm_start_brk: u64,
    /// End of the heap.
    #[prost(uint64, required, tag = "7")]
    pub mm_brk: u64,
    /// Start of the arguments.
    #[prost(uint64, required, tag = "8")]
    pub mm_arg_start: u64,
    /// End of the arguments.
    #[prost(uint64, required, tag = "9")]
    pub mm_arg_end: u64,
    /// Start of the environment.
    #[prost(uint64, required, tag = "10")]
    pub mm_env_start: u64,
    /// End of the environment.
    #[prost(uint64, required, tag = "11")]
    pub mm_env_end: u64,
    /// Id of the file behind `/proc/PID/exe`.
    #[prost(uint32, required, tag = "12")]
    pub exe_file_id: u32,
    /// The auxiliary vector, key and value in turn.
    #[prost(uint64, repeated, packed = "false", tag = "13")]
    pub mm_saved_auxv: Vec<u64>,
    /// The mappings, by rising address.
    #[prost(message, repeated, tag = "14")]
    pub vmas: Vec<VmaEntry>,
    /// `PR_GET_DUMPABLE`.
    #[prost(int32, optional, tag = "15")]
    pub dumpable: Option<i32>,
    /// Contexts of io_setup(2).
    #[prost(message, repeated, tag = "16")]
    pub aios: Vec<AioRingEntry>,
    /// `PR_GET_THP_DISABLE`.
    #[prost(bool, optional, tag = "17")]
    pub thp_disabled: Option<bool>,
}

/// A mapping.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VmaEntry {
    /// First address.
    #[prost(uint64, required, tag = "1")]
    pub start: u64,
    /// Address behind the last byte.
    #[prost(uint64, required, tag = "2")]
    pub end: u64,
    /// Offset in the file, in bytes.
    #[prost(uint64, required, tag = "3")]
    pub pgoff: u64,
    /// Id of the file that is mapped, or of the shared memory (its inode number).
    #[prost(uint64, required, tag = "4")]
    pub shmid: u64,
    /// Protection (`PROT_*`).
    #[prost(uint32, required, tag = "5")]
    pub prot: u32,
    /// Flags of mmap(2) (`MAP_*`).
    #[prost(uint32, required, tag = "6")]
    pub flags: u32,
    /// What kind of mapping it is: the bits of [`vma_status`].
    #[prost(uint32, required, tag = "7")]
    pub status: u32,
    /// Not used any more: -1.
    #[prost(sint64, required, tag = "8")]
    pub fd: i64,
    /// Advice of madvise(2) in force, bit n for `MADV_*` n.
    #[prost(uint64, optional, tag = "9")]
    pub madv: Option<u64>,
    /// How the mapped file is opened, flags of open(2).
    #[prost(uint32, optional, tag = "10")]
    pub fdflags: Option<u32>,
}

/// A context of io_setup(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct AioRingEntry {
    /// Its id, the address of the ring.
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
    /// Number of requests it was made for.
    #[prost(uint32, required, tag = "2")]
    pub nr_req: u32,
    /// Length of the ring in bytes.
    #[prost(uint32, required, tag = "3")]
    pub ring_len: u32,
}

/// First entry of a pagemap image.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PagemapHead {
    /// Number in the name of the pages image ([`crate::Image::Pages`]).
    #[prost(uint32, required, tag = "1")]
    pub pages_id: u32,
}

/// A run of pages; those in the image lie there in the order of the entries.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PagemapEntry {
    /// Address of the first page; for shared memory, its offset in bytes.
    #[prost(uint64, required, tag = "1")]
    pub vaddr: u64,
    /// Number of pages as older readers know it.
    #[prost(uint32, required, tag = "2")]
    pub compat_nr_pages: u32,
    /// Whether the pages are in the parent image, as older writers said it.
    #[prost(bool, optional, tag = "3")]
    pub in_parent: Option<bool>,
    /// [`crate::PE_PARENT`], [`crate::PE_LAZY`], [`crate::PE_PRESENT`].
    #[prost(uint32, optional, tag = "4")]
    pub flags: Option<u32>,
    /// Number of pages; counts rather than `compat_nr_pages`.
    #[prost(uint64, optional, tag = "5")]
    pub nr_pages: Option<u64>,
}

/// Bits of [`VmaEntry::status`].
pub mod vma_status {
    /// Memory of the task's own, to be mapped again by the restore.
    pub const REGULAR: u32 = 1 << 0;
    /// A stack that grows downwards.
    pub const STACK: u32 = 1 << 1;
    /// The vsyscall page.
    pub const VSYSCALL: u32 = 1 << 2;
    /// The vDSO.
    pub const VDSO: u32 = 1 << 3;
    /// The heap.
    pub const HEAP: u32 = 1 << 5;
    /// A private mapping of a file.
    pub const FILE_PRIVATE: u32 = 1 << 6;
    /// A shared mapping of a file.
    pub const FILE_SHARED: u32 = 1 << 7;
    /// Shared anonymous memory.
    pub const ANON_SHARED: u32 = 1 << 8;
    /// Private anonymous memory.
    pub const ANON_PRIVATE: u32 = 1 << 9;
    /// System V shared memory.
    pub const SYSVIPC: u32 = 1 << 10;
    /// A mapping of a socket.
    pub const SOCKET: u32 = 1 << 11;
    /// The data pages of the vDSO.
    pub const VVAR: u32 = 1 << 12;
    /// A ring of io_setup(2).
    pub const AIORING: u32 = 1 << 13;
    /// A mapping of a memfd_create(2).
    pub const MEMFD: u32 = 1 << 14;
    /// A shadow stack.
    pub const SHSTK: u32 = 1 << 15;
    /// Guard pages.
    pub const GUARD: u32 = 1 << 16;
    /// The page of uprobes.
    pub const UPROBES: u32 = 1 << 17;
    /// A mapping that a plugin saves.
    pub const EXT_PLUGIN: u32 = 1 << 27;
}
