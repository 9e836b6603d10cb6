//! memfd_create(2): files in memory, huge pages included. Their contents are written with the
//! shared memory of the tree, because a mapping may be of the same inode.

use std::collections::HashMap;

use commensal_images::messages::{FdTypes, MemfdFileEntry, MemfdInodeEntry};
use commensal_images::{EntryWriter, Image};
use commensal_sys::Errno;
use rustix::fs::{SealFlags, fcntl_get_seals};

use super::kind::Kind;
use super::{FilesDump, Images, OpenFile};
use crate::Result;
use crate::mm::SharedMemory;

/// Memory files.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Memfd,
    dump,
};

/// What stands before the name that memfd_create(2) was given.
const PREFIX: &[u8] = b"/memfd:";
const DELETED: &[u8] = b" (deleted)";

/// The memory files of a tree.
pub struct MemoryFiles<'s> {
    image: EntryWriter<'s>,
    inodes: HashMap<(u64, u64), u32>,
    contents: SharedMemory,
}

impl<'s> MemoryFiles<'s> {
    /// None yet.
    pub fn new(images: &Images<'s>) -> Result<Self> {
        let image = images.entries(Image::MemfdInode)?;
        Ok(Self {
            image,
            inodes: HashMap::new(),
            contents: SharedMemory::default(),
        })
    }

    /// Keeps the numbers of System V shared memory free.
    pub fn reserve(&mut self, shmids: impl IntoIterator<Item = u32>) {
        self.contents.reserve(shmids);
    }

    /// Completes the image and gives what is still to be written.
    pub fn finish(self) -> Result<SharedMemory> {
        self.image.finish()?;
        Ok(self.contents)
    }
}

/// Writes a description of a memory file, and its inode where that is new.
///
/// # Errors
///
/// When the file cannot be opened for reading.
pub fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let key = (file.stat.dev, file.stat.ino);
    let inode_id = match dump.memory_files.inodes.get(&key) {
        Some(inode_id) => *inode_id,
        None => {
            let inode_id = dump.memory_files.inodes.len() as u32 + 1;
            dump_inode(file, inode_id, dump)?;
            dump.memory_files.inodes.insert(key, inode_id);
            inode_id
        }
    };
    let entry = MemfdFileEntry {
        id,
        flags: file.flags,
        pos: file.offset()?,
        fown: file.owner.clone(),
        inode_id,
    };
    dump.write(FdTypes::Memfd, id, |to| to.memfd = Some(entry))
}

fn dump_inode(file: &OpenFile, inode_id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let link = file.link()?;
    let name = link.strip_suffix(DELETED).unwrap_or(&link);
    let fd = file.reopen()?;
    let hugetlb_flag = dump.memory_devices.hugetlb_flags(file.stat.dev);
    let seals = match fcntl_get_seals(&fd) {
        Ok(seals) => seals,
        // Not a file that can be sealed: shared memory of another make.
        Err(Errno::INVAL) => SealFlags::SEAL,
        Err(errno) => return Err(file.error("F_GET_SEALS", errno)),
    };
    let shmid = dump.memory_files.contents.add(&fd)?;
    let (uid, gid) = file.owned_by("a memory file", &dump.users)?;
    let entry = MemfdInodeEntry {
        name: name.strip_prefix(PREFIX).unwrap_or(name).to_vec(),
        uid,
        gid,
        size: file.stat.size,
        shmid,
        seals: seals.bits(),
        inode_id: inode_id.into(),
        hugetlb_flag,
        mode: Some(file.stat.mode),
    };
    let files = &mut dump.memory_files;
    Ok(files.image.entry(&entry)?)
}
