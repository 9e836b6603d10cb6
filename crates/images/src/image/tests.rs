use super::*;

#[test]
fn every_name_leads_back_to_its_image() {
    for id in [0, 1, 10, 0xab_cdef, u32::MAX] {
        for image in Image::all(id) {
            assert_eq!(Image::from_file_name(&image.file_name()), Some(image));
        }
    }
}

#[test]
fn names_are_unique() {
    let names: std::collections::HashSet<_> = Image::all(7)
        .iter()
        .map(|image| image.file_name())
        .collect();
    assert_eq!(names.len(), Image::all(7).len());
}

#[test]
fn numbers_are_written_as_criu_does() {
    assert_eq!(Image::Core(4711).file_name(), "core-4711.img");
    assert_eq!(Image::GhostFile(0x2b).file_name(), "ghost-file-2b.img");
    assert_eq!(Image::TcpStream(255).file_name(), "tcp-stream-ff.img");
    assert_eq!(
        Image::ShmemPagemap(1 << 33).file_name(),
        "pagemap-shmem-8589934592.img"
    );
    assert_eq!(Image::TmpfsDev(3).file_name(), "tmpfs-dev-3.tar.gz.img");
    assert_eq!(Image::StatsDump.file_name(), "stats-dump");
}

#[test]
fn only_the_canonical_name_is_an_image() {
    for name in [
        "core-.img",
        "core-007.img",
        "core-+7.img",
        "core--7.img",
        "core-4294967296.img",
        "core-7.img.part",
        "ghost-file-2B.img",
        "pagemap-shmem-.img",
        "../core-7.img",
        "",
    ] {
        assert_eq!(Image::from_file_name(name), None, "{name}");
    }
}
