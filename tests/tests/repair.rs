//! A dumper is killed while a connection is in repair mode: the program, which uses it all the
//! time, sees nothing of that.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use commensal_tests::harness::{paths, process};

/// A target that ran a moment too early would see an error in most of them.
const DEATHS: usize = 40;

#[test]
fn no_read_fails_when_the_dumper_dies_in_repair_mode() {
    let mut victim = Command::new(paths::victim("victim-repair"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the victim starts");
    let mut line = String::new();
    let stdout = victim.stdout.as_mut().expect("its output is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("its output is text");
    let fd = line.trim_end().strip_prefix("ready ").expect("it is ready");
    for death in 0..DEATHS {
        // Without a right to be hurried, it is late for certain.
        let end = Command::new("setpriv")
            .args(["--inh-caps=-sys_nice", "--bounding-set=-sys_nice"])
            .arg(paths::victim("sweep-repair"))
            .args([&victim.id().to_string(), fd])
            .status()
            .expect("the dumper starts");
        assert_eq!(end.signal(), Some(libc::SIGKILL), "death {death}: {end}");
        let ended = victim.try_wait().expect("it is our child");
        assert_eq!(ended, None, "death {death}: the victim saw it");
    }
    process::kill_tree(victim.id());
    let _ = victim.wait();
}
