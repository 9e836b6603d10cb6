//! The binary under the name of criu.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{place, write_script};

/// Runs the link with neither configuration nor another criu of the environment.
fn criu(dir: &Path) -> Command {
    let mut command = Command::new(dir.join("criu"));
    command.current_dir(dir).env("HOME", dir);
    for name in ["COMMENSAL_CRIU_BIN", "CRIU_CONFIG_FILE", "CRIU_LIBS_DIR"] {
        command.env_remove(name);
    }
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("it starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn both_names_tell_the_version_in_criu_s_form() {
    let dir = place();
    for command in [
        criu(dir.path()).arg("--version"),
        criu(dir.path()).arg("-V"),
        Command::new(env!("CARGO_BIN_EXE_commensal")).args(["criu", "--version"]),
    ] {
        let output = output(command);
        assert!(output.status.success());
        let text = stdout(&output);
        let version = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("Version: "));
        let numbers = version
            .expect("the first line")
            .split('.')
            .map(str::parse::<u32>);
        assert!(numbers.take(2).all(|number| number.is_ok()), "{text}");
    }
}

#[test]
fn help_lists_the_options() {
    let output = output(criu(place().path()).arg("--help"));
    assert!(output.status.success());
    for word in ["--tree", "--leave-running", "--action-script", "mnt_id"] {
        assert!(stdout(&output).contains(word), "{word}");
    }
}

#[test]
fn no_command_and_an_unknown_one_are_errors() {
    let dir = place();
    for args in [
        [].as_slice(),
        &["explode"],
        &["dump", "--bogus"],
        &["check", "more"],
    ] {
        let output = output(criu(dir.path()).args(args));
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).starts_with("Error: "), "{args:?}");
    }
}

#[test]
fn check_answers_by_exit_status() {
    let dir = place();
    let there = output(criu(dir.path()).args(["check", "--unprivileged", "--feature", "mnt_id"]));
    assert_eq!(there.status.code(), Some(0), "{}", stderr(&there));
    assert_eq!(stdout(&there), "mnt_id is supported\n");
    let extra = output(criu(dir.path()).args(["check", "--unprivileged", "--extra"]));
    let all_there = extra.stdout == b"Looks good.\n";
    assert_eq!(extra.status.success(), all_there, "{extra:?}");
    let unknown = output(criu(dir.path()).args(["check", "--feature", "magic"]));
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("magic"));
}

#[test]
fn other_commands_go_to_the_criu_that_is_named() {
    let dir = place();
    let other = dir.path().join("other");
    write_script(&other, r#"printf '%s|' "$@"; exit 7"#);
    let args = ["--bogus", "restore", "-d", "--", "a b"];
    let named = output(
        criu(dir.path())
            .args(args)
            .env("COMMENSAL_CRIU_BIN", &other),
    );
    assert_eq!(named.status.code(), Some(7));
    assert_eq!(stdout(&named), "--bogus|restore|-d|--|a b|");

    let option = output(criu(dir.path()).arg("--criu-bin").arg(&other).args(args));
    assert_eq!(option.status.code(), Some(7));
    assert_eq!(stdout(&option), "--bogus|restore|-d|--|a b|");
}

#[test]
fn without_another_criu_its_commands_are_refused() {
    let dir = place();
    for command in ["restore", "service", "lazy-pages", "cpuinfo"] {
        let output = output(criu(dir.path()).arg(command));
        assert_eq!(output.status.code(), Some(1), "{command}");
        let message = stderr(&output);
        assert!(
            message.contains(command) && message.contains("COMMENSAL_CRIU_BIN"),
            "{message}"
        );
    }
}

#[test]
fn a_failed_dump_is_in_the_log() {
    let dir = place();
    let args = [
        "dump",
        "--unprivileged",
        "-t",
        "8388608",
        "-v4",
        "-o",
        "dump.log",
    ];
    let output = output(criu(dir.path()).args(args));
    assert_eq!(output.status.code(), Some(1));
    let log = fs::read_to_string(dir.path().join("dump.log")).expect("a log");
    let error = log
        .lines()
        .find(|line| line.contains("Error ("))
        .expect("an error");
    assert!(
        error.starts_with("(00.") && error.contains("8388608"),
        "{log}"
    );
    assert!(!dir.path().join("inventory.img").exists());
}

#[test]
fn options_that_are_not_supported_are_refused_by_name() {
    let dir = place();
    let refused = output(criu(dir.path()).args(["dump", "--unprivileged", "-t1", "--stream"]));
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("option --stream is not supported"), "{told}");
    for pages in [
        ["--page-server", "--address=a"].as_slice(),
        &["--lazy-pages"],
    ] {
        let mut dump = criu(dir.path());
        dump.args(["dump", "--unprivileged", "-t1", "--tls"])
            .args(pages);
        let told = stderr(&output(&mut dump));
        assert!(told.contains("option --tls is not supported"), "{told}");
    }
}

#[test]
fn a_failing_script_fails_the_dump_before_it_begins() {
    let dir = place();
    let script = dir.path().join("act");
    write_script(
        &script,
        r#"echo "$CRTOOLS_SCRIPT_ACTION $CRTOOLS_INIT_PID" >seen; exit 3"#,
    );
    let args = ["dump", "--unprivileged", "-t", "8388608", "--action-script"];
    let output = output(criu(dir.path()).args(args).arg(&script));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("pre-dump"), "{}", stderr(&output));
    let seen = fs::read_to_string(dir.path().join("seen")).expect("it ran");
    assert_eq!(seen, "pre-dump 8388608\n");
}

#[test]
fn configuration_files_count_unless_told_otherwise() {
    let dir = place();
    fs::create_dir(dir.path().join(".criu")).expect("a directory");
    fs::write(dir.path().join(".criu/default.conf"), "stream # default\n").expect("a file");
    fs::write(dir.path().join("mine"), "exec-cmd\n").expect("a file");
    let refused = |args: &[&str], name: &str| {
        let output = output(
            criu(dir.path())
                .args(["dump", "--unprivileged", "-t8388608"])
                .args(args),
        );
        assert!(
            stderr(&output).contains(name),
            "{args:?}: {}",
            stderr(&output)
        );
    };
    refused(&[], "--stream");
    refused(&["--no-default-config"], "8388608");
    refused(&["--config", "mine"], "--exec-cmd");
    refused(&["--config", "none"], "none");
}
