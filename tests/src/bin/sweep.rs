//! `sweep`: kills the dumper at each of its system call stops, and prints what became of the
//! target. `cargo xtask sweep` runs it.

use std::process::{Command, ExitCode};

use clap::Parser;
use commensal_tests::harness::{paths, reaper};
use commensal_tests::sweep::{Killer, LazyDump, Subject, Sweep};
use rustix::process::Signal;

/// Kill the dumper at each of its system call stops, and look at the target after each.
#[derive(Parser)]
struct Args {
    /// Kill at every Nth stop only.
    #[arg(long, default_value_t = 1)]
    step: usize,
    /// The first stop.
    #[arg(long, default_value_t = 1)]
    first: usize,
    /// What the dumper gets: kill, or int, term or hup, which it may handle.
    #[arg(long, default_value = "kill")]
    signal: String,
    /// Count the stops as the dumper's tracer, not in the kernel.
    #[arg(long)]
    traced: bool,
    /// Parts of the names of the sweeps to make; all of them by default.
    names: Vec<String>,
}

/// Name, mode of a child process, modes of threads, and how much coarser the steps are.
type Target = (
    &'static str,
    Option<&'static str>,
    &'static [&'static str],
    usize,
);

const TARGETS: [Target; 14] = [
    ("one thread, computing", None, &["spin"], 1),
    ("one thread, sleeping", None, &["nap"], 1),
    ("one thread, both", None, &["mixed"], 1),
    (IN_EPOLL, None, &["epoll"], 1),
    ("one thread, restartable sequences", None, &["rseq"], 3),
    ("one thread, under seccomp", None, &["lean"], 3),
    ("four threads", None, &["mixed", "spin", "poll", "futex"], 7),
    ("two tasks", Some("nap"), &["mixed"], 7),
    (STOPPED, None, &["stopped"], 3),
    (STOPPED_THREADS, None, &["stopped", "nap", "futex"], 13),
    (CONTAINER, Some("nap"), &["mixed"], 13),
    (WITH_USERS, Some("nap"), &["mixed"], 13),
    (NESTED, Some("nap"), &["mixed"], 13),
    (NETWORKS, Some("apart"), &["mixed"], 13),
];

/// The target in a call that answers any stop with EINTR. Where the dumper is traced it is swept where it is
/// named only: the tracer takes the place of the caretaker that keeps the answer from it, and some points of a
/// thousand see it.
const IN_EPOLL: &str = "one thread, in epoll_wait(2)";

/// The target in SIGSTOP, with a timer: that the kernel's records do not tell.
const STOPPED: &str = "a stopped thread";

/// The same with more threads.
const STOPPED_THREADS: &str = "three stopped threads";

/// The target in namespaces of its own, which takes root.
const CONTAINER: &str = "a container of two tasks";

/// The same in a user namespace.
const WITH_USERS: &str = "a rootless container of two tasks";

/// The target beside a task in a mount namespace below.
const NESTED: &str = "a container with two mount namespaces";

/// Each task in a network namespace of its own, one with a connection.
const NETWORKS: &str = "two tasks in two network namespaces";

/// What is killed.
const CHAIN: &str = "the chain of states";
const DUMP: &str = "commensal dump";
const ASKING: &str = "commensal dump --no-bpf";
const PRE_COPY: &str = "commensal dump --pre-copy";
const LAZY: &str = "criu dump --lazy-pages";

fn main() -> ExitCode {
    let Args {
        step,
        first,
        signal,
        traced,
        names,
    } = Args::parse();
    let signal = match signal.as_str() {
        "kill" => Signal::KILL,
        "int" => Signal::INT,
        "term" => Signal::TERM,
        "hup" => Signal::HUP,
        other => panic!("--signal {other}: kill, int, term or hup"),
    };
    let mut killer = if traced { Killer::Traced } else { unseen() };
    let skipped = match killer {
        Killer::Unseen(_) => None,
        Killer::Traced => Some(IN_EPOLL),
    };
    let mut clean = true;
    for dumper in [CHAIN, DUMP, ASKING, PRE_COPY, LAZY] {
        for (target, child, modes, coarser) in TARGETS {
            let name = format!("{dumper}: {target}");
            let is_named = names.iter().any(|part| name.contains(part.as_str()));
            if !is_named && (!names.is_empty() || skipped == Some(target)) {
                continue;
            }
            let lazy = LazyDump::default();
            let sweep = Sweep {
                target: &|| match target {
                    STOPPED | STOPPED_THREADS => Subject::start_stopped(modes),
                    CONTAINER => Subject::start_contained(child, modes),
                    WITH_USERS => Subject::start_with_users(child, modes),
                    NESTED => Subject::start_nested(child, modes),
                    NETWORKS => Subject::start_networked(child, modes),
                    _ => Subject::start(child, modes),
                },
                dumper: &|target| {
                    // The caretaker of each dumper becomes a child of ours: thousands of zombies take time
                    // to look through.
                    reaper::reap_all();
                    match dumper {
                        LAZY => lazy.of(target),
                        _ => command(dumper, target),
                    }
                },
                first,
                step: step * coarser,
                signal,
            };
            let outcome = sweep.run(&mut killer);
            println!("{name}: {outcome}");
            clean &= outcome.is_clean();
        }
    }
    if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn unseen() -> Killer {
    Killer::unseen().unwrap_or_else(|error| {
        println!("the dumpers are traced, since no BPF program may be loaded here: {error}");
        Killer::Traced
    })
}

fn command(dumper: &str, target: &Subject) -> Command {
    if dumper == CHAIN {
        let mut command = Command::new(paths::victim("sweep-chain"));
        command.args(target.pids().iter().map(u32::to_string));
        return command;
    }
    let mut command = Command::new(paths::commensal());
    command
        .args([
            "dump",
            "--then",
            "resume",
            "--tcp-established",
            "--images-dir",
        ])
        .arg(target.images())
        .arg(target.pid().to_string());
    match dumper {
        ASKING => drop(command.arg("--no-bpf")),
        PRE_COPY => drop(command.arg("--pre-copy")),
        _ => {}
    }
    command
}
