//! Statistics of a dump or a restore. All times are in microseconds.

/// What `stats-dump` or `stats-restore` holds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatsEntry {
    /// Of a dump.
    #[prost(message, optional, tag = "1")]
    pub dump: Option<DumpStatsEntry>,
    /// Of a restore.
    #[prost(message, optional, tag = "2")]
    pub restore: Option<RestoreStatsEntry>,
}

/// Statistics of a dump.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DumpStatsEntry {
    /// Time until all tasks stood still.
    #[prost(uint32, required, tag = "1")]
    pub freezing_time: u32,
    /// Time for which they stood still.
    #[prost(uint32, required, tag = "2")]
    pub frozen_time: u32,
    /// Time spent collecting memory.
    #[prost(uint32, required, tag = "3")]
    pub memdump_time: u32,
    /// Time spent writing memory.
    #[prost(uint32, required, tag = "4")]
    pub memwrite_time: u32,
    /// Pages looked at.
    #[prost(uint64, required, tag = "5")]
    pub pages_scanned: u64,
    /// Pages left to the parent image.
    #[prost(uint64, required, tag = "6")]
    pub pages_skipped_parent: u64,
    /// Pages written.
    #[prost(uint64, required, tag = "7")]
    pub pages_written: u64,
    /// Time spent finding paths by inode number.
    #[prost(uint32, optional, tag = "8")]
    pub irmap_resolve: Option<u32>,
    /// Pages left to be fetched after the restore.
    #[prost(uint64, required, tag = "9")]
    pub pages_lazy: u64,
    /// Page pipes made.
    #[prost(uint64, optional, tag = "10")]
    pub page_pipes: Option<u64>,
    /// Buffers of page pipes made.
    #[prost(uint64, optional, tag = "11")]
    pub page_pipe_bufs: Option<u64>,
    /// Pages of shared memory looked at.
    #[prost(uint64, optional, tag = "12")]
    pub shpages_scanned: Option<u64>,
    /// Pages of shared memory left to the parent image.
    #[prost(uint64, optional, tag = "13")]
    pub shpages_skipped_parent: Option<u64>,
    /// Pages of shared memory written.
    #[prost(uint64, optional, tag = "14")]
    pub shpages_written: Option<u64>,
}

/// Statistics of a restore.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RestoreStatsEntry {
    /// Pages compared with the parent task's.
    #[prost(uint64, required, tag = "1")]
    pub pages_compared: u64,
    /// Pages found equal and left shared.
    #[prost(uint64, required, tag = "2")]
    pub pages_skipped_cow: u64,
    /// Time spent making tasks.
    #[prost(uint32, required, tag = "3")]
    pub forking_time: u32,
    /// Time of the whole restore.
    #[prost(uint32, required, tag = "4")]
    pub restore_time: u32,
    /// Pages written into tasks.
    #[prost(uint64, optional, tag = "5")]
    pub pages_restored: Option<u64>,
}
