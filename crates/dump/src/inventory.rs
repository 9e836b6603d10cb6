//! What describes the dump as a whole: the inventory.

use commensal_images::messages::{InventoryEntry, PluginsEntry, TaskKobjIdsEntry};
use rustix::time::{ClockId, clock_gettime};

use crate::collect::Collected;
use crate::task::security;
use crate::{NetworkLock, Options, proc};

/// The version of the image format (CRIU's `CRTOOLS_IMAGES_V1_1`).
const IMG_VERSION: u32 = 2;

/// The inventory of the dump `run_id`, which makes a directory an image set.
pub fn inventory(options: &Options, collected: &Collected<'_>, run_id: &str) -> InventoryEntry {
    InventoryEntry {
        img_version: IMG_VERSION,
        fdinfo_per_id: Some(true),
        root_ids: Some(collected.own_ids.clone()),
        ns_per_id: Some(true),
        root_cg_set: collected.own_cgroups,
        lsmtype: Some(security::module().into()),
        tcp_close: options.tcp_close.then_some(true),
        network_lock_method: Some(match options.network_lock() {
            NetworkLock::Iptables => 0,
            NetworkLock::Nftables => 1,
            NetworkLock::Skip => 2,
        }),
        plugins_entry: Some(PluginsEntry::default()),
        dump_criu_run_id: Some(run_id.to_owned()),
        allow_uprobes: collected.have_uprobes.then_some(true),
        ..InventoryEntry::default()
    }
}

/// The inventory of a round of pre-copy. By the uptime a later dump can tell a
/// task that has taken the pid of one of the round.
pub fn of_round(own: &TaskKobjIdsEntry) -> InventoryEntry {
    /// Pages were read with process_vm_readv(2) (CRIU's `PRE_DUMP_READ`).
    const READ: u32 = 2;
    let uptime = clock_gettime(ClockId::Boottime);
    InventoryEntry {
        img_version: IMG_VERSION,
        fdinfo_per_id: Some(true),
        root_ids: Some(own.clone()),
        ns_per_id: Some(true),
        lsmtype: Some(security::module().into()),
        dump_uptime: Some(uptime.tv_sec as u64 * 1_000_000 + uptime.tv_nsec as u64 / 1000),
        pre_dump_mode: Some(READ),
        plugins_entry: Some(PluginsEntry::default()),
        dump_criu_run_id: Some(run_id()),
        ..InventoryEntry::default()
    }
}

/// A name for this dump that no other has: by it a restore finds what the dump
/// left in the system.
pub fn run_id() -> String {
    let uuid = proc::whole("/proc/sys/kernel/random/uuid").unwrap_or_default();
    String::from_utf8_lossy(&uuid).trim().to_owned()
}
