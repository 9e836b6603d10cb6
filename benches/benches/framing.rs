//! Writing and reading entries: what the images cost beside the pages.

use std::hint::black_box;

use commensal_images::messages::{PagemapEntry, VmaEntry};
use commensal_images::{EntryReader, Existing, Image, ImageSet, ImagesDir, framing};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ENTRIES: u64 = 10_000;

fn run(index: u64) -> PagemapEntry {
    PagemapEntry {
        vaddr: 0x7f00_0000_0000 + index * 0x2000,
        flags: Some(4),
        nr_pages: Some(1),
        ..PagemapEntry::default()
    }
}

fn vma(index: u64) -> VmaEntry {
    let start = 0x7f00_0000_0000 + index * 0x2000;
    VmaEntry {
        start,
        end: start + 0x1000,
        prot: 3,
        flags: 0x22,
        ..VmaEntry::default()
    }
}

fn framing(c: &mut Criterion) {
    let mut group = c.benchmark_group("framing");
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("append entries to memory", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            for index in 0..ENTRIES {
                framing::append_frame(&mut out, &vma(index)).unwrap();
            }
            black_box(out.len())
        });
    });
    group.bench_function("write an image", |b| {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let dir = ImagesDir::create(folder.path(), Existing::ReplaceSet).unwrap();
        let set = ImageSet::new(dir);
        b.iter(|| {
            let mut writer = set.entries(Image::Pagemap(1)).unwrap();
            for index in 0..ENTRIES {
                writer.entry(&run(index)).unwrap();
            }
            writer.finish().unwrap();
        });
    });
    group.bench_function("read entries", |b| {
        let mut bytes = Image::Pstree.framing().header();
        for index in 0..ENTRIES {
            framing::append_frame(&mut bytes, &run(index)).unwrap();
        }
        b.iter(|| {
            let reader = EntryReader::new(Image::Pstree, &bytes[..]).unwrap();
            black_box(reader.all::<PagemapEntry>().unwrap().len())
        });
    });
    group.finish();
}

criterion_group!(benches, framing);
criterion_main!(benches);
