//! What is copied: each field is one of the kernel's, named behind it.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// What the kernel has written down of one thread.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct ThreadRecord {
    /// The alternate signal stack's lowest address (`sas_ss_sp`).
    pub altstack_sp: u64,
    /// Its size in bytes (`sas_ss_size`); 0 where there is none.
    pub altstack_size: u64,
    /// What set_tid_address(2) or clone(2) set (`clear_child_tid`).
    pub tid_address: u64,
    /// Stands for its control groups (`cgroups`): threads with the same number
    /// are in the same groups of all hierarchies (`struct css_set`).
    pub groups: u64,
    /// Stands for its credentials (`cred`): threads with the same number have the same users, groups
    /// and capabilities.
    pub credentials: u64,
    /// Its `PFA_*` flags (`atomic_flags`), of which one is no_new_privs.
    pub flags: u64,
    /// The signals that are pending for it alone (`pending.signal`), bit n for signal n + 1.
    pub pending: u64,
    /// Counts how often the mappings of its task were locked to be changed (`mm->mm_lock_seq`, since
    /// Linux 6.4): as long as it is the same, no mapping came, went, or got other flags. 0 where the
    /// kernel does not count; otherwise above 32 bits of the count.
    pub mapping_changes: u64,
    /// Its entries of the GDT (`thread.tls_array`): zeros where it set none.
    pub areas: [u64; 3],
    /// Its name (`comm`), filled up with zeros.
    pub comm: [u8; 16],
    /// The thread's id (`pid`).
    pub tid: i32,
    /// `SS_AUTODISARM` or 0 (`sas_ss_flags`).
    pub altstack_flags: u32,
    /// The signal that it gets when its parent dies (`pdeath_signal`).
    pub pdeath_sig: i32,
    /// Of its credentials (`cred->securebits`).
    pub securebits: u32,
    /// Its seccomp mode (`seccomp.mode`).
    pub seccomp: u32,
    /// Whether it has children (`children`), 0 or 1: the thread, not its process.
    /// `/proc/PID/task/TID/children` lists them.
    pub has_children: u32,
}

/// What the kernel has written down of one descriptor.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct FileRecord {
    /// Stands for its open file description: descriptors with the same number
    /// are duplicates of each other (`struct file`).
    pub description: u64,
    /// The descriptor's number.
    pub fd: u32,
    /// As F_GETFL gives them (`f_flags`).
    pub flags: u32,
    /// 0 where nobody was ever told of I/O on it, nor a signal for that chosen (`f_owner`); anything
    /// else before Linux 6.12, where the kernel has no such mark.
    pub owner: u64,
    /// Which kinds of locks there are on its inode, of whatever task (`i_flctx`): [`FileRecord::FLOCK`]
    /// and its like.
    pub locks: u64,
    /// Stands for its path: descriptors with the same numbers were opened on the same mount and entry
    /// of a directory (`f_path`).
    pub path: [u64; 2],
}

impl FileRecord {
    /// Locks of flock(2).
    pub const FLOCK: u64 = 1;
    /// POSIX locks, and those of open file descriptions (fcntl_locking(2)).
    pub const POSIX: u64 = 2;
    /// Leases (`F_SETLEASE`).
    pub const LEASE: u64 = 4;
}

/// What the kernel has written down of all threads of a task together.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Shared {
    /// The end of the heap (`mm->brk`).
    pub brk: u64,
    /// `MMF_*` (`mm->flags`): the lowest two bits are PR_GET_DUMPABLE's.
    pub mm_flags: u64,
    /// The period of `ITIMER_REAL`, in nanoseconds (`signal->it_real_incr`).
    pub real_interval: u64,
    /// End and period of `ITIMER_PROF` and `ITIMER_VIRTUAL`, in nanoseconds of the task's own time
    /// (`signal->it`); zeros where they are not set.
    pub cpu_timers: [u64; 4],
    /// Which of the first 256 descriptors are open (`files->fdt->open_fds`); bits from `max_fds` on
    /// mean nothing.
    pub open: [u64; 4],
    /// Which of them execve(2) closes (`files->fdt->close_on_exec`).
    pub close_on_exec: [u64; 4],
    /// How many descriptors the table has room for (`files->fdt->max_fds`).
    pub max_fds: u32,
    /// 0 where `ITIMER_REAL` is not set (`signal->real_timer.state`).
    pub real_timer: u32,
    /// 0 where no membarrier(2) is registered (`mm->membarrier_state`).
    pub membarrier: u32,
    /// Whether it is a subreaper (`signal->is_child_subreaper`).
    pub child_subreaper: u32,
}

impl Shared {
    /// How many of the first 256 descriptors are open.
    pub fn open_count(&self) -> u32 {
        let words = self.open.iter().zip((0..).step_by(64));
        let there = words.map(|(word, first)| {
            let bits = self.max_fds.saturating_sub(first).min(64);
            word & 1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1)
        });
        there.map(u64::count_ones).sum()
    }
}

/// What a task can share with others, each told by a number that stands for it: those with the same
/// number have the same.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Objects {
    /// Its address space (`mm`).
    pub memory: u64,
    /// Its descriptor table (`files`).
    pub files: u64,
    /// Its directories and its file mode mask (`fs`).
    pub filesystem: u64,
    /// Its signal actions (`sighand`).
    pub actions: u64,
    /// Its namespaces but for those of users and processes (`nsproxy`), and that in which its
    /// children are born.
    pub namespaces: u64,
    /// Its user namespace (`cred->user_ns`).
    pub users: u64,
    /// Its program (`mm->exe_file`).
    pub program: u64,
    /// Its working directory, by mount and entry (`fs->pwd`).
    pub directory: [u64; 2],
    /// Its root directory, by mount and entry (`fs->root`).
    pub root: [u64; 2],
    /// In how many other pid namespaces its own is (`thread_pid->level`).
    pub pid_level: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// What /proc has a file of its own for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Plain {
    /// The auxiliary vector (`mm->saved_auxv`): keys and values in turn, up to the key 0 (`AT_NULL`).
    /// Behind that, anything.
    pub auxv: [u64; 52],
    /// 0 where there are no POSIX timers (`signal->posix_timers`); anything before Linux 6.9, where
    /// the kernel has them in another kind of list.
    pub timers: u64,
    /// The login user (`loginuid`).
    pub login_uid: u32,
    /// 0 on a kernel without auditing, which has no login users.
    pub has_login_uid: u32,
    /// As personality(2) gives it (`personality`).
    pub personality: u32,
    /// The adjustment for the out-of-memory killer (`signal->oom_score_adj`).
    pub oom_score_adj: i16,
    /// Keeps the size a multiple of eight.
    pub reserved: [u8; 2],
}

/// What the kernel has written down of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TaskRecord {
    /// Of its leader.
    pub leader: ThreadRecord,
    /// Of all threads together.
    pub shared: Shared,
    /// What it can share with other tasks.
    pub objects: Objects,
    /// What /proc has a file of its own for.
    pub plain: Plain,
    /// The actions of signals as rt_sigaction(2) gives them (`sighand->action`): handler, flags,
    /// restorer, mask.
    pub actions: [[u64; 4]; 64],
    /// The resource limits (`signal->rlim`): soft, hard.
    pub limits: [[u64; 2]; 16],
}

impl Default for TaskRecord {
    fn default() -> Self {
        Self::new_zeroed()
    }
}
