//! The command line as CRIU's users know it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use commensal_dump::{External, MountChoices, NetworkLock, PageServerAddress, Then};
use proptest::prelude::*;

use super::parse::{self, Stop};
use super::settings::Settings;
use super::table::TABLE;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// The settings after a command line, and its command.
fn read(line: &str) -> Result<(Settings, Option<OsString>), Stop> {
    let parsed = parse::command_line(&words(line));
    let mut settings = Settings::default();
    parse::apply(parsed.options?, &mut settings)?;
    Ok((settings, parsed.command))
}

fn settings(line: &str) -> Settings {
    match read(line) {
        Ok((settings, command)) => {
            assert_eq!(command, Some("dump".into()), "{line}");
            settings
        }
        Err(stop) => panic!("{line}: {stop:?}"),
    }
}

#[test]
fn defaults_are_criu_s() {
    let defaults = settings("dump");
    assert_eq!(defaults.dump.then, Then::Kill);
    assert_eq!(defaults.verbosity, 2);
    assert_eq!(defaults.dump.ghost_limit, 1 << 20);
    assert_eq!(defaults.dump.timeout, Some(Duration::from_secs(10)));
    assert_eq!(defaults.dump.network_lock, Some(NetworkLock::Iptables));
    assert!(defaults.dump.cgroups && defaults.dump.build_ids);
}

#[test]
fn options_stand_before_and_after_the_command() {
    for line in [
        "-t 7 dump -D x",
        "dump -t 7 -D x",
        "--tree=7 --images-dir x dump",
        "dump -t7 -Dx",
    ] {
        let settings = settings(line);
        assert_eq!(settings.tree.map(|pid| pid.get()), Some(7), "{line}");
        assert_eq!(settings.dump.images_dir, Path::new("x"), "{line}");
    }
}

#[test]
fn verbosity_takes_every_form_of_criu() {
    for (line, level) in [
        ("dump -v", 3),
        ("dump -vv", 4),
        ("dump -vvv", 5),
        ("dump -v -v", 4),
        ("dump -v4", 4),
        ("dump -v0", 0),
        ("dump --verbosity", 3),
        ("dump --verbosity=4", 4),
        ("dump -verbosity=0", 0),
    ] {
        assert_eq!(settings(line).verbosity, level, "{line}");
    }
}

#[test]
fn short_options_cluster_and_long_ones_abbreviate() {
    let cluster = settings("dump -jlRt7");
    assert!(cluster.dump.shell_job && cluster.dump.file_locks);
    assert_eq!(cluster.dump.then, Then::Resume);
    assert_eq!(settings("dump --leave-s").dump.then, Then::Stop);
    assert!(settings("dump --shell").dump.shell_job);
    assert!(settings("dump --tcp-e").dump.tcp_established);
    assert!(matches!(read("dump --leave"), Err(Stop::Usage(_))));
    assert!(matches!(read("dump --tcp-"), Err(Stop::Usage(_))));
    assert!(matches!(read("dump --bogus"), Err(Stop::Usage(_))));
    assert!(matches!(read("dump -q"), Err(Stop::Usage(_))));
    assert!(matches!(read("dump --shell-job=yes"), Err(Stop::Usage(_))));
    assert!(matches!(read("dump -t"), Err(Stop::Usage(_))));
}

#[test]
fn the_last_word_counts() {
    assert!(!settings("dump --shell-job --no-shell-job").dump.shell_job);
    assert!(settings("dump --no-tcp-close --tcp-close").dump.tcp_close);
    assert!(settings("dump --no-auto-dedup").missing.is_empty());
    assert_eq!(settings("dump -s -R").dump.then, Then::Resume);
}

#[test]
fn values_are_read_as_criu_writes_them() {
    assert_eq!(settings("dump --ghost-limit 3M").dump.ghost_limit, 3 << 20);
    assert_eq!(settings("dump --ghost-limit 70000").dump.ghost_limit, 70000);
    assert_eq!(settings("dump --timeout 0").dump.timeout, None);
    let groups = |line: &str| settings(line).dump.cgroup_selection.groups;
    assert!(!groups("dump --manage-cgroups=ignore"));
    assert!(groups("dump --manage-cgroups"));
    assert!(!settings("dump").dump.cpu_info);
    assert!(settings("dump --cpu-cap").dump.cpu_info);
    assert!(!settings("dump --cpu-cap --cpu-cap=none").dump.cpu_info);
    assert!(settings("dump --cpu-cap=^ins,fpu").dump.cpu_info);
    assert_eq!(settings("dump --close 7 --close 9").close, [7, 9]);
    assert!(settings("dump --empty-ns net").dump.empty_network);
    let group = settings("dump --freeze-cgroup /a").dump.freeze_cgroup;
    assert_eq!(group, Some("/a".into()));
    let selection = settings("dump --cgroup-dump-controller cpu")
        .dump
        .cgroup_selection;
    assert_eq!(selection.hierarchies, ["cpu"]);
    assert!(!settings("dump --file-validation filesize").dump.build_ids);
    let external =
        settings("dump --external tty[8800:16] -x17,18 --external veth[a]:b --external mnt[/x]:y")
            .dump;
    assert!(external.external_unix);
    assert_eq!(
        external.external,
        [
            External::Tty {
                rdev: 0x8800,
                dev: 0x16
            },
            External::Unix { inode: 17 },
            External::Unix { inode: 18 },
            External::Mount {
                point: "/x".into(),
                name: "y".into()
            },
        ]
    );
}

