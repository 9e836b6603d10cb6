//! Mappings of every kind, with every flag that a program can give them. In each round their
//! contents and their flags are what they were in the first.
//!
//! `victim-mappings [secret|system-v]`: with a mapping that cannot be dumped.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::time::Duration;

use commensal_tests::victim::region::{
    PAGE, Region, aio_context, aio_context_works, attach_system_v, huge_pages_disabled,
    secret_memory,
};
use commensal_tests::victim::{Rounds, check, sleep};
use libc::{MAP_GROWSDOWN, MAP_LOCKED, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

/// `MADV_GUARD_INSTALL` (linux/mman.h).
const MADV_GUARD_INSTALL: i32 = 102;

/// Pages of a region.
const PAGES: usize = 16;

/// A region and what it was like in the beginning.
struct Kept {
    region: Region,
    /// For each page its first word, or that reading it faults.
    words: Vec<Option<u64>>,
    flags: Vec<String>,
}

impl Kept {
    fn new(region: Region) -> Self {
        let smaps = smaps();
        let words = region.pages().map(|page| region.read(page)).collect();
        let flags = region
            .pages()
            .map(|page| region.flags(&smaps, page))
            .collect();
        Self {
            region,
            words,
            flags,
        }
    }

    fn check(&self, smaps: &str) {
        for page in self.region.pages() {
            let name = self.region.name;
            let word = self.region.read(page);
            let was = self.words[page];
            check(
                word == was,
                &format!("{name} page {page} holds {word:?}, not {was:?}"),
            );
            let flags = self.region.flags(smaps, page);
            let were = &self.flags[page];
            check(
                flags == *were,
                &format!("{name} page {page} is {flags:?}, not {were:?}"),
            );
        }
    }
}

fn smaps() -> String {
    std::fs::read_to_string("/proc/self/smaps").expect("own smaps")
}

/// Private memory of which every third page is written.
fn private(name: &'static str, flags: i32) -> Region {
    let region = Region::map(name, PAGES, MAP_PRIVATE | flags, None).expect("private memory");
    written(region)
}

fn written(region: Region) -> Region {
    for page in region.pages().step_by(3) {
        region.write(page, page as u64 + 1);
    }
    region
}

fn advised() -> impl Iterator<Item = Region> {
    let advice = [
        ("random", libc::MADV_RANDOM),
        ("sequential", libc::MADV_SEQUENTIAL),
        ("dontfork", libc::MADV_DONTFORK),
        ("mergeable", libc::MADV_MERGEABLE),
        ("hugepage", libc::MADV_HUGEPAGE),
        ("nohugepage", libc::MADV_NOHUGEPAGE),
        ("dontdump", libc::MADV_DONTDUMP),
        ("wipeonfork", libc::MADV_WIPEONFORK),
    ];
    advice.into_iter().map(|(name, advice)| {
        let region = private(name, 0);
        // A kernel may be built without one of them; then the region is a plain one.
        let _ = region.advise(region.pages(), advice);
        region
    })
}

fn protected() -> impl Iterator<Item = Region> {
    let rights = [
        ("no rights", libc::PROT_NONE),
        ("write only", libc::PROT_WRITE),
        ("execute only", libc::PROT_EXEC),
        ("read only", libc::PROT_READ),
    ];
    rights.into_iter().map(|(name, prot)| {
        let region = private(name, 0);
        region.protect(prot);
        region
    })
}

fn guarded() -> Region {
    let region = private("guarded", 0);
    // Linux 6.13; without it the region is a plain one.
    let _ = region.advise(4..7, MADV_GUARD_INSTALL);
    let _ = region.advise(9..10, MADV_GUARD_INSTALL);
    region
}

fn new_file(name: &str) -> File {
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(name);
    let file = file.expect("a new file");
    file.set_len((PAGES * PAGE) as u64)
        .expect("room for a file");
    file
}

fn files() -> Vec<Region> {
    let file = new_file("mapped");
    let reader = File::open("mapped").expect("it is there");
    let odd = new_file("a b\n\\012 (deleted)");
    let gone = new_file("gone");
    let zero = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/zero")
        .expect("a device");
    let map = |name, pages, flags, file: &File, offset| {
        Region::map(name, pages, flags, Some((file.as_fd(), offset))).expect("a file mapping")
    };
    let regions = vec![
        written(map("shared file", PAGES, MAP_SHARED, &file, 0)),
        map("part of a shared file", 4, MAP_SHARED, &file, 3),
        map("file open for reading", 4, MAP_SHARED, &reader, 3),
        written(map("private file", PAGES, MAP_PRIVATE, &file, 0)),
        written(map("file with an odd name", PAGES, MAP_PRIVATE, &odd, 0)),
        written(map("deleted file", PAGES, MAP_SHARED, &gone, 0)),
        written(map("zero device", PAGES, MAP_PRIVATE, &zero, 0)),
        written(map("shared zero device", PAGES, MAP_SHARED, &zero, 0)),
    ];
    std::fs::remove_file("gone").expect("it is there");
    regions
}

/// The file of memory stays open, next to its mappings.
fn memory_file() -> (File, Vec<Region>) {
    let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
    let file: File = memfd_create("two\nlines", flags)
        .expect("a memory file")
        .into();
    file.set_len((PAGES * PAGE) as u64 + 100)
        .expect("room for a file");
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).expect("seals");
    let map = |name, flags, offset| {
        Region::map(name, PAGES, flags, Some((file.as_fd(), offset))).expect("a mapping")
    };
    let regions = vec![
        written(map("shared memory file", MAP_SHARED, 0)),
        written(map("private memory file", MAP_PRIVATE, 1)),
    ];
    (file, regions)
}

fn shared_in_pieces() -> Region {
    let region = Region::map("shared memory", PAGES, MAP_SHARED, None).expect("shared memory");
    let region = written(region);
    region.unmap(4..7);
    region
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("system-v") => attach_system_v(),
        Some("secret") => {
            if let Some(file) = secret_memory() {
                file.set_len(PAGE as u64).expect("room for a page");
                let _ = Region::map("secret", 1, MAP_SHARED, Some((file.as_fd(), 0)));
            }
        }
        _ => {}
    }
    let (memory, memory_regions) = memory_file();
    let locked = private("locked", 0);
    locked.lock();
    let regions = [
        private("plain", 0),
        private("grows down", MAP_GROWSDOWN),
        private("mapped locked", MAP_LOCKED),
        private("not reserved", MAP_NORESERVE),
        locked,
        guarded(),
        shared_in_pieces(),
    ];
    let kept: Vec<Kept> = regions
        .into_iter()
        .chain(advised())
        .chain(protected())
        .chain(files())
        .chain(memory_regions)
        .map(Kept::new)
        .collect();
    let context = aio_context(64);
    huge_pages_disabled(true);
    let mut rounds = Rounds::default();
    loop {
        let smaps = smaps();
        kept.iter().for_each(|kept| kept.check(&smaps));
        check(aio_context_works(context), "the AIO context is gone");
        check(huge_pages_disabled(false), "huge pages are allowed again");
        let seals = fcntl_get_seals(&memory).expect("its seals");
        check(
            seals == SealFlags::SHRINK | SealFlags::GROW,
            "the seals changed",
        );
        let size = memory.metadata().expect("its size").len();
        check(
            size == (PAGES * PAGE) as u64 + 100,
            "the memory file's size changed",
        );
        sleep(Duration::from_millis(20));
        rounds.done();
    }
}
