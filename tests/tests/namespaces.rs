//! Namespaces of a tree's own survive the round trip.

use commensal_tests::harness::{Dumper, Program, Target, Then};
use commensal_tests::harness::{assert_resumes, assert_round_trip};
use commensal_tests::judge_or_skip;

/// System V objects of every kind, their limits, and a name of the host.
fn system_v() -> Program {
    Program::script("python3", "system_v.py").restless()
}

#[test]
fn ipc_and_uts_namespaces_round_trip() {
    let judge = judge_or_skip!();
    assert_round_trip(judge, &system_v());
}

#[test]
fn ipc_and_uts_namespaces_resume() {
    assert_resumes(&system_v(), 3);
}

/// The clocks go on as they were through a dump of what a restore has made, too: the images say
/// how late it is in the namespace, and what is late in ours does not matter.
#[test]
fn a_time_namespace_round_trips_twice() {
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&Program::script("python3", "clocks.py"));
    let mut restored = None;
    for name in ["first", "second"] {
        let images = target.images_dir(name);
        let dump = Dumper::chosen().run(target.pid(), &images, Then::Kill, &[]);
        assert!(dump.is_ok(), "{dump:?}");
        drop(restored.take());
        restored = Some(judge.restore(&images).expect("the judge restores it"));
        target.wait_rounds(3);
    }
    assert_eq!(restored.map(|tree| tree.pid()), Some(target.pid()));
}

#[test]
fn a_time_namespace_resumes() {
    assert_resumes(&Program::script("python3", "clocks.py"), 3);
}
