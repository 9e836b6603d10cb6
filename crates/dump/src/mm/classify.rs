//! What a mapping is, and whether it can be dumped.

use commensal_sys::{Pid, RemoteRange};
use rustix::fs::FileType;

use super::{InternalMount, MappedFile};
use crate::proc::maps::{MapsLine, PROT_EXEC, PROT_READ};
use crate::proc::smaps::VmFlags;
use crate::{Place, Refusal};

/// `SECRETMEM_MAGIC` (linux/magic.h): memory of memfd_secret(2).
const SECRETMEM_MAGIC: i64 = 0x5345_434d;

/// What a mapping is: how its pages are dumped and how it is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Private memory without a file.
    Anonymous,
    /// The same, and grown by brk(2).
    Heap,
    /// Private anonymous memory of explicit huge pages.
    HugeAnonymous {
        /// The size of its pages, in bytes.
        page_size: u64,
    },
    /// A file with a path, or `/dev/zero` mapped privately.
    File,
    /// memfd_create(2), or shared anonymous memory, which is the same thing
    /// inside of the kernel.
    Memfd,
    /// The same with explicit huge pages.
    HugeMemfd {
        /// The size of its pages, in bytes.
        page_size: u64,
    },
    /// A segment of System V shared memory (shmat(2)).
    SystemV,
    /// The ring of an AIO context (io_setup(2)).
    AioRing,
    /// A packet socket's ring.
    Socket,
    /// The kernel's code for vsyscalls, at a fixed address.
    Vsyscall,
    /// The vDSO's code.
    Vdso,
    /// The vDSO's data; `[vvar_vclock]` belongs to it.
    Vvar,
    /// Instructions that uprobes replaced.
    Uprobes,
}

/// What a dump may pass over, because the user said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// A mapping of uprobes, which is not restored.
    pub uprobes: bool,
    /// System V shared memory: the tree's IPC namespace is dumped.
    pub system_v: bool,
    /// Memory behind protection keys, which is restored without.
    pub protection_keys: bool,
}

/// The facts that decide what a mapping is.
pub(super) struct Facts<'a> {
    pub pid: Pid,
    pub line: &'a MapsLine,
    pub flags: VmFlags,
    /// That the program gave it; 0 for none.
    pub protection_key: u64,
    pub file: Option<&'a MappedFile>,
}

impl Facts<'_> {
    /// What the mapping is.
    pub fn kind(&self, allow: Allow) -> Result<Kind, Refusal> {
        let kind = match self.file {
            Some(file) => self.with_file(file, allow)?,
            None => self.without_file(),
        };
        if kind == Kind::Uprobes && !allow.uprobes {
            return Err(self.refuse(
                "a mapping of uprobes",
                "a probe is set in a program of the task, and would not be restored",
                "remove the probe, or allow uprobes (--allow-uprobes)",
            ));
        }
        if self.flags.contains(VmFlags::SHADOW_STACK) {
            return Err(self.refuse(
                "a shadow stack",
                "the state of shadow stacks is not collected",
                "run the program without shadow stacks (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)",
            ));
        }
        if !allow.protection_keys && self.protection_key != 0 {
            return Err(self.protected());
        }
        let device = self.flags.intersects(VmFlags::IO | VmFlags::PFN_MAP);
        if device && !matches!(kind, Kind::Vvar | Kind::Uprobes) {
            return Err(self.device());
        }
        Ok(kind)
    }

    fn protected(&self) -> Refusal {
        self.refuse(
            &format!("memory behind protection key {}", self.protection_key),
            "the images have no place for it: a restore gives the memory no key, and the task owns \
             none",
            "let the program do without pkeys(7), or accept the loss: --accept-loss",
        )
    }

    fn without_file(&self) -> Kind {
        let prot = |bits| self.line.prot & bits == bits;
        match self.line.name.as_slice() {
            b"[vsyscall]" => Kind::Vsyscall,
            b"[vdso]" if prot(PROT_READ | PROT_EXEC) => Kind::Vdso,
            b"[vvar]" | b"[vvar_vclock]" if prot(PROT_READ) => Kind::Vvar,
            b"[heap]" => Kind::Heap,
            b"[uprobes]" => Kind::Uprobes,
            _ => Kind::Anonymous,
        }
    }

    fn with_file(&self, file: &MappedFile, allow: Allow) -> Result<Kind, Refusal> {
        let mode = file.stat().st_mode;
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => self.regular(file, allow),
            FileType::CharacterDevice if is_dev_zero(file) => Ok(Kind::File),
            FileType::Socket => Ok(Kind::Socket),
            FileType::Unknown if self.line.name.starts_with(b"/[aio]") => Ok(Kind::AioRing),
            FileType::Unknown => Err(self.refuse(
                &format!("a mapping of {}", self.name()),
                "it belongs to a kernel object that cannot be restored",
                "end what uses it before the dump",
            )),
            _ => Err(self.device()),
        }
    }

    fn regular(&self, file: &MappedFile, allow: Allow) -> Result<Kind, Refusal> {
        let system_v = self.line.name.starts_with(b"/SYSV");
        match file.internal_mount() {
            Some(_) if system_v && allow.system_v => Ok(Kind::SystemV),
            Some(_) if system_v => Err(self.refuse(
                "System V shared memory",
                "it belongs to the dumper's own IPC namespace, which is not dumped",
                "detach it (shmdt) before the dump, or start the program in an IPC namespace of \
                 its own (unshare --ipc)",
            )),
            Some(InternalMount::Shmem) => Ok(Kind::Memfd),
            Some(InternalMount::Hugetlb { page_size }) => {
                let anonymous = self.line.name.starts_with(b"/anon_hugepage");
                Ok(match anonymous && !self.line.shared {
                    true => Kind::HugeAnonymous { page_size },
                    false => Kind::HugeMemfd { page_size },
                })
            }
            None if file.fs_magic() == SECRETMEM_MAGIC => Err(self.refuse(
                "secret memory (memfd_secret)",
                "nobody but the task itself can read it",
                "unmap it before the dump",
            )),
            None => Ok(Kind::File),
        }
    }

    fn device(&self) -> Refusal {
        self.refuse(
            &format!("a mapping of the device {}", self.name()),
            "the memory of a device cannot be saved",
            "close the device before the dump",
        )
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(&self.line.name).into_owned()
    }

    fn refuse(&self, what: &str, reason: &str, remedy: &str) -> Refusal {
        refusal(self.pid, self.line.range, what, reason, remedy)
    }
}

/// The refusal of one mapping.
pub(super) fn refusal(
    pid: Pid,
    range: RemoteRange,
    what: &str,
    reason: &str,
    remedy: &str,
) -> Refusal {
    Refusal {
        what: what.into(),
        place: Place::Mapping { pid, range },
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

/// `/dev/zero`: memory device 5.
fn is_dev_zero(file: &MappedFile) -> bool {
    file.stat().st_rdev == rustix::fs::makedev(1, 5)
}
