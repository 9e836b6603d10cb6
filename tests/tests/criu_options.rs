//! Options of CRIU's command line that show in the images: as they do in those of CRIU's own dump of
//! the same process.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use commensal_tests::harness::{Program, Target, paths};
use commensal_tests::judge::Judge;
use commensal_tests::{judge_or_skip, machine_or_skip};
use serde_json::{Value, json};

/// What these options change, or leave as it is, in the images.
fn told(judge: &Judge, images: &Path) -> Value {
    let entries = |name: &str| {
        let image = judge.decode(&images.join(name)).expect("crit reads it");
        image["entries"].as_array().expect("a list").clone()
    };
    let inventory = entries("inventory.img").remove(0);
    let kept = [
        "network_lock_method",
        "allow_uprobes",
        "tcp_close",
        "root_cg_set",
    ];
    let kept = kept.map(|name| inventory.get(name).cloned());
    let files = entries("files.img").into_iter();
    let mut files: Vec<_> = files
        .filter_map(|entry| {
            let file = entry.get("reg")?;
            let words = ["name", "size", "build_id", "checksum"];
            let words = words.map(|name| file.get(name).cloned());
            // A log grows between two dumps.
            Some(json!(words)).filter(|_| words_of_a_program(file))
        })
        .map(|file| file.to_string())
        .collect();
    files.sort();
    let names = fs::read_dir(images).expect("the images").flatten();
    let mut names: Vec<_> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".img"))
        .collect();
    names.sort();
    json!({ "inventory": kept, "files": files, "names": names })
}

fn words_of_a_program(file: &Value) -> bool {
    file["name"]
        .as_str()
        .is_some_and(|name| name.contains("victim") || name.contains(".so"))
}

#[test]
fn options_have_the_effect_that_they_have_in_criu() {
    const OPTIONS: [&[&str]; 3] = [
        &[],
        &[
            "--network-lock=nftables",
            "--file-validation=filesize",
            "--allow-uprobes",
            "--ghost-fiemap",
        ],
        &[
            "--network-lock=skip",
            "--file-validation=buildid",
            "--manage-cgroups=none",
            "--timeout=100",
        ],
    ];
    let judge = judge_or_skip!();
    for options in OPTIONS {
        let target = Target::spawn(&Program::victim("victim-sleep"));
        let images = ["ours", "criu"].map(|name| target.images_dir(name));
        let mut ours = Command::new(paths::commensal());
        ours.args(["criu", "dump", "--no-default-config", "-t"])
            .arg(target.pid().to_string())
            .arg("-D")
            .arg(&images[0]);
        let theirs = judge.criu_dump(target.pid(), &images[1]);
        // CRIU's last: what it stops is told so.
        let [ours, theirs] = [ours, theirs].map(|mut dump| {
            dump.arg("-R").args(options).stdin(Stdio::null());
            dump.output().expect("it starts")
        });
        assert!(ours.status.success(), "{options:?}: {ours:?}");
        machine_or_skip!(theirs.status.success(), "CRIU cannot dump here");
        let [ours, theirs] = images.map(|images| told(judge, &images));
        assert_eq!(ours, theirs, "{options:?}");
    }
}
