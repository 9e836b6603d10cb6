//! `pstree.img`: who is whose child, in which session and group.

use crate::Result;
use crate::pidns::VirtualId;
use commensal_images::messages::PstreeEntry;
use commensal_images::{Image, ImageSet, ImageSink};

/// What the image says of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The task.
    pub pid: VirtualId,
    /// Its parent; `None` of the root.
    pub parent: Option<VirtualId>,
    /// Its process group.
    pub pgid: VirtualId,
    /// Its session.
    pub sid: VirtualId,
    /// Its threads, the leader first.
    pub threads: Vec<VirtualId>,
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
        pid: node.pid.for_image(),
        ppid: node.parent.unwrap_or(VirtualId::NONE).for_image(),
        pgid: node.pgid.for_image(),
        sid: node.sid.for_image(),
        threads: node.threads.iter().map(|id| id.for_image()).collect(),
    }
}
