//! BPF maps (bpf(2)) of the two kinds a restore knows: hashes and arrays.

use std::collections::HashSet;

use commensal_images::messages::{BpfmapDataEntry, BpfmapFileEntry, FdTypes};
use commensal_images::{EntryWriter, Image};
use commensal_sys::bpf;

use super::kind::Kind;
use super::{FilesDump, Images, OpenFile};
use crate::Result;

/// BPF maps.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Bpfmap,
    dump,
};

// include/uapi/linux/bpf.h
const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_MAP_TYPE_ARRAY: u32 = 2;

/// The maps of a tree.
pub struct BpfMaps<'s> {
    data: EntryWriter<'s>,
    written: HashSet<u32>,
}

impl<'s> BpfMaps<'s> {
    /// None yet.
    pub fn new(images: &Images<'s>) -> Result<Self> {
        let data = images.entries(Image::BpfmapData)?;
        Ok(Self {
            data,
            written: HashSet::new(),
        })
    }

    /// Completes the image.
    pub fn finish(self) -> Result<()> {
        Ok(self.data.finish()?)
    }
}

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let info = file.ask("BPF_OBJ_GET_INFO_BY_FD", bpf::map_info)?;
    if ![BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_ARRAY].contains(&info.kind) {
        return Err(file.refuse(
            format!("a BPF map of type {}", info.kind),
            "the restore knows BPF hashes and arrays only",
            "close it before the dump",
        ));
    }
    let fdinfo = file.fdinfo()?;
    let name = info
        .name
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    let entry = BpfmapFileEntry {
        id,
        flags: file.flags,
        pos: 0,
        fown: file.owner.clone(),
        map_type: info.kind,
        key_size: info.key_size,
        value_size: info.value_size,
        map_id: info.id,
        max_entries: info.max_entries,
        map_flags: info.map_flags,
        memlock: fdinfo.number("memlock")?,
        frozen: fdinfo.number::<u8>("frozen")? != 0,
        map_name: name.to_vec(),
        ifindex: info.ifindex,
        mnt_id: None,
        map_extra: fdinfo
            .field("map_extra")
            .and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()),
    };
    dump.write(FdTypes::Bpfmap, id, |to| to.bpf = Some(entry))?;
    dump_entries(file, &info, dump)
}

fn dump_entries(file: &OpenFile, info: &bpf::MapInfo, dump: &mut FilesDump<'_>) -> Result<()> {
    if !dump.writes() || !dump.bpf_maps.written.insert(info.id) {
        return Ok(());
    }
    let entries = file.ask("BPF_MAP_LOOKUP_BATCH", |fd| bpf::map_entries(fd, info))?;
    let too_large = |_| {
        file.refuse(
            "a BPF map of more than 4 GiB",
            "the image format counts its bytes with 32 bits",
            "close it before the dump",
        )
    };
    let head = BpfmapDataEntry {
        map_id: info.id,
        keys_bytes: u32::try_from(entries.keys.len()).map_err(too_large)?,
        values_bytes: u32::try_from(entries.values.len()).map_err(too_large)?,
        count: entries.count,
    };
    let payload = [entries.keys, entries.values].concat();
    Ok(dump.bpf_maps.data.entry_with_payload(&head, &payload)?)
}
