//! A thread of the dumper panics: the target runs on as if nothing had happened, and there is no
//! image set.

use std::panic;

use commensal_dump::{HookError, Hooks, Options, dump};
use commensal_infected::Pid;
use commensal_tests::harness::looks_complete;
use commensal_tests::sweep::Subject;

/// Panics in a thread that copies pages, while a parasite is in the target.
struct WhileCopying;

impl Hooks for WhileCopying {
    fn pages(&self, _done: u64, _total: u64) {
        panic!("a page too many");
    }
}

/// Panics in the tracing thread, when the target is about to be let go.
struct InTheEnd;

impl Hooks for InTheEnd {
    fn dumped(&self) -> Result<(), HookError> {
        panic!("no more");
    }
}

/// Whether the dump left an image set.
fn assert_survives(hooks: &(impl Hooks + panic::RefUnwindSafe)) -> bool {
    let subject = Subject::start(Some("nap"), &["mixed", "futex"]);
    let pid = Pid::new(subject.pid() as i32).expect("a pid");
    let images = subject.images();
    let done = panic::catch_unwind(|| dump(pid, &Options::new(&images), hooks));
    assert!(done.is_err(), "it panicked");
    subject
        .check()
        .unwrap_or_else(|harm| panic!("{}: {}", harm.kind, harm.what));
    looks_complete(&images)
}

#[test]
fn a_panic_while_pages_are_copied_does_no_harm() {
    assert!(!assert_survives(&WhileCopying));
}

#[test]
fn a_panic_in_the_tracing_thread_does_no_harm() {
    assert!(assert_survives(&InTheEnd), "it was complete before");
}
