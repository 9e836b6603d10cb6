//! The bytes on disk, against bytes laid out by hand from protobuf's encoding rules and the
//! format's description: the code that writes them cannot vouch for itself.

use std::fs;

use commensal_images::messages::{
    CoreEntry, FdTypes, FdinfoEntry, FownEntry, InventoryEntry, PagemapEntry, PagemapHead,
    PipeDataEntry, RegFileEntry, SkOptsEntry, StatsEntry, UserX86RegsEntry, VmaEntry,
};
use commensal_images::{Existing, Image, ImageSet, ImagesDir, write_service};
use prost::Message;

/// The bytes of the one file that `write` puts into a new directory as `image`.
fn written(image: Image, write: impl FnOnce(&ImageSet<ImagesDir>)) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let set = ImageSet::new(ImagesDir::create(dir.path(), Existing::Refuse).unwrap());
    write(&set);
    set.flush().unwrap();
    fs::read(dir.path().join(image.file_name())).unwrap()
}

#[test]
fn a_framed_image_has_two_magics_and_lengths() {
    let bytes = written(Image::Pagemap(7), |set| {
        let mut pagemap = set.entries(Image::Pagemap(7)).unwrap();
        pagemap.entry(&PagemapHead { pages_id: 3 }).unwrap();
        let run = PagemapEntry {
            vaddr: 0x1000,
            compat_nr_pages: 1,
            ..Default::default()
        };
        pagemap
            .entry(&PagemapEntry {
                flags: Some(4),
                nr_pages: Some(1),
                ..run
            })
            .unwrap();
        pagemap.finish().unwrap();
    });
    let expected = [
        &[0x19, 0x43, 0x56, 0x54][..], // common magic
        &[0x25, 0x40, 0x08, 0x56],     // PAGEMAP
        &[2, 0, 0, 0],                 // length of the head
        &[0x08, 3],                    // 1: 3
        &[9, 0, 0, 0],                 // length of the run
        &[0x08, 0x80, 0x20],           // 1: 0x1000
        &[0x10, 1],                    // 2: 1
        &[0x20, 4],                    // 4: 4
        &[0x28, 1],                    // 5: 1
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn a_payload_lies_bare_behind_its_entry() {
    let bytes = written(Image::PipesData, |set| {
        let mut pipes = set.entries(Image::PipesData).unwrap();
        let entry = PipeDataEntry {
            pipe_id: 5,
            bytes: 2,
            size: None,
        };
        pipes.entry_with_payload(&entry, b"hi").unwrap();
        pipes.entry(&PipeDataEntry { bytes: 0, ..entry }).unwrap();
        pipes.finish().unwrap();
    });
    assert_eq!(
        bytes[8..],
        [
            4, 0, 0, 0, 0x08, 5, 0x10, 2, b'h', b'i', 4, 0, 0, 0, 8, 5, 16, 0
        ]
    );
}

#[test]
fn the_inventory_has_its_own_magic_only() {
    let dir = tempfile::tempdir().unwrap();
    let set = ImageSet::new(ImagesDir::create(dir.path(), Existing::Refuse).unwrap());
    set.finish(&InventoryEntry {
        img_version: 2,
        ..Default::default()
    })
    .unwrap();
    let bytes = fs::read(dir.path().join("inventory.img")).unwrap();
    assert_eq!(bytes, [0x16, 0x31, 0x31, 0x58, 2, 0, 0, 0, 0x08, 2]);
}

#[test]
fn service_images_have_the_service_magic() {
    let dir = tempfile::tempdir().unwrap();
    let sink = ImagesDir::create(dir.path(), Existing::Keep).unwrap();
    write_service(&sink, Image::StatsDump, &StatsEntry::default()).unwrap();
    let bytes = fs::read(dir.path().join("stats-dump")).unwrap();
    assert_eq!(
        bytes,
        [0x40, 0x59, 0x10, 0x55, 0x06, 0x33, 0x09, 0x57, 0, 0, 0, 0]
    );
}

#[test]
fn raw_images_have_no_header() {
    let bytes = written(Image::Pages(1), |set| {
        let pages = set.raw(Image::Pages(1)).unwrap();
        pages.write_all_at(b"second", 4).unwrap();
        pages.write_all_at(b"page", 0).unwrap();
    });
    assert_eq!(bytes, b"pagesecond");
}

#[test]
fn required_fields_are_written_even_when_zero() {
    assert_eq!(
        FownEntry::default().encode_to_vec(),
        [8, 0, 16, 0, 24, 0, 32, 0, 40, 0]
    );
    // A required message is there even when it is empty, an optional one is not.
    let file = RegFileEntry::default().encode_to_vec();
    assert_eq!(file[..8], [8, 0, 16, 0, 24, 0, 0x2a, 10]);
    assert_eq!(file[18..], [0x32, 0]);
    assert_eq!(CoreEntry::default().encode_to_vec(), [8, 0]);
}

#[test]
fn signed_numbers_zigzag_where_the_format_says_so() {
    // sint64 fd, field 8.
    let vma = VmaEntry {
        fd: -1,
        ..Default::default()
    }
    .encode_to_vec();
    assert_eq!(vma[14..16], [0x40, 1]);
    // sint32 mnt_id, field 7.
    let file = RegFileEntry {
        mnt_id: Some(-1),
        ..Default::default()
    }
    .encode_to_vec();
    assert_eq!(file[20..], [0x38, 1]);
}

#[test]
fn repeated_numbers_are_not_packed() {
    // fixed64 so_filter, field 16: two tags of two bytes, eight bytes behind each.
    let opts = SkOptsEntry {
        so_filter: vec![1, 2],
        ..Default::default()
    }
    .encode_to_vec();
    let filter = [
        0x81, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0x81, 1, 2, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(opts[12..], filter);
}

#[test]
fn enums_have_their_numbers() {
    let entry = FdinfoEntry {
        id: 1,
        r#type: FdTypes::Tty.into(),
        fd: 2,
        ..Default::default()
    };
    assert_eq!(entry.encode_to_vec(), [8, 1, 16, 0, 24, 11, 32, 2]);
}

#[test]
fn registers_have_the_order_of_user_regs_struct() {
    // Tags 1 to 27 follow `struct user_regs_struct` of <sys/user.h>, in its order.
    let regs = UserX86RegsEntry {
        r15: 1,
        orig_ax: 16,
        ip: 17,
        gs: 27,
        ..Default::default()
    };
    let bytes = regs.encode_to_vec();
    assert_eq!(bytes[..2], [8, 1]);
    assert_eq!(bytes[30..36], [0x80, 1, 16, 0x88, 1, 17]);
    assert_eq!(bytes[bytes.len() - 3..], [0xd8, 1, 27]);
}
