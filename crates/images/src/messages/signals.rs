//! Signal actions and pending signals.

/// A signal action, as the kernel's `struct sigaction`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SaEntry {
    /// Address of the handler, or SIG_DFL (0) or SIG_IGN (1).
    #[prost(uint64, required, tag = "1")]
    pub sigaction: u64,
    /// `SA_*` flags.
    #[prost(uint64, required, tag = "2")]
    pub flags: u64,
    /// Address that the handler returns to.
    #[prost(uint64, required, tag = "3")]
    pub restorer: u64,
    /// Signals blocked meanwhile, bit n-1 for signal n.
    #[prost(uint64, required, tag = "4")]
    pub mask: u64,
    /// Whether it was set by a 32-bit system call.
    #[prost(bool, optional, tag = "5")]
    pub compat_sigaction: Option<bool>,
    /// Signals above 64, on machines that have them.
    #[prost(uint64, optional, tag = "6")]
    pub mask_extended: Option<u64>,
}

/// One pending signal.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SiginfoEntry {
    /// Its `siginfo_t`, all 128 bytes.
    #[prost(bytes = "vec", required, tag = "1")]
    pub siginfo: Vec<u8>,
}

/// Pending signals, in the order of their delivery.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignalQueueEntry {
    /// The signals.
    #[prost(message, repeated, tag = "1")]
    pub signals: Vec<SiginfoEntry>,
}
