//! Memory that stays in the tree until `criu lazy-pages` has fetched it.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use commensal_tests::harness::pages::{self, PageClient};
use commensal_tests::harness::{Program, Target, looks_complete, paths, process, wait_for};
use commensal_tests::judge::{Judge, PagesFrom};
use commensal_tests::skip::can_have_users;
use commensal_tests::{judge_or_skip, machine_or_skip, need_or_skip};

/// A tree of two tasks that checks its memory, 16 MiB and more, in every round; in a pid namespace of
/// its own, as it is restored before it ends.
fn victim() -> Target {
    let script = Program::script("sh", "apart.sh").arg(paths::victim("victim-memory"));
    Target::spawn_for_restore(&script.restless())
}

/// Below the shell, and unshare(1), which waits for it.
fn first_task(target: &Target) -> u32 {
    process::tree(target.pid())[2]
}

/// Why a test is skipped.
const NO_USERFAULTFD: &str = "the kernel has no userfaultfd";

/// A dump that gives its pages to who asks for them.
struct Serving {
    dumper: Child,
    images: PathBuf,
}

impl Serving {
    /// Returns when its images are complete.
    fn start(target: &Target) -> Self {
        let images = target.images_dir("images");
        let mut command = criu(first_task(target), &images);
        command.args(["--address", "127.0.0.1"]);
        Self::run(command, images)
    }

    /// The same, and who asks it for pages uses the other socket.
    fn start_on(socket: OwnedFd, target: &Target) -> Self {
        let images = target.images_dir("images");
        let mut command = criu(first_task(target), &images);
        command.args(["--ps-socket", "0"]).stdin(socket);
        Self::run(command, images)
    }

    fn run(mut command: Command, images: PathBuf) -> Self {
        command
            .args(["-o", "dump.log", "-v4", "--status-fd", "1"])
            .stdout(Stdio::piped());
        let mut dumper = command.spawn().expect("it starts");
        let output = dumper.stdout.as_mut().expect("it is piped");
        let mut told = [1];
        output
            .read_exact(&mut told)
            .expect("it tells when it is ready");
        assert_eq!(told, [0]);
        assert!(looks_complete(&images));
        Self { dumper, images }
    }

    fn port(&self) -> u16 {
        pages::port(&self.images).expect("the log has the port")
    }

    fn connect(&self) -> PageClient {
        PageClient::connect(self.port()).expect("it listens")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.images.join("dump.log")).expect("a log")
    }

    /// The pages that stay in the first task.
    fn lazy(&self) -> Vec<u64> {
        pages::lazy(&self.images, 1)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.dumper.kill();
        let _ = self.dumper.wait();
    }
}

