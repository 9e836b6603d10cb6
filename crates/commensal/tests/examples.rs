//! The examples do what they say, and their target never notices.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// `cat` in a session of its own, which answers as long as it lives.
struct Target(Child);

impl Target {
    fn start() -> Self {
        let child = Command::new("setsid")
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut target = Self(child.unwrap());
        target.assert_answers();
        target
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn assert_answers(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"!").unwrap();
        let mut answer = [0];
        self.0
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut answer)
            .unwrap();
        assert_eq!(&answer, b"!");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs an example, which `cargo test` has built next to this test.
fn example(name: &str, args: &[&str]) -> Output {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    Command::new(path).args(args).output().unwrap()
}

fn assert_says(output: &Output, expected: &str) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(expected),
        "{output:?}"
    );
}

#[test]
fn a_system_call_runs_inside_the_task() {
    let mut target = Target::start();
    let pid = target.pid();
    assert_says(&example("syscall", &[&pid]), &format!("gave {pid}\n"));
    target.assert_answers();
}

#[test]
fn a_descriptor_comes_out_of_the_task() {
    let mut target = Target::start();
    let pid = target.pid();
    let link = fs::read_link(format!("/proc/{pid}/fd/1")).unwrap();
    let expected = format!("is {}\n", link.display());
    assert_says(&example("descriptor", &[&pid, "1"]), &expected);
    target.assert_answers();
}

#[test]
fn a_dump_is_complete() {
    let mut target = Target::start();
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let pid = target.pid();
    let output = example("dump", &[&pid, images.to_str().unwrap()]);
    assert_says(&output, "1 tasks, 1 threads");
    assert!(images.join("inventory.img").exists());
    assert!(images.join(format!("core-{pid}.img")).exists());
    target.assert_answers();
}
