//! `/proc/PID/ns/*`: a namespace as a file. The restore opens it anew, at a task that lives in it.

use commensal_images::messages::{FdTypes, NsFileEntry};
use linux_raw_sys::general::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME,
    CLONE_NEWUSER, CLONE_NEWUTS,
};

use super::kind::Kind;
use super::remap::quoted;
use super::{FilesDump, OpenFile, own_pid};
use crate::Result;
use crate::tree::namespaces::IdsOfTree;

/// Namespace files.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Ns,
    dump,
};

/// The kinds of namespaces, and the flag of clone(2) that makes one.
const FLAGS: [(&str, u32); 8] = [
    ("pid", CLONE_NEWPID),
    ("net", CLONE_NEWNET),
    ("ipc", CLONE_NEWIPC),
    ("uts", CLONE_NEWUTS),
    ("time", CLONE_NEWTIME),
    ("mnt", CLONE_NEWNS),
    ("user", CLONE_NEWUSER),
    ("cgroup", CLONE_NEWCGROUP),
];

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let link = file.link()?;
    let root = dump.tasks.first().copied().unwrap_or_else(own_pid);
    let ids = IdsOfTree::of(root)?;
    let known = kind_of(&link).and_then(|(kind, flag)| {
        let ns_id = ids.of_inode(kind, file.stat.ino)?;
        let is_lived_in = ids.is_of_root(kind, file.stat.ino)
            || dump.networks().has(ns_id)
            || dump
                .namespaces
                .iter()
                .any(|namespace| namespace.id == ns_id);
        is_lived_in.then_some((ns_id, flag))
    });
    let Some((ns_id, ns_cflag)) = known else {
        return Err(file.refuse(
            format!("the namespace {}", quoted(&link)),
            "no task of the tree lives in it, so the restore would not find it",
            "close it before the dump",
        ));
    };
    let entry = NsFileEntry {
        id,
        ns_id,
        ns_cflag,
        flags: file.flags,
    };
    dump.write(FdTypes::Ns, id, |to| to.nsf = Some(entry))
}

/// The kind and flag of `net:[4026531833]`.
fn kind_of(link: &[u8]) -> Option<(&'static str, u32)> {
    let name = std::str::from_utf8(link).ok()?.split_once(":[")?.0;
    FLAGS.iter().find(|(kind, _)| *kind == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_with_the_kind() {
        assert_eq!(kind_of(b"net:[4026531833]"), Some(("net", CLONE_NEWNET)));
        assert_eq!(kind_of(b"socket:[17]"), None);
        assert_eq!(kind_of(b"/net"), None);
    }
}
