//! Every input that the fuzz targets begin with, through the same functions, on stable Rust.

use std::fs;

use commensal_tests::harness::paths;

/// Gives each file of a target's corpus to `function`, which must come back.
fn replay(target: &str, function: impl Fn(&[u8])) {
    let folder = paths::root().join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("every target has a corpus") {
        let path = entry.expect("a folder that can be read").path();
        println!("{}", path.display());
        function(&fs::read(&path).expect("a file that can be read"));
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus of {target} is empty");
}

#[test]
fn images() {
    replay("image", commensal_images::fuzzing::image);
}

#[test]
fn texts_of_proc() {
    replay("proc", commensal_dump::fuzzing::proc_text);
}

#[test]
fn answers_of_the_parasite() {
    replay("parasite", |bytes| {
        commensal_infected::fuzz_reply(bytes);
        commensal_dump::fuzzing::parasite_says(bytes);
    });
}

#[test]
fn extended_state() {
    replay("xsave", commensal_dump::fuzzing::extended_state);
}

#[test]
fn streams() {
    replay("stream", commensal_images::fuzzing::stream);
}