#[test]
fn mounts_are_chosen_as_criu_writes_them() {
    let mounts = |line: &str| settings(line).dump.mounts;
    assert_eq!(mounts("dump"), MountChoices::default());
    assert!(mounts("dump --external mnt[]").find_external);
    assert!(mounts("dump -M auto").find_external);
    let flags = mounts("dump --external mnt[]:m --enable-external-sharing");
    assert!(flags.external_masters && flags.external_sharing);
    let both = mounts("dump --external mnt[]:ms");
    assert!(both.external_masters && both.external_sharing);
    assert_eq!(
        mounts("dump --skip-mnt /a --skip-mnt /b").skip,
        ["/a", "/b"]
    );
    assert_eq!(
        mounts("dump --enable-fs hugetlbfs,bpf").file_systems,
        ["hugetlbfs", "bpf"]
    );
    let named = settings("dump -M /a:A").dump.external;
    assert_eq!(named, ["mnt[/a]:A".parse().unwrap()]);
}

#[test]
fn wrong_values_are_errors() {
    for line in [
        "dump -t 0",
        "dump -t x",
        "dump --timeout soon",
        "dump --ghost-limit 1T",
        "dump --ghost-limit 99999999999999999G",
        "dump --network-lock ebpf",
        "dump --manage-cgroups=all",
        "dump --cpu-cap=gpu",
        "dump --external unix[x]",
        "dump --empty-ns ipc",
        "dump --port 0",
        "dump --ms",
        "dump -M /x",
        "dump --feature no_such_feature",
        "dump --pre-dump-mode slow",
        "dump --status-fd x",
        "dump --images-dir=",
    ] {
        assert!(matches!(read(line), Err(Stop::Invalid(_))), "{line}");
    }
}

#[test]
fn what_is_not_supported_is_kept_to_be_refused() {
    let settings = settings("dump --stream");
    let names: Vec<_> = settings.missing.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["stream"]);
}

#[test]
fn lazy_pages_are_given_at_an_address() {
    let lazy = |line: &str| settings(line).lazy_pages();
    let at = |host: &str, port| {
        let host = host.to_owned();
        Some(PageServerAddress::Tcp { host, port })
    };
    assert_eq!(lazy("dump --address a --port 7"), None);
    assert_eq!(lazy("dump --lazy-pages --address a --port 7"), at("a", 7));
    assert_eq!(lazy("dump --lazy-pages"), at("0.0.0.0", 0));
    let socket = lazy("dump --lazy-pages --ps-socket 5 --status-fd 6");
    assert_eq!(socket, Some(PageServerAddress::Socket(5)));
}

#[test]
fn a_page_server_is_asked_for_with_its_address() {
    let server = |line: &str| settings(line).page_server();
    assert_eq!(server("dump --address a --port 7"), Ok(None));
    let host = "a".into();
    assert_eq!(
        server("dump --page-server --address a --port 7"),
        Ok(Some(PageServerAddress::Tcp { host, port: 7 }))
    );
    assert_eq!(
        server("dump --page-server --ps-socket 5"),
        Ok(Some(PageServerAddress::Socket(5)))
    );
    assert!(server("dump --page-server").is_err());
}

#[test]
fn the_command_is_found_even_after_a_mistake() {
    for line in [
        "--bogus restore -d",
        "restore --bogus",
        "-o x restore --shell-job",
    ] {
        let command = parse::command_line(&words(line)).command;
        assert_eq!(command, Some("restore".into()), "{line}");
    }
}

#[test]
fn every_option_has_a_name_of_its_own() {
    let mut names: Vec<_> = TABLE
        .iter()
        .flat_map(|row| row.names().map(|(name, _)| name))
        .collect();
    let shorts = TABLE.iter().filter_map(|row| row.short).map(String::from);
    names.extend(shorts);
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// Arguments as people and scripts write them, with every option in them, and garbage.
fn argument() -> impl Strategy<Value = OsString> {
    let option =
        (0..TABLE.len(), any::<u8>(), "[a-z0-9=:\\[\\]^,/]{0,6}").prop_map(|(at, cut, value)| {
            let name: String = TABLE[at]
                .long
                .chars()
                .take(1 + usize::from(cut) % 24)
                .collect();
            OsString::from(format!(
                "--{name}{}{value}",
                if cut % 2 == 0 { "=" } else { "" }
            ))
        });
    let short = "-[a-zA-Z0-9=]{1,4}".prop_map(OsString::from);
    let bytes = prop::collection::vec(any::<u8>(), 0..8).prop_map(OsString::from_vec);
    prop_oneof![option, short, bytes, Just(OsString::from("dump"))]
}

proptest! {
    #[test]
    fn no_command_line_panics(mut args in prop::collection::vec(argument(), 0..12)) {
        let _ = super::fallback::take_program(&mut args);
        let parsed = parse::command_line(&args);
        if let Ok(options) = parsed.options {
            let _ = parse::apply(options, &mut Settings::default());
        }
    }
}
