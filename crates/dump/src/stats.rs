//! `stats-dump`: CRIU's figures of a dump, from ours.

use std::time::Duration;

use commensal_images::messages::{DumpStatsEntry, StatsEntry};

use crate::Summary;

/// The image of a summary.
pub fn entry(summary: &Summary) -> StatsEntry {
    StatsEntry {
        dump: Some(DumpStatsEntry {
            freezing_time: micros(summary.freezing),
            // CRIU counts from where freezing ends.
            frozen_time: micros(summary.frozen.saturating_sub(summary.freezing)),
            memdump_time: micros(summary.memory_dump),
            memwrite_time: micros(summary.memory_write),
            pages_scanned: summary.pages_scanned,
            pages_skipped_parent: summary.pages_in_parent,
            pages_written: summary.pages_written,
            pages_lazy: summary.pages_lazy,
            irmap_resolve: Some(0),
            page_pipes: Some(0),
            page_pipe_bufs: Some(0),
            shpages_scanned: Some(summary.shared_pages_scanned),
            shpages_skipped_parent: Some(0),
            shpages_written: Some(summary.shared_pages_written),
        }),
        restore: None,
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
