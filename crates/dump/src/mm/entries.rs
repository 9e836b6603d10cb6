//! Mappings as CRIU's `VmaEntry`.

use commensal_images::messages::VmaEntry;
use commensal_seized::later;
use commensal_sys::RemoteRange;

use super::classify::refusal;
use super::{Kind, MappedFile, Mapping, Mappings};
use crate::Result;
use crate::proc::smaps::VmFlags;

/// CRIU's `VMA_*` bits of `VmaEntry.status`.
mod status {
    pub const REGULAR: u32 = 1 << 0;
    pub const VSYSCALL: u32 = 1 << 2;
    pub const VDSO: u32 = 1 << 3;
    pub const HEAP: u32 = 1 << 5;
    pub const FILE_PRIVATE: u32 = 1 << 6;
    pub const FILE_SHARED: u32 = 1 << 7;
    pub const ANON_SHARED: u32 = 1 << 8;
    pub const ANON_PRIVATE: u32 = 1 << 9;
    pub const SYSTEM_V: u32 = 1 << 10;
    pub const SOCKET: u32 = 1 << 11;
    pub const VVAR: u32 = 1 << 12;
    pub const AIO_RING: u32 = 1 << 13;
    pub const MEMFD: u32 = 1 << 14;
    pub const GUARD: u32 = 1 << 16;
}

/// `MAP_*` of mmap(2).
pub(super) mod map {
    pub const SHARED: u32 = 0x01;
    pub const PRIVATE: u32 = 0x02;
    pub const DROPPABLE: u32 = 0x08;
    pub const ANONYMOUS: u32 = 0x20;
    pub const GROWSDOWN: u32 = 0x100;
    pub const LOCKED: u32 = 0x2000;
    pub const NORESERVE: u32 = 0x4000;
    pub const HUGETLB: u32 = 0x4_0000;
    pub const HUGE_SHIFT: u32 = 26;
}

/// `MADV_*` of madvise(2): the bit of `VmaEntry.madv` that each flag sets.
const MADVICE: [(VmFlags, u32); 8] = [
    (VmFlags::RANDOM, 1),
    (VmFlags::SEQUENTIAL, 2),
    (VmFlags::DONT_FORK, 10),
    (VmFlags::MERGEABLE, 12),
    (VmFlags::HUGE_PAGE, 14),
    (VmFlags::NO_HUGE_PAGE, 15),
    (VmFlags::DONT_DUMP, 16),
    (VmFlags::WIPE_ON_FORK, 18),
];

/// Flags of smaps that are flags of mmap(2).
const MAP_FLAGS: [(VmFlags, u32); 5] = [
    (VmFlags::GROWS_DOWN, map::GROWSDOWN),
    (VmFlags::LOCKED, map::LOCKED),
    (VmFlags::NO_RESERVE, map::NORESERVE),
    (VmFlags::HUGETLB, map::HUGETLB),
    (VmFlags::DROPPABLE, map::DROPPABLE),
];

const O_RDONLY: u32 = 0;
const O_RDWR: u32 = 2;

/// Makes the files behind mappings entries of `files.img`.
pub trait FileEntries {
    /// The id of the entry for a mapped file, made when it is first asked for:
    /// a `RegFileEntry`, or a `MemfdFileEntry` where
    /// [`MappedFile::internal_mount`] says that it is memory.
    ///
    /// # Errors
    ///
    /// A refusal where the file cannot be dumped.
    fn mapped_file(&mut self, mapping: &Mapping, file: &MappedFile) -> Result<u32>;

    /// The id of the entry of the packet socket with this device and inode, which a
    /// descriptor of the tree refers to; `None` where there is none.
    fn packet_socket(&mut self, dev: u64, inode: u64) -> Option<u32>;
}

impl Mappings {
    /// The mappings as `mm-PID.img` has them, in ascending order; the guard
    /// pages, which are no mappings to the kernel, come last.
    ///
    /// # Errors
    ///
    /// What `files` says of a file; a refusal for the ring of a socket that no
    /// descriptor of the tree refers to.
    pub fn to_entries(
        &self,
        guards: &[RemoteRange],
        files: &mut dyn FileEntries,
    ) -> Result<Vec<VmaEntry>> {
        let mut entries = Vec::with_capacity(self.len() + guards.len());
        for mapping in self.iter().filter(|mapping| mapping.kind != Kind::Uprobes) {
            self.warn_of_losses(mapping);
            entries.push(self.entry(mapping, files)?);
        }
        entries.extend(guards.iter().map(|range| guard(*range)));
        Ok(entries)
    }

    /// Says what of a mapping the format cannot hold.
    fn warn_of_losses(&self, mapping: &Mapping) {
        let kernels_own = matches!(mapping.kind, Kind::Vdso | Kind::Vvar | Kind::Vsyscall);
        let uffd = VmFlags::UFFD_MISSING | VmFlags::UFFD_WRITE | VmFlags::UFFD_MINOR;
        let has = |flags| mapping.flags.intersects(flags) && !kernels_own;
        let losses = [
            (has(uffd), "is registered with a userfaultfd"),
            (has(VmFlags::SEALED), "is sealed (mseal)"),
            (mapping.protection_key != 0, "is behind a protection key"),
        ];
        for (is_lost, what) in losses {
            if is_lost {
                let (pid, range) = (self.pid(), mapping.range());
                later(move || {
                    tracing::warn!(
                        "mapping {range:?} of task {pid} {what}: a restore does not bring that back"
                    )
                });
            }
        }
    }

