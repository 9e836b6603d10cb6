//! Copying a task's pages into an image on a tmpfs, by one worker and by two.

use std::path::Path;

use commensal_benches::Target;
use commensal_dump::mm::{Allow, MappedFileCache, Mappings, PageWriter};
use commensal_dump::pidns::Pids;
use commensal_images::{Existing, ImageSet, ImagesDir};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MEBIBYTES: u64 = 128;

fn pages(c: &mut Criterion) {
    let program = Path::new(env!("CARGO_BIN_EXE_bench-target"));
    let target = Target::memory(program, MEBIBYTES);
    let mut files = MappedFileCache::default();
    let mappings = Mappings::read(target.pid(), &mut files, Allow::default()).unwrap();
    let id = Pids::OURS.task(target.pid()).unwrap();
    let mut group = c.benchmark_group("pages");
    group.throughput(Throughput::Bytes(MEBIBYTES << 20));
    group.sample_size(10);
    for workers in [1, 2] {
        group.bench_function(format!("copy, {workers} workers"), |b| {
            b.iter_with_setup(
                || {
                    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
                    let dir = ImagesDir::create(folder.path(), Existing::Refuse).unwrap();
                    (folder, ImageSet::new(dir))
                },
                |(folder, set)| {
                    let writer = PageWriter::new(&set).workers(workers);
                    let found = writer.task(id, &mappings, None).unwrap();
                    assert!(found.stats.written >= MEBIBYTES << 8);
                    drop(writer);
                    (folder, set)
                },
            );
        });
    }
    group.finish();
}

criterion_group!(benches, pages);
criterion_main!(benches);
