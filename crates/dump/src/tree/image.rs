//! `pstree.img`: who is whose child, in which session and group.

use commensal_images::messages::PstreeEntry;
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::{Pid, Tid};

use crate::Result;

/// What the image says of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The task.
    pub pid: Pid,
    /// Its parent; `None` of the root.
    pub parent: Option<Pid>,
    /// Its process group.
    pub pgid: i32,
    /// Its session.
    pub sid: i32,
    /// Its threads, the leader first.
    pub threads: Vec<Tid>,
}

/// Writes the tree; `nodes` has parents before children.
///
/// # Errors
///
/// When the image cannot be written.
pub fn write<S: ImageSink>(set: &ImageSet<S>, nodes: &[Node]) -> Result<()> {
    let mut writer = set.entries(Image::Pstree)?;
    for node in nodes {
        writer.entry(&entry(node))?;
    }
    Ok(writer.finish()?)
}

fn entry(node: &Node) -> PstreeEntry {
    PstreeEntry {
        pid: node.pid.get() as u32,
        ppid: node.parent.map_or(0, Pid::get) as u32,
        pgid: node.pgid as u32,
        sid: node.sid as u32,
        threads: node.threads.iter().map(|tid| tid.get() as u32).collect(),
    }
}