    fn entry(&self, mapping: &Mapping, files: &mut dyn FileEntries) -> Result<VmaEntry> {
        let shmid: u64 = match (mapping.kind, &mapping.file) {
            // Its inode has the number of the segment.
            (Kind::SystemV, Some(file)) => file.stat().st_ino,
            (Kind::File | Kind::Memfd | Kind::HugeMemfd { .. }, Some(file)) => {
                files.mapped_file(mapping, file)?.into()
            }
            (Kind::Socket, Some(file)) => files
                .packet_socket(file.stat().st_dev, file.stat().st_ino)
                .ok_or_else(|| {
                    refusal(
                        self.pid(),
                        mapping.range(),
                        "the ring of a socket that is not open",
                        "it is restored through the socket's descriptor, and there is none",
                        "keep the socket open while its ring is mapped",
                    )
                })?
                .into(),
            _ => 0,
        };
        let madv = madvice(mapping.flags);
        Ok(VmaEntry {
            start: mapping.range().start().get(),
            end: mapping.range().end().get(),
            pgoff: mapping.line.pgoff,
            shmid,
            prot: mapping.line.prot,
            flags: mmap_flags(mapping),
            status: status(mapping),
            fd: -1,
            madv: (madv != 0).then_some(madv),
            fdflags: has_file(mapping).then(|| open_flags(mapping)),
        })
    }
}

/// Whether a restore maps a file.
fn has_file(mapping: &Mapping) -> bool {
    mapping.file.is_some() && mapping.kind != Kind::SystemV
}

fn status(mapping: &Mapping) -> u32 {
    let private = !mapping.line.shared;
    let file = if private {
        status::FILE_PRIVATE
    } else {
        status::FILE_SHARED
    };
    match mapping.kind {
        Kind::Anonymous | Kind::HugeAnonymous { .. } => status::REGULAR | status::ANON_PRIVATE,
        Kind::Heap => status::REGULAR | status::HEAP | status::ANON_PRIVATE,
        Kind::File => status::REGULAR | file,
        Kind::Memfd | Kind::HugeMemfd { .. } => status::REGULAR | status::MEMFD | file,
        Kind::SystemV => status::REGULAR | status::ANON_SHARED | status::SYSTEM_V,
        Kind::AioRing => status::AIO_RING,
        Kind::Socket => status::REGULAR | status::SOCKET,
        Kind::Vsyscall => status::VSYSCALL | status::ANON_PRIVATE,
        Kind::Vdso => status::REGULAR | status::VDSO | status::ANON_PRIVATE,
        Kind::Vvar => status::REGULAR | status::VVAR | status::ANON_PRIVATE,
        // Left out of the entries.
        Kind::Uprobes => 0,
    }
}

pub(super) fn mmap_flags(mapping: &Mapping) -> u32 {
    let mut flags = if mapping.line.shared {
        map::SHARED
    } else {
        map::PRIVATE
    };
    for (vm_flag, map_flag) in MAP_FLAGS {
        if mapping.flags.contains(vm_flag) {
            flags |= map_flag;
        }
    }
    // A mapping is droppable instead of private (mmap(2)).
    if flags & map::DROPPABLE != 0 {
        flags &= !map::PRIVATE;
    }
    match mapping.kind {
        Kind::HugeAnonymous { page_size } => flags | map::ANONYMOUS | huge_size(page_size),
        Kind::HugeMemfd { page_size } => flags | huge_size(page_size),
        Kind::File | Kind::Memfd | Kind::AioRing | Kind::Socket => flags,
        _ => flags | map::ANONYMOUS,
    }
}

/// The size of huge pages as mmap(2) and memfd_create(2) take it.
fn huge_size(page_size: u64) -> u32 {
    page_size.trailing_zeros() << map::HUGE_SHIFT
}

fn madvice(flags: VmFlags) -> u64 {
    let set = MADVICE.iter().filter(|(flag, _)| flags.contains(*flag));
    set.fold(0, |bits, (_, advice)| bits | 1 << advice)
}

/// How the file is to be opened to be mapped. A private mapping needs no more
/// than reading; a shared one may be made writable only where the file was
/// open for writing.
fn open_flags(mapping: &Mapping) -> u32 {
    let writable = mapping.line.shared && mapping.flags.contains(VmFlags::MAY_WRITE);
    if writable { O_RDWR } else { O_RDONLY }
}

fn guard(range: RemoteRange) -> VmaEntry {
    VmaEntry {
        start: range.start().get(),
        end: range.end().get(),
        status: status::GUARD,
        fd: -1,
        ..VmaEntry::default()
    }
}
