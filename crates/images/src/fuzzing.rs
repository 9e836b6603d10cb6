//! What the fuzz targets call; no part of the API.

use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;

use crate::messages::*;
use crate::stream::{ExtractError, extract};
use crate::{EntryReader, Image, ImageSink, Pagemap, Payload, ReadError, SinkFile, WriteError};

/// Takes the bytes for the image that their magics say they are, if any.
///
/// This must come back, whatever the bytes are.
pub fn image(bytes: &[u8]) {
    for image in Image::all(1) {
        if let Ok(reader) = EntryReader::new(image, bytes) {
            read(image, bytes, reader);
        }
    }
}

/// Takes the bytes for a stream, and makes files of it that take nothing.
///
/// This must come back, whatever the bytes are, and never make the inventory twice.
pub fn stream(bytes: &[u8]) {
    let sink = Nowhere::default();
    let complete = match extract(bytes, &sink) {
        Ok(_) | Err(ExtractError::Behind(_)) => 1,
        Err(_) => 0,
    };
    assert_eq!(sink.inventories.load(Ordering::Relaxed), complete);
}

/// A sink for nothing, which knows how many inventories it was given.
#[derive(Default)]
struct Nowhere {
    inventories: AtomicUsize,
}

struct Nothing;

impl ImageSink for Nowhere {
    fn create(&self, image: Image) -> Result<Box<dyn SinkFile>, WriteError> {
        assert!(image != Image::Inventory && !image.is_service());
        Ok(Box::new(Nothing))
    }

    fn commit(&self, image: Image, _: &[u8]) -> Result<(), WriteError> {
        assert!(image == Image::Inventory || image.is_service());
        let inventory = usize::from(image == Image::Inventory);
        self.inventories.fetch_add(inventory, Ordering::Relaxed);
        Ok(())
    }
}

impl SinkFile for Nothing {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        assert!(offset.checked_add(bytes.len() as u64).is_some());
        Ok(())
    }
}

/// Reads one image to its end or to the first error.
fn read(image: Image, bytes: &[u8], reader: EntryReader<&[u8]>) {
    match image {
        Image::Inventory => entries::<InventoryEntry>(reader),
        Image::Pstree => entries::<PstreeEntry>(reader),
        Image::Files => entries::<FileEntry>(reader),
        Image::Fdinfo(_) => entries::<FdinfoEntry>(reader),
        Image::Core(_) => entries::<CoreEntry>(reader),
        Image::Ids(_) => entries::<TaskKobjIdsEntry>(reader),
        Image::Mm(_) => entries::<MmEntry>(reader),
        Image::Fs(_) => entries::<FsEntry>(reader),
        Image::Seccomp => entries::<SeccompEntry>(reader),
        Image::Cgroup => entries::<CgroupEntry>(reader),
        Image::Cpuinfo => entries::<CpuinfoEntry>(reader),
        Image::FileLocks => entries::<FileLockEntry>(reader),
        Image::RemapFpath => entries::<RemapFilePathEntry>(reader),
        Image::MemfdInode => entries::<MemfdInodeEntry>(reader),
        Image::TtyInfo => entries::<TtyInfoEntry>(reader),
        Image::Mnts(_) => entries::<MntEntry>(reader),
        Image::Netns(_) => entries::<NetnsEntry>(reader),
        Image::Timens(_) => entries::<TimensEntry>(reader),
        Image::StatsDump => entries::<StatsEntry>(reader),
        Image::PipesData | Image::FifoData => payloads::<PipeDataEntry>(reader),
        Image::SkQueues => payloads::<SkPacketEntry>(reader),
        Image::TcpStream(_) => payloads::<TcpStreamEntry>(reader),
        Image::BpfmapData => payloads::<BpfmapDataEntry>(reader),
        Image::IpcnsShm(_) => payloads::<IpcShmEntry>(reader),
        Image::IpcnsSem(_) => payloads::<IpcSemEntry>(reader),
        Image::GhostFile(_) => ghost(reader),
        Image::Pagemap(_) | Image::ShmemPagemap(_) => pagemap(image, bytes),
        _ => assert!(reader.rest().is_ok(), "bytes in memory can be read"),
    }
}

fn entries<M: Message + Default>(mut reader: EntryReader<&[u8]>) {
    while let Ok(Some(entry)) = reader.next::<M>() {
        let again = entry.encode_to_vec();
        assert!(
            M::decode(&again[..]).is_ok(),
            "what was read can be written"
        );
    }
}

fn payloads<M: Payload>(mut reader: EntryReader<&[u8]>) {
    while let Ok(Some((entry, payload))) = reader.next_with_payload::<M>() {
        assert_eq!(entry.payload_len(), payload.len() as u64);
    }
}

/// A deleted file: its attributes, then its contents, whole or in chunks.
fn ghost(mut reader: EntryReader<&[u8]>) {
    let Ok(entry) = reader.required::<GhostFileEntry>() else {
        return;
    };
    match entry.chunks {
        Some(true) => payloads::<GhostChunkEntry>(reader),
        _ => assert!(reader.rest().is_ok(), "bytes in memory can be read"),
    }
}

fn pagemap(image: Image, bytes: &[u8]) {
    let read: Result<Pagemap, ReadError> = Pagemap::read(image, bytes);
    let Ok(pagemap) = read else { return };
    for run in &pagemap.runs {
        assert!(run.end() >= run.vaddr);
        assert!(run.pages == 0 || pagemap.find(run.vaddr).is_some());
    }
}
