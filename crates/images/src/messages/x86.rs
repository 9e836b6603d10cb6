//! Registers of an x86-64 thread, general and extended.

/// The registers of one thread.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ThreadInfoX86 {
    /// Where the kernel clears the tid at exit, see set_tid_address(2).
    #[prost(uint64, required, tag = "1")]
    pub clear_tid_addr: u64,
    /// General registers, segments and bases.
    #[prost(message, required, tag = "2")]
    pub gpregs: UserX86RegsEntry,
    /// x87, SSE and everything XSAVE adds.
    #[prost(message, required, tag = "3")]
    pub fpregs: UserX86FpregsEntry,
    /// The thread's entries in the global descriptor table, see get_thread_area(2).
    #[prost(message, repeated, tag = "4")]
    pub tls: Vec<UserDescT>,
}

/// Whether a thread runs 64-bit or 32-bit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum UserX86RegsMode {
    /// 64-bit.
    Native = 1,
    /// 32-bit.
    Compat = 2,
}

/// General registers, as `struct user_regs_struct` of ptrace(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct UserX86RegsEntry {
    /// r15.
    #[prost(uint64, required, tag = "1")]
    pub r15: u64,
    /// r14.
    #[prost(uint64, required, tag = "2")]
    pub r14: u64,
    /// r13.
    #[prost(uint64, required, tag = "3")]
    pub r13: u64,
    /// r12.
    #[prost(uint64, required, tag = "4")]
    pub r12: u64,
    /// rbp.
    #[prost(uint64, required, tag = "5")]
    pub bp: u64,
    /// rbx.
    #[prost(uint64, required, tag = "6")]
    pub bx: u64,
    /// r11.
    #[prost(uint64, required, tag = "7")]
    pub r11: u64,
    /// r10.
    #[prost(uint64, required, tag = "8")]
    pub r10: u64,
    /// r9.
    #[prost(uint64, required, tag = "9")]
    pub r9: u64,
    /// r8.
    #[prost(uint64, required, tag = "10")]
    pub r8: u64,
    /// rax.
    #[prost(uint64, required, tag = "11")]
    pub ax: u64,
    /// rcx.
    #[prost(uint64, required, tag = "12")]
    pub cx: u64,
    /// rdx.
    #[prost(uint64, required, tag = "13")]
    pub dx: u64,
    /// rsi.
    #[prost(uint64, required, tag = "14")]
    pub si: u64,
    /// rdi.
    #[prost(uint64, required, tag = "15")]
    pub di: u64,
    /// Number of the system call the thread is in, or -1.
    #[prost(uint64, required, tag = "16")]
    pub orig_ax: u64,
    /// Instruction pointer.
    #[prost(uint64, required, tag = "17")]
    pub ip: u64,
    /// Code segment selector.
    #[prost(uint64, required, tag = "18")]
    pub cs: u64,
    /// The flags register.
    #[prost(uint64, required, tag = "19")]
    pub flags: u64,
    /// Stack pointer.
    #[prost(uint64, required, tag = "20")]
    pub sp: u64,
    /// Stack segment selector.
    #[prost(uint64, required, tag = "21")]
    pub ss: u64,
    /// Base address of FS, where x86-64 keeps thread-local storage.
    #[prost(uint64, required, tag = "22")]
    pub fs_base: u64,
    /// Base address of GS.
    #[prost(uint64, required, tag = "23")]
    pub gs_base: u64,
    /// Data segment selector.
    #[prost(uint64, required, tag = "24")]
    pub ds: u64,
    /// Extra segment selector.
    #[prost(uint64, required, tag = "25")]
    pub es: u64,
    /// FS selector.
    #[prost(uint64, required, tag = "26")]
    pub fs: u64,
    /// GS selector.
    #[prost(uint64, required, tag = "27")]
    pub gs: u64,
    /// A [`UserX86RegsMode`].
    #[prost(
        enumeration = "UserX86RegsMode",
        optional,
        tag = "28",
        default = "Native"
    )]
    pub mode: Option<i32>,
}

