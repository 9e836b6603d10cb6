//! CRIU's pre-dump: the memory of a tree that runs on, for later dumps.

use std::time::Instant;

use commensal_images::{ImageSet, ImagesDir};
use commensal_sys::Pid;

use crate::beside::Beside;
use crate::mm::{PageServer, PageWriter};
use crate::net::namespace as network;
use crate::output::{auto_dedup, images_dir, write_stats};
use crate::{Error, Options, Result, Summary, inventory, preflight};

/// Copies the private memory of the tree of `root` into the directory that `options` name,
/// without stopping it; what [`Options::prev_images`] has just so is only listed.
///
/// A later [`dump`](crate::dump) whose [`Options::prev_images`] leads here leaves out what has
/// not changed.
///
/// # Errors
///
/// As [`dump`](crate::dump).
pub fn pre_dump(root: Pid, options: &Options) -> Result<Summary> {
    let started = Instant::now();
    // From our own network; the tree is looked at as a dump does.
    let server = options.page_server.as_ref().map(PageServer::connect);
    let server = server.transpose()?;
    let (mut summary, dir) = network::inside(root, |_| copy(root, options, server))?;
    auto_dedup(options);
    summary.bytes_written = dir.bytes();
    summary.total = started.elapsed();
    write_stats(&dir, options, &summary)?;
    Ok(summary)
}

/// The same, from a thread that is in the tree's network namespace.
fn copy(root: Pid, options: &Options, server: Option<PageServer>) -> Result<(Summary, ImagesDir)> {
    let looked = preflight::check(root, options, &Beside::none())?;
    let mut prepared = looked.prepared;
    looked.warnings.say(&prepared.users, options);
    let dir = images_dir(options)?;
    if let Some(target) = &options.prev_images {
        prepared.build_on(target, &dir)?;
    }
    let set = ImageSet::new(dir);
    let pages = PageWriter::new(&set)
        .cancel(options.cancel.clone())
        .server(server.as_ref());
    let mut summary = Summary::default();
    for (&pid, mappings) in &prepared.mapped.mappings {
        let id = prepared.pids.task(pid)?;
        let found = match pages.pre_dump(id, mappings, prepared.parent(pid)) {
            Ok(found) => found.stats,
            // It ended.
            Err(Error::Sys(_) | Error::Gone { .. }) if pid != root => continue,
            Err(error) => return Err(error),
        };
        summary.tasks += 1;
        summary.mappings += mappings.len() as u64;
        summary.pages_scanned += found.scanned;
        summary.pages_written += found.written;
        summary.pages_in_parent += found.in_parent;
    }
    drop(pages);
    server.as_ref().map_or(Ok(()), PageServer::close)?;
    let dir = set.finish(&inventory::of_round(prepared.ids.own()))?;
    Ok((summary, dir))
}