fn criu(pid: u32, images: &Path) -> Command {
    let mut command = Command::new(paths::commensal());
    command
        .args(["criu", "dump", "--no-default-config", "--lazy-pages"])
        .args(["-t", &pid.to_string(), "-D"])
        .arg(images)
        .stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn has_userfaultfd() -> bool {
    let mut check = Command::new(paths::commensal());
    check.args(["criu", "check", "--feature", "uffd-noncoop"]);
    check.stdout(Stdio::null()).stderr(Stdio::null());
    check.status().is_ok_and(|status| status.success())
}

#[test]
fn memory_is_fetched_while_the_restored_tree_runs() {
    let judge = judge_or_skip!();
    need_or_skip!(is_root(), "it needs root");
    machine_or_skip!(has_userfaultfd(), NO_USERFAULTFD);
    let target = victim();
    let serving = Serving::start(&target);
    let from = PagesFrom::Port(serving.port());
    assert_fetched(judge, &target, serving, from);
}

#[test]
fn memory_is_fetched_over_a_socket_that_is_given() {
    let judge = judge_or_skip!();
    need_or_skip!(is_root(), "it needs root");
    machine_or_skip!(has_userfaultfd(), NO_USERFAULTFD);
    let target = victim();
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let serving = Serving::start_on(ours.into(), &target);
    assert_fetched(judge, &target, serving, PagesFrom::Socket(theirs.into()));
}

/// A restore runs, and gets its memory from there.
fn assert_fetched(judge: &Judge, target: &Target, mut serving: Serving, from: PagesFrom) {
    let original = first_task(target);
    let pages = judge.lazy_pages(&serving.images, from);
    let _restored = judge
        .restore_lazily(&serving.images, &pages, &[])
        .expect("the judge restores it");
    assert!(pages.wait().success(), "all pages are there");
    assert!(serving.dumper.wait().expect("it ends").success());
    process::wait_until_free(original);
    target.wait_rounds(3);
    let lazy = serving.lazy().len();
    assert!(lazy > 4096, "16 MiB and more: {lazy}");
}

/// In a user namespace and all others; below the victim and its child.
fn in_user_namespace() -> Target {
    Target::spawn_for_restore(&Program::script("python3", "users.py").arg("0"))
}

#[test]
fn memory_of_a_user_namespace_is_fetched_where_the_kernel_lets_its_tasks() {
    const SETTING: &str = "vm.unprivileged_userfaultfd is not 1";
    let judge = judge_or_skip!();
    machine_or_skip!(can_have_users(), "user namespaces");
    machine_or_skip!(has_userfaultfd(), NO_USERFAULTFD);
    let may = fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd");
    machine_or_skip!(may.is_ok_and(|may| may == "1\n"), SETTING);
    let target = in_user_namespace();
    let mut serving = Serving::start(&target);
    let pages = judge.lazy_pages(&serving.images, PagesFrom::Port(serving.port()));
    let _restored = judge
        .restore_lazily_below_mount(&serving.images, &pages)
        .expect("the judge restores it");
    assert!(pages.wait().success(), "all pages are there");
    assert!(serving.dumper.wait().expect("it ends").success());
    target.wait_rounds(3);
}

#[test]
fn what_the_restore_of_a_user_namespace_needs_is_told() {
    machine_or_skip!(can_have_users(), "user namespaces");
    let target = in_user_namespace();
    let serving = Serving::start(&target);
    let log = serving.log();
    assert!(log.contains("vm.unprivileged_userfaultfd=1"), "{log}");
    drop(serving);
    target.wait_rounds(3);
}

#[test]
fn a_tree_whose_dumper_dies_while_it_serves_runs_on() {
    need_or_skip!(is_root(), "it needs root");
    let target = victim();
    let mut serving = Serving::start(&target);
    let mut client = serving.connect();
    let address = serving.lazy()[0];
    let (head, page) = client.ask(1, address).expect("an answer");
    assert_eq!(head, [4 << 16 | 6, 1, address, 1]);
    assert!(page.iter().any(|byte| *byte != 0));
    serving.dumper.kill().expect("it is our child");
    serving.dumper.wait().expect("it ends");
    target.wait_rounds(3);
}

#[test]
fn a_tree_whose_client_goes_too_early_runs_on() {
    need_or_skip!(is_root(), "it needs root");
    let target = victim();
    let mut serving = Serving::start(&target);
    let mut client = serving.connect();
    client.ask(1, serving.lazy()[0]).expect("an answer");
    drop(client);
    let status = serving.dumper.wait().expect("it ends");
    assert_eq!(status.code(), Some(1));
    target.wait_rounds(3);
    let log = serving.log();
    assert!(log.contains("it has gone before"), "{log}");
}

#[test]
fn a_request_to_end_is_heard_while_nobody_comes() {
    need_or_skip!(is_root(), "it needs root");
    let target = victim();
    let mut serving = Serving::start(&target);
    process::signal(serving.dumper.id(), rustix::process::Signal::TERM);
    let status = wait_for("the end of the dump", || {
        serving.dumper.try_wait().expect("it is our child")
    });
    assert!(!status.success());
    target.wait_rounds(3);
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    need_or_skip!(is_root(), "it needs root");
    let target = victim();
    let images = target.images_dir("images");
    let page_server = ["--page-server", "--address", "127.0.0.1", "--port", "1"];
    for (arguments, name) in [
        (page_server.as_slice(), "a page server"),
        (&["--prev-images-dir", "../earlier"], "earlier images"),
    ] {
        let output = criu(first_task(&target), &images).args(arguments).output();
        let output = output.expect("it starts");
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            told.contains("--lazy-pages") && told.contains(name),
            "{told}"
        );
        assert!(!looks_complete(&images));
    }
    target.wait_rounds(2);
}
