//! What belongs to one thread on any processor.

use crate::messages::{CredsEntry, SignalQueueEntry};

/// What belongs to one thread.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ThreadCoreEntry {
    /// Address of the robust futex list, see get_robust_list(2).
    #[prost(uint64, required, tag = "1")]
    pub futex_rla: u64,
    /// Its length in bytes as registered.
    #[prost(uint32, required, tag = "2")]
    pub futex_rla_len: u32,
    /// Nice value, -20 to 19.
    #[prost(sint32, optional, tag = "3")]
    pub sched_nice: Option<i32>,
    /// Scheduling policy (`SCHED_*`).
    #[prost(uint32, optional, tag = "4")]
    pub sched_policy: Option<u32>,
    /// Real-time priority, 0 for other policies.
    #[prost(uint32, optional, tag = "5")]
    pub sched_prio: Option<u32>,
    /// Blocked signals, bit n-1 for signal n.
    #[prost(uint64, optional, tag = "6")]
    pub blk_sigset: Option<u64>,
    /// Alternate signal stack.
    #[prost(message, optional, tag = "7")]
    pub sas: Option<ThreadSasEntry>,
    /// `PR_SET_PDEATHSIG`.
    #[prost(uint32, optional, tag = "8")]
    pub pdeath_sig: Option<u32>,
    /// Signals pending for this thread.
    #[prost(message, optional, tag = "9")]
    pub signals_p: Option<SignalQueueEntry>,
    /// Credentials.
    #[prost(message, optional, tag = "10")]
    pub creds: Option<CredsEntry>,
    /// A [`SeccompMode`].
    #[prost(enumeration = "SeccompMode", optional, tag = "11")]
    pub seccomp_mode: Option<i32>,
    /// Index of the last filter in [`SeccompEntry::seccomp_filters`].
    #[prost(uint32, optional, tag = "12")]
    pub seccomp_filter: Option<u32>,
    /// Name, up to 15 bytes.
    #[prost(bytes = "vec", optional, tag = "13")]
    pub comm: Option<Vec<u8>>,
    /// Signals above 64, on machines that have them.
    #[prost(uint64, optional, tag = "14")]
    pub blk_sigset_extended: Option<u64>,
    /// Registration of restartable sequences.
    #[prost(message, optional, tag = "15")]
    pub rseq_entry: Option<RseqEntry>,
    /// Id of its control groups, where they differ from its task's.
    #[prost(uint32, optional, tag = "16")]
    pub cg_set: Option<u32>,
}

/// Alternate signal stack, see sigaltstack(2).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ThreadSasEntry {
    /// Lowest address.
    #[prost(uint64, required, tag = "1")]
    pub ss_sp: u64,
    /// Size in bytes.
    #[prost(uint64, required, tag = "2")]
    pub ss_size: u64,
    /// `SS_*` flags.
    #[prost(uint32, required, tag = "3")]
    pub ss_flags: u32,
}

/// Registration of restartable sequences, as `PTRACE_GET_RSEQ_CONFIGURATION` gives it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RseqEntry {
    /// Address of the thread's `struct rseq`.
    #[prost(uint64, required, tag = "1")]
    pub rseq_abi_pointer: u64,
    /// Its size in bytes.
    #[prost(uint32, required, tag = "2")]
    pub rseq_abi_size: u32,
    /// The word that stands in front of abort handlers.
    #[prost(uint32, required, tag = "3")]
    pub signature: u32,
    /// Its `rseq_cs`: the critical section the thread was in.
    #[prost(uint64, optional, tag = "4")]
    pub rseq_cs_pointer: Option<u64>,
}

/// Mode of seccomp(2), as `SECCOMP_MODE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SeccompMode {
    /// No restriction.
    Disabled = 0,
    /// Only read, write, exit and sigreturn.
    Strict = 1,
    /// By BPF programs.
    Filter = 2,
}

/// All filters of all threads, in `seccomp.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SeccompEntry {
    /// The filters; a chain refers to its parts by index.
    #[prost(message, repeated, tag = "1")]
    pub seccomp_filters: Vec<SeccompFilter>,
}

/// One filter.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SeccompFilter {
    /// The program: `struct sock_filter` values in host byte order.
    #[prost(bytes = "vec", required, tag = "1")]
    pub filter: Vec<u8>,
    /// Index of the filter installed before it.
    #[prost(uint32, optional, tag = "2")]
    pub prev: Option<u32>,
    /// Flags it was installed with (`SECCOMP_FILTER_FLAG_*`).
    #[prost(uint32, optional, tag = "3")]
    pub flags: Option<u32>,
}
