//! What belongs to a whole task, and the tree of tasks.

use crate::messages::{SaEntry, SeccompMode, SignalQueueEntry, TaskTimersEntry};

/// What belongs to a task and not to one of its threads.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskCoreEntry {
    /// One of [`task_state`].
    #[prost(uint32, required, tag = "1")]
    pub task_state: u32,
    /// How it ended, as `wstatus` of wait(2); 0 while it lives.
    #[prost(uint32, required, tag = "2")]
    pub exit_code: u32,
    /// Execution domain, see personality(2).
    #[prost(uint32, required, tag = "3")]
    pub personality: u32,
    /// Kernel flags (`PF_*`) from field 9 of `/proc/PID/stat`.
    #[prost(uint32, required, tag = "4")]
    pub flags: u32,
    /// Blocked signals of the first thread, bit n-1 for signal n.
    #[prost(uint64, required, tag = "5")]
    pub blk_sigset: u64,
    /// Name of the first thread, up to 15 bytes.
    #[prost(bytes = "vec", required, tag = "6")]
    pub comm: Vec<u8>,
    /// Interval and POSIX timers.
    #[prost(message, optional, tag = "7")]
    pub timers: Option<TaskTimersEntry>,
    /// Resource limits.
    #[prost(message, optional, tag = "8")]
    pub rlimits: Option<TaskRlimitsEntry>,
    /// Id of its control groups ([`CgSetEntry::id`](crate::messages::CgSetEntry::id)).
    #[prost(uint32, optional, tag = "9")]
    pub cg_set: Option<u32>,
    /// Signals pending for the task as a whole.
    #[prost(message, optional, tag = "10")]
    pub signals_s: Option<SignalQueueEntry>,
    /// A [`SeccompMode`]; replaced by
    /// [`ThreadCoreEntry::seccomp_mode`](crate::messages::ThreadCoreEntry::seccomp_mode).
    #[prost(enumeration = "SeccompMode", optional, tag = "11")]
    pub old_seccomp_mode: Option<i32>,
    /// Replaced by
    /// [`ThreadCoreEntry::seccomp_filter`](crate::messages::ThreadCoreEntry::seccomp_filter).
    #[prost(uint32, optional, tag = "12")]
    pub old_seccomp_filter: Option<u32>,
    /// Login uid of the audit subsystem, `/proc/PID/loginuid`.
    #[prost(uint32, optional, tag = "13")]
    pub loginuid: Option<u32>,
    /// `/proc/PID/oom_score_adj`.
    #[prost(int32, optional, tag = "14")]
    pub oom_score_adj: Option<i32>,
    /// Signal actions of signals 1 to 64 without SIGKILL and SIGSTOP, in order.
    #[prost(message, repeated, tag = "15")]
    pub sigactions: Vec<SaEntry>,
    /// `PR_SET_CHILD_SUBREAPER`.
    #[prost(bool, optional, tag = "18")]
    pub child_subreaper: Option<bool>,
    /// Signals above 64, on machines that have them.
    #[prost(uint64, optional, tag = "20")]
    pub blk_sigset_extended: Option<u64>,
    /// The signal that stopped a stopped task.
    #[prost(uint32, optional, tag = "21")]
    pub stop_signo: Option<u32>,
    /// Registrations of membarrier(2), one bit per command.
    #[prost(uint32, optional, tag = "22")]
    pub membarrier_registration_mask: Option<u32>,
}

/// Resource limits, at the index of their number (`RLIMIT_*`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskRlimitsEntry {
    /// One per resource.
    #[prost(message, repeated, tag = "1")]
    pub rlimits: Vec<RlimitEntry>,
}

/// One resource limit, see getrlimit(2); all bits set means no limit.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RlimitEntry {
    /// The soft limit.
    #[prost(uint64, required, tag = "1")]
    pub cur: u64,
    /// The hard limit.
    #[prost(uint64, required, tag = "2")]
    pub max: u64,
}

/// One task of the tree, parents before their children, in `pstree.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PstreeEntry {
    /// Pid, in the namespace of the tree's root.
    #[prost(uint32, required, tag = "1")]
    pub pid: u32,
    /// Pid of the parent; 0 for the root.
    #[prost(uint32, required, tag = "2")]
    pub ppid: u32,
    /// Process group.
    #[prost(uint32, required, tag = "3")]
    pub pgid: u32,
    /// Session.
    #[prost(uint32, required, tag = "4")]
    pub sid: u32,
    /// Tids of all threads, the first thread's (the pid) first.
    #[prost(uint32, repeated, packed = "false", tag = "5")]
    pub threads: Vec<u32>,
}

/// Identities of kernel objects: two tasks share an object when its numbers are the same.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskKobjIdsEntry {
    /// Address space.
    #[prost(uint32, required, tag = "1")]
    pub vm_id: u32,
    /// Descriptor table, the number of its [`crate::Image::Fdinfo`].
    #[prost(uint32, required, tag = "2")]
    pub files_id: u32,
    /// Working and root directory, umask.
    #[prost(uint32, required, tag = "3")]
    pub fs_id: u32,
    /// Signal actions.
    #[prost(uint32, required, tag = "4")]
    pub sighand_id: u32,
    /// PID namespace.
    #[prost(uint32, optional, tag = "5")]
    pub pid_ns_id: Option<u32>,
    /// Network namespace.
    #[prost(uint32, optional, tag = "6")]
    pub net_ns_id: Option<u32>,
    /// IPC namespace.
    #[prost(uint32, optional, tag = "7")]
    pub ipc_ns_id: Option<u32>,
    /// UTS namespace.
    #[prost(uint32, optional, tag = "8")]
    pub uts_ns_id: Option<u32>,
    /// Mount namespace.
    #[prost(uint32, optional, tag = "9")]
    pub mnt_ns_id: Option<u32>,
    /// User namespace.
    #[prost(uint32, optional, tag = "10")]
    pub user_ns_id: Option<u32>,
    /// Control group namespace.
    #[prost(uint32, optional, tag = "11")]
    pub cgroup_ns_id: Option<u32>,
    /// Time namespace.
    #[prost(uint32, optional, tag = "12")]
    pub time_ns_id: Option<u32>,
}

/// Values of [`TaskCoreEntry::task_state`].
pub mod task_state {
    /// Running, or asleep.
    pub const ALIVE: u32 = 1;
    /// A zombie, as images name it.
    pub const DEAD: u32 = 2;
    /// Stopped by a signal.
    pub const STOPPED: u32 = 3;
    /// A zombie, as the dumper names it while it works; not in an image.
    pub const ZOMBIE: u32 = 6;
}