/// The legacy area of XSAVE: x87 and SSE, in the layout of FXSAVE (Intel SDM volume 1, 10.5).
#[derive(Clone, PartialEq, prost::Message)]
pub struct UserX86FpregsEntry {
    /// x87 control word.
    #[prost(uint32, required, tag = "1")]
    pub cwd: u32,
    /// x87 status word.
    #[prost(uint32, required, tag = "2")]
    pub swd: u32,
    /// x87 tag word, abridged.
    #[prost(uint32, required, tag = "3")]
    pub twd: u32,
    /// Last x87 opcode.
    #[prost(uint32, required, tag = "4")]
    pub fop: u32,
    /// Last x87 instruction pointer.
    #[prost(uint64, required, tag = "5")]
    pub rip: u64,
    /// Last x87 data pointer.
    #[prost(uint64, required, tag = "6")]
    pub rdp: u64,
    /// SSE control and status.
    #[prost(uint32, required, tag = "7")]
    pub mxcsr: u32,
    /// Which bits of mxcsr this processor has.
    #[prost(uint32, required, tag = "8")]
    pub mxcsr_mask: u32,
    /// st0 to st7: 32 words, four to a register.
    #[prost(uint32, repeated, packed = "false", tag = "9")]
    pub st_space: Vec<u32>,
    /// xmm0 to xmm15: 64 words, four to a register.
    #[prost(uint32, repeated, packed = "false", tag = "10")]
    pub xmm_space: Vec<u32>,
    /// The 24 words of the legacy area that follow the registers.
    #[prost(uint32, repeated, packed = "false", tag = "11")]
    pub padding: Vec<u32>,
    /// The extended areas, if the processor has XSAVE.
    #[prost(message, optional, tag = "13")]
    pub xsave: Option<UserX86XsaveEntry>,
}

/// The extended areas of XSAVE, each in the standard format (Intel SDM volume 1, 13.4).
#[derive(Clone, PartialEq, prost::Message)]
pub struct UserX86XsaveEntry {
    /// Which areas are not in their initial state (XSTATE_BV).
    #[prost(uint64, required, tag = "1")]
    pub xstate_bv: u64,
    /// Upper halves of ymm0 to ymm15: 64 words.
    #[prost(uint32, repeated, packed = "false", tag = "2")]
    pub ymmh_space: Vec<u32>,
    /// MPX bounds: 8 values.
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub bndreg_state: Vec<u64>,
    /// MPX configuration and status: 8 values with what pads them.
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub bndcsr_state: Vec<u64>,
    /// AVX-512 masks k0 to k7.
    #[prost(uint64, repeated, packed = "false", tag = "5")]
    pub opmask_reg: Vec<u64>,
    /// Upper halves of zmm0 to zmm15: 64 values, four to a register.
    #[prost(uint64, repeated, packed = "false", tag = "6")]
    pub zmm_upper: Vec<u64>,
    /// zmm16 to zmm31 whole: 128 values, eight to a register.
    #[prost(uint64, repeated, packed = "false", tag = "7")]
    pub hi16_zmm: Vec<u64>,
    /// Protection key rights: one word, and one that pads it.
    #[prost(uint32, repeated, packed = "false", tag = "8")]
    pub pkru: Vec<u32>,
    /// Shadow stack state, where the thread uses one.
    #[prost(message, optional, tag = "9")]
    pub cet: Option<UserX86CetEntry>,
}

/// User-mode state of control-flow enforcement.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UserX86CetEntry {
    /// The MSR IA32_U_CET.
    #[prost(uint64, required, tag = "1")]
    pub cet: u64,
    /// The shadow stack pointer, MSR IA32_PL3_SSP.
    #[prost(uint64, required, tag = "2")]
    pub ssp: u64,
}

/// A segment in the thread's part of the descriptor table, as `struct user_desc` of
/// set_thread_area(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct UserDescT {
    /// Index in the table.
    #[prost(uint32, required, tag = "1")]
    pub entry_number: u32,
    /// Base address.
    #[prost(uint32, required, tag = "2")]
    pub base_addr: u32,
    /// Size, in bytes or pages.
    #[prost(uint32, required, tag = "3")]
    pub limit: u32,
    /// Whether it is a 32-bit segment.
    #[prost(bool, required, tag = "4")]
    pub seg_32bit: bool,
    /// Upper bit of `contents`: code rather than data.
    #[prost(bool, required, tag = "5")]
    pub contents_h: bool,
    /// Lower bit of `contents`: conforming, or expanding down.
    #[prost(bool, required, tag = "6")]
    pub contents_l: bool,
    /// Whether it cannot be written (data) or read (code).
    #[prost(bool, required, tag = "7", default = "true")]
    pub read_exec_only: bool,
    /// Whether the limit counts pages.
    #[prost(bool, required, tag = "8")]
    pub limit_in_pages: bool,
    /// Whether the entry is empty.
    #[prost(bool, required, tag = "9", default = "true")]
    pub seg_not_present: bool,
    /// The bit for use by system software.
    #[prost(bool, required, tag = "10")]
    pub usable: bool,
}
