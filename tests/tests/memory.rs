//! Memory: every kind of mapping with every flag lives through a dump and a restore, and the
//! images say of it what CRIU's own say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use commensal_tests::harness::{
    Dumper, Program, Target, Then, assert_resumes, assert_round_trip, looks_complete,
};
use commensal_tests::judge::Judge;
use commensal_tests::judge_or_skip;
use serde_json::Value;

const PAGE: usize = 4096;

/// It checks its mappings itself, through files of /proc that it opens and closes.
fn every_kind() -> Program {
    Program::victim("victim-mappings").restless()
}

#[test]
fn mappings_of_every_kind_round_trip() {
    let judge = judge_or_skip!();
    assert_round_trip(judge, &every_kind());
}

#[test]
fn mappings_of_every_kind_resume() {
    assert_resumes(&every_kind(), 5);
}

#[test]
fn the_images_say_what_crius_say() {
    let judge = judge_or_skip!();
    let [theirs, ours] = both_dumps(judge);
    assert_eq!(ours.mm, theirs.mm);
    assert_eq!(ours.mappings.len(), theirs.mappings.len());
    for (our, their) in ours.mappings.iter().zip(&theirs.mappings) {
        assert_eq!(our, their);
    }
    let addresses = |memory: &Memory| memory.pages.keys().copied().collect::<Vec<_>>();
    assert_eq!(addresses(&ours), addresses(&theirs));
    let changed: Vec<_> = ours
        .pages
        .iter()
        .filter(|(address, page)| theirs.pages[*address] != **page)
        .map(|(address, _)| format!("{address:#x}"))
        .collect();
    assert!(changed.is_empty(), "pages differ: {changed:?}");
}

/// The images of one target, CRIU's and ours, with the target stopped from the one to the other.
/// CRIU goes first: its dump writes to a page of the target's program, which ours then has, too.
/// And it turns a sleep that it interrupts into EINTR, which the target must put up with.
fn both_dumps(judge: &Judge) -> [Memory; 2] {
    let target = Target::spawn_for_restore(&every_kind());
    [Dumper::Criu, Dumper::Commensal].map(|dumper| {
        let images = target.images_dir(&format!("{dumper:?}"));
        dumper
            .run(target.pid(), &images, Then::Stop, &[])
            .unwrap_or_else(|failure| panic!("{dumper:?}: {}", failure.message));
        Memory::read(judge, &images, target.pid())
    })
}

#[test]
fn secret_memory_is_refused_with_its_address() {
    // Where the kernel has no memfd_secret(2), there is nothing to refuse.
    let target = Target::spawn(&every_kind().arg("secret"));
    if maps(target.pid()).contains("/secretmem") {
        assert_refused(&target, "/secretmem", "secret memory");
    }
}

#[test]
fn system_v_memory_of_the_hosts_namespace_is_refused_with_its_address() {
    let target = Target::spawn(&every_kind().arg("system-v"));
    assert_refused(&target, "/SYSV", "System V shared memory");
}

/// A restore has no place for what is left of it, or crashes.
#[test]
fn a_part_of_a_vdso_is_refused_with_its_address() {
    for (gone, left, what) in [
        ("vdso", "[vvar", "the vDSO's data without its code"),
        ("vvar", "[vdso]", "the vDSO's code without its data"),
    ] {
        let target = Target::spawn(&Program::victim("victim-lone-vdso").arg(gone));
        assert_refused(&target, left, what);
    }
}

fn assert_refused(target: &Target, name: &str, what: &str) {
    let maps = maps(target.pid());
    let line = maps
        .lines()
        .find(|line| line.contains(name))
        .expect("it is mapped");
    let (start, _) = line.split_once('-').expect("a range");
    let images = target.images_dir("refused");
    let failure = Dumper::Commensal
        .run(target.pid(), &images, Then::Kill, &[])
        .expect_err("it cannot be dumped");
    let message = failure.message;
    assert!(
        message.contains(what) && message.contains(start),
        "{message}"
    );
    assert!(!looks_complete(&images));
    target.wait_rounds(2);
}

fn maps(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/maps")).expect("the victim lives")
}

/// What a dump says of a task's memory, without the ids that each dump gives its files.
struct Memory {
    mm: Value,
    mappings: Vec<Value>,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Memory {
    fn read(judge: &Judge, images: &Path, pid: u32) -> Self {
        let decoded = judge
            .decode_all(images)
            .unwrap_or_else(|error| panic!("{error}"));
        let mut mm = decoded[&format!("mm-{pid}.img")]["entries"][0].clone();
        mm["exe_file_id"].take();
        let mut mappings = mm["vmas"].take().as_array().expect("mappings").clone();
        mappings.iter_mut().for_each(without_ids);
        let pagemap = &decoded[&format!("pagemap-{pid}.img")]["entries"];
        let mut pages = pages(images, pagemap);
        let core = &decoded[&format!("core-{pid}.img")]["entries"][0];
        forget_processor(&mut pages, &core["thread_core"]["rseq_entry"]);
        Self {
            mm,
            mappings,
            pages,
        }
    }
}

/// Without the file's id, and without how a file mapped privately was open: reading is enough
/// to map it again.
fn without_ids(mapping: &mut Value) {
    const MAP_PRIVATE: u64 = 2;
    mapping["shmid"].take();
    if mapping["flags"]
        .as_u64()
        .is_some_and(|flags| flags & MAP_PRIVATE != 0)
    {
        mapping["fdflags"].take();
    }
}

/// The kernel writes into a thread's `struct rseq` (rseq(2)) on which processor it runs, whenever it
/// comes to another one: also while the parasite is in it, and after a restore.
fn forget_processor(pages: &mut BTreeMap<u64, Vec<u8>>, rseq: &Value) {
    let number = |name: &str| rseq[name].as_u64().expect("a number");
    let (start, size) = (number("rseq_abi_pointer"), number("rseq_abi_size") as usize);
    let (page, at) = (start & !(PAGE as u64 - 1), start as usize % PAGE);
    let page = pages.get_mut(&page).expect("the thread wrote there");
    page[at..at + size].fill(0);
}

/// The contents of each page, by address.
fn pages(images: &Path, pagemap: &Value) -> BTreeMap<u64, Vec<u8>> {
    let entries = pagemap.as_array().expect("a pagemap");
    let name = format!("pages-{}.img", entries[0]["pages_id"]);
    let contents = fs::read(images.join(name)).expect("the pages");
    let mut contents = contents.chunks_exact(PAGE);
    let mut pages = BTreeMap::new();
    for entry in &entries[1..] {
        let start = entry["vaddr"].as_u64().expect("an address");
        for page in 0..entry["nr_pages"].as_u64().expect("a count") {
            let contents = contents.next().expect("as many pages as the pagemap says");
            pages.insert(start + page * PAGE as u64, contents.to_vec());
        }
    }
    assert!(
        contents.next().is_none(),
        "no page that the pagemap does not know"
    );
    pages
}
