//! The two things every victim must live through.

use super::{Dumper, Look, Program, Target, Then, looks_complete};
use crate::judge::Judge;

/// Dump and kill, let the judge read every image and restore it, and see it go on unchanged.
pub fn assert_round_trip(judge: &Judge, program: &Program) {
    let target = Target::spawn_for_restore(program);
    assert_survives(judge, &target, &[], &[]);
}

/// The same for a victim that runs already, with further arguments for dumper and restorer.
pub fn assert_survives(judge: &Judge, target: &Target, dump: &[&str], restore: &[&str]) {
    let before = target.look().map(Look::across_restore);
    let images = target.images_dir("images");
    if let Err(failure) = Dumper::chosen().run(target.pid(), &images, Then::Kill, dump) {
        panic!("the dump failed ({:?}): {}", failure.code, failure.message);
    }
    let decoded = judge
        .decode_all(&images)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        decoded.contains_key("inventory.img"),
        "a dump has an inventory: {:?}",
        decoded.keys()
    );

    let restored = judge
        .restore_with(&images, restore)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        restored.pid(),
        target.pid(),
        "the root comes back under its own pid"
    );
    target.wait_rounds(3);
    assert_unchanged(
        before.as_ref(),
        target.look().map(Look::across_restore).as_ref(),
        "the restored tree",
    );
}

/// Dump a running victim `times` in a row and let it run on: it sees nothing of it.
pub fn assert_resumes(program: &Program, times: usize) {
    assert_resumes_with(program, times, &[]);
}

/// The same with further arguments for the dumper.
pub fn assert_resumes_with(program: &Program, times: usize, arguments: &[&str]) {
    let target = Target::spawn(program);
    let before = target.look();
    for turn in 0..times {
        let images = target.images_dir(&format!("images-{turn}"));
        if let Err(failure) = Dumper::chosen().run(target.pid(), &images, Then::Resume, arguments) {
            panic!(
                "dump {turn} failed ({:?}): {}",
                failure.code, failure.message
            );
        }
        assert!(looks_complete(&images), "dump {turn} is complete");
        target.wait_rounds(2);
        assert_unchanged(
            before.as_ref(),
            target.look().as_ref(),
            &format!("the target of dump {turn}"),
        );
    }
}

/// A dump of it is refused, and says that it is `name`; the victim goes on.
pub fn assert_refused(program: &Program, arguments: &[&str], name: &str) {
    let target = Target::spawn(program);
    let images = target.images_dir("images");
    let failure = Dumper::chosen()
        .run(target.pid(), &images, Then::Kill, arguments)
        .expect_err("it cannot be dumped");
    assert!(!looks_complete(&images));
    // The message is broken into lines to fit a terminal.
    let words: Vec<_> = failure.message.split([' ', '\n', '│']).collect();
    let message = words.into_iter().filter(|word| !word.is_empty());
    let message = message.collect::<Vec<_>>().join(" ");
    assert!(message.contains(name), "{message}");
    target.wait_rounds(3);
}

/// A dump of `pid` that accepts losses tells of one, `name`, and only once; the victim goes on.
pub fn assert_loss_is_told(target: &Target, pid: u32, name: &str) {
    let images = target.images_dir("images");
    let dumped = Dumper::Commensal.run(pid, &images, Then::Resume, &["--accept-loss"]);
    let dumped = dumped.unwrap_or_else(|failure| panic!("the dump failed: {}", failure.message));
    let told = dumped.message.matches(name).count();
    assert_eq!(told, 1, "{name}: {}", dumped.message);
    target.wait_rounds(2);
}

/// Two looks at a steady victim are the same.
pub fn assert_unchanged(before: Option<&Look>, after: Option<&Look>, what: &str) {
    if let (Some(before), Some(after)) = (before, after) {
        let differences = before.differences(after);
        assert!(
            differences.is_empty(),
            "{what} changed:\n{}",
            differences.join("\n")
        );
    }
}
