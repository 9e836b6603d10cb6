//! The host's name in a UTS namespace of the tree's own (uts_namespaces(7)).

use commensal_images::messages::UtsnsEntry;
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::Pid;

use crate::Result;
use crate::tree::namespaces::{self, tree_id};

/// Writes the names that the tree of `root` sees, which is in another UTS namespace than we are.
///
/// # Errors
///
/// Where the namespace cannot be entered, or the image not be written.
pub fn write<S: ImageSink>(set: &ImageSet<S>, root: Pid) -> Result<()> {
    let names = namespaces::inside(root, "uts", || Ok(rustix::system::uname()))?;
    let entry = UtsnsEntry {
        nodename: names.nodename().to_bytes().to_vec(),
        domainname: names.domainname().to_bytes().to_vec(),
    };
    Ok(set.one(Image::Utsns(tree_id("uts")), &entry)?)
}
