use std::os::unix::fs::MetadataExt;

use super::*;

#[test]
fn we_share_all_namespaces_with_ourselves() {
    let own = Namespaces::own().unwrap();
    assert_eq!(own.differences(&own), [""; 0]);
    let mut ids = TaskKobjIdsEntry::default();
    own.fill(&own, &own, &mut ids);
    assert_eq!((ids.pid_ns_id, ids.mnt_ns_id), (Some(1), Some(6)));
}

#[test]
fn the_text_of_a_link_has_the_inode() {
    for kind in KINDS {
        let followed = std::fs::metadata(format!("/proc/self/ns/{kind}"));
        let read = inode_of(own_pid(), kind).unwrap();
        assert_eq!(read, followed.ok().map(|meta| meta.ino()));
        assert_eq!(Namespaces::own().unwrap().0[place_of(kind).unwrap()], read);
    }
    assert_eq!(inode_of(own_pid(), "of no kind").unwrap(), None);
    assert_eq!(parse(b"net:[4026531840"), None);
}

#[test]
fn a_different_inode_is_a_difference() {
    let own = Namespaces::own().unwrap();
    let mut other = own;
    other.0[1] = Some(1);
    assert_eq!(own.differences(&other), ["net"]);
    let mut ids = TaskKobjIdsEntry::default();
    other.fill(&own, &other, &mut ids);
    assert_eq!((ids.net_ns_id, ids.ipc_ns_id), (Some(10), Some(3)));
    assert_eq!(other.id_of(&own, "net", 1), ids.net_ns_id);
    let ipc = own.0[2].unwrap();
    assert_eq!(other.id_of(&own, "ipc", ipc), ids.ipc_ns_id);
    assert_eq!(other.id_of(&own, "net", ipc), None);
}

#[test]
fn a_tree_may_have_several_of_some_kinds() {
    let of = |mnt, uts| {
        let mut inodes = [Some(1); KINDS.len()];
        (inodes[3], inodes[5]) = (Some(uts), Some(mnt));
        Namespaces(inodes)
    };
    let (own, root) = (of(1, 1), of(0xf000_0003, 1));
    let other = of(0xf000_0005, 1);
    assert_eq!(root.foreign(&own, &other), [""; 0]);
    assert_eq!(root.foreign(&own, &of(1, 1)), ["mnt"]);
    assert_eq!(root.foreign(&own, &of(0xf000_0005, 2)), ["uts"]);
    assert_eq!(own.foreign(&own, &other), ["mnt"]);
    let id = |task: &Namespaces| {
        let mut ids = TaskKobjIdsEntry::default();
        root.fill(&own, task, &mut ids);
        ids.mnt_ns_id
    };
    assert_eq!([id(&own), id(&root), id(&other)], [6, 14, 37].map(Some));
}
