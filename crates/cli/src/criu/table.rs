//! CRIU's options: one row each.

use std::ffi::OsStr;

use commensal_dump::Then;

use super::parse::Stop;
use super::settings::{Invalid, Settings};
use super::value::{number, path, text};

/// Whether an option has a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// None.
    None,
    /// Only one that is attached: `--name=value`, `-nvalue`.
    Optional,
    /// The attached one, or the next argument.
    Required,
}

/// What an option does.
pub enum Meaning {
    /// It is on, or off with `--no-`.
    Switch(fn(&mut Settings, bool)),
    /// It has a value.
    Value(fn(&mut Settings, &OsStr) -> Invalid),
    /// It may have a value.
    Optional(fn(&mut Settings, Option<&OsStr>) -> Invalid),
    /// It says nothing to a dump or a check, in CRIU either: for a restore, for a server, or
    /// dealt with before.
    Elsewhere,
    /// A dump with it is refused, for this reason.
    Missing(&'static str),
    /// It ends the program.
    Stop(Stop),
}

/// One option.
pub struct Row {
    /// `--long`.
    pub long: &'static str,
    /// `-s`.
    pub short: Option<char>,
    /// Its value.
    pub argument: Argument,
    /// Whether there is a `--no-long`.
    pub negatable: bool,
    /// What it does.
    pub meaning: Meaning,
}

impl Row {
    const fn new(long: &'static str, argument: Argument, meaning: Meaning) -> Self {
        Self {
            long,
            short: None,
            argument,
            negatable: false,
            meaning,
        }
    }

    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn or_no(mut self) -> Self {
        self.negatable = true;
        self
    }

    /// The long names, each with whether it is the negated one.
    pub fn names(&self) -> impl Iterator<Item = (String, bool)> {
        let negated = self.negatable.then(|| (format!("no-{}", self.long), true));
        [(self.long.to_owned(), false)].into_iter().chain(negated)
    }
}

const fn switch(long: &'static str, set: fn(&mut Settings, bool)) -> Row {
    Row::new(long, Argument::None, Meaning::Switch(set))
}

const fn value(long: &'static str, set: fn(&mut Settings, &OsStr) -> Invalid) -> Row {
    Row::new(long, Argument::Required, Meaning::Value(set))
}

const fn optional(long: &'static str, set: fn(&mut Settings, Option<&OsStr>) -> Invalid) -> Row {
    Row::new(long, Argument::Optional, Meaning::Optional(set))
}

const fn elsewhere(long: &'static str, argument: Argument) -> Row {
    Row::new(long, argument, Meaning::Elsewhere)
}

const fn missing(long: &'static str, argument: Argument, reason: &'static str) -> Row {
    Row::new(long, argument, Meaning::Missing(reason))
}

const STREAM: &str =
    "it is for criu-image-streamer; commensal dump --stream has a stream of its own";

use Argument::{None as NoArgument, Required};

/// Every option of CRIU 4.2.
pub static TABLE: &[Row] = &[
    value("tree", Settings::set_tree).short('t'),
    switch("leave-stopped", |s, _| s.dump.then = Then::Stop).short('s'),
    switch("leave-running", |s, _| s.dump.then = Then::Resume).short('R'),
    value("images-dir", |s, v| path(v).map(|v| s.dump.images_dir = v)).short('D'),
    value("work-dir", |s, v| {
        path(v).map(|v| s.dump.work_dir = Some(v))
    })
    .short('W'),
    value("log-file", |s, v| {
        path(v).map(|v| s.log_file = Some(v.into()))
    })
    .short('o'),
    optional("verbosity", Settings::set_verbosity).short('v'),
    elsewhere("log-pid", NoArgument).or_no(),
    switch("display-stats", |s, on| s.display_stats = on).or_no(),
    value("timeout", Settings::set_timeout),
    value("action-script", Settings::add_script),
    switch("unprivileged", |s, on| s.unprivileged = on).or_no(),
    value("libdir", |s, v| path(v).map(|v| s.libdir = Some(v))).short('L'),
    switch("shell-job", |s, on| s.dump.shell_job = on)
        .short('j')
        .or_no(),
    switch("file-locks", |s, on| s.dump.file_locks = on)
        .short('l')
        .or_no(),
    switch("link-remap", |s, on| s.dump.link_remap = on).or_no(),
    switch("force-irmap", |s, on| s.dump.force_irmap = on).or_no(),
    value("irmap-scan-path", |s, v| {
        s.dump.irmap_scan_paths.push(v.into());
        Ok(())
    }),
    value("ghost-limit", Settings::set_ghost_limit),
    // How holes of a deleted file are found: the images are the same.
    elsewhere("ghost-fiemap", NoArgument).or_no(),
    switch("evasive-devices", |s, on| s.dump.evasive_devices = on).or_no(),
    value("file-validation", Settings::set_file_validation),
    switch("allow-uprobes", |s, on| s.dump.allow_uprobes = on).or_no(),
    switch("tcp-established", |s, on| s.dump.tcp_established = on).or_no(),
    switch("tcp-close", |s, on| s.dump.tcp_close = on).or_no(),
    switch("skip-in-flight", |s, on| s.dump.skip_in_flight = on).or_no(),
    value("network-lock", Settings::set_network_lock),
    optional("ext-unix-sk", Settings::set_external_unix).short('x'),
    value("external", Settings::add_external),
    optional("manage-cgroups", Settings::set_manage_cgroups),
    value("cgroup-root", |s, v| {
        s.dump.cgroup_roots.push(text(v)?.parse()?);
        Ok(())
    }),
    value("cgroup-yard", |s, v| {
        s.dump.cgroup_yard = Some(v.into());
        Ok(())
    }),
    value("cgroup-props", |s, v| {
        text(v).map(|v| s.cgroup_props = Some(v.to_owned()))
    }),
    value("cgroup-props-file", |s, v| {
        path(v).map(|v| s.cgroup_props_file = Some(v))
    }),
    value("cgroup-dump-controller", |s, v| {
        s.dump.cgroup_selection.hierarchies.push(text(v)?.into());
        Ok(())
    }),
    value("freeze-cgroup", |s, v| {
        path(v).map(|v| s.dump.freeze_cgroup = Some(v))
    }),
    value("empty-ns", Settings::set_empty_namespace),
    value("close", |s, v| number(v).map(|fd| s.close.push(fd))),
    value("prev-images-dir", |s, v| {
        path(v).map(|v| s.dump.prev_images = Some(v))
    }),
    switch("page-server", |s, on| s.page_server = on).or_no(),
    switch("lazy-pages", |s, _| s.lazy_pages = true),
    value("address", |s, v| {
        text(v).map(|v| s.address = Some(v.into()))
    }),
    value("port", |s, v| match number(v)? {
        0 => Err("it is not 0".into()),
        port => {
            s.port = port;
            Ok(())
        }
    }),
    value("ps-socket", |s, v| {
        number(v).map(|fd| s.page_server_socket = Some(fd))
    }),
    value("status-fd", |s, v| {
        number(v).map(|fd| s.status_fd = Some(fd))
    }),
    switch("tls", |s, on| s.tls = on).or_no(),
    switch("auto-dedup", |s, on| s.dump.auto_dedup = on).or_no(),
    // What was written since is told by comparing: nothing needs to be turned on.
    elsewhere("track-mem", NoArgument).or_no(),
    optional("cpu-cap", Settings::set_cpu_cap),
    value("lsm-profile", |s, v| {
        text(v).map(|v| s.lsm_profile = Some(v.to_owned()))
    }),
    value("feature", Settings::set_feature),
    switch("extra", |s, on| s.extra = on).or_no(),
    switch("experimental", |s, on| s.experimental = on).or_no(),
    switch("all", |s, _| (s.extra, s.experimental) = (true, true)),
    Row::new(
        "ms",
        NoArgument,
        Meaning::Value(|_, _| Err("CRIU has removed it; see criu check --extra".into())),
    ),
    value("skip-mnt", Settings::skip_mount),
    value("enable-fs", Settings::allow_file_systems),
    value("ext-mount-map", Settings::add_mount).short('M'),
    switch("enable-external-sharing", |s, on| {
        s.dump.mounts.external_sharing = on
    }),
    switch("enable-external-masters", |s, on| {
        s.dump.mounts.external_masters = on
    }),
    // Dealt with before anything else.
    elsewhere("config", Required),
    elsewhere("no-default-config", NoArgument),
    Row::new("help", NoArgument, Meaning::Stop(Stop::Help)).short('h'),
    Row::new("version", NoArgument, Meaning::Stop(Stop::Version)).short('V'),
    // Of a restore or a server only.
    switch("restore-detached", |s, on| s.detached = on)
        .short('d')
        .or_no(),
    switch("restore-sibling", |s, on| s.sibling = on)
        .short('S')
        .or_no(),
    switch("daemon", |s, on| s.detached = on).or_no(),
    switch("exec-cmd", |s, _| s.restore_only.push("exec-cmd")),
    switch("mntns-compat-mode", restore_only_mode).or_no(),
    value("inherit-fd", |s, _| {
        s.restore_only.push("inherit-fd");
        Ok(())
    }),
    elsewhere("root", Required).short('r'),
    elsewhere("join-ns", Required).short('J'),
    elsewhere("pidfile", Required),
    elsewhere("veth-pair", Required),
    elsewhere("weak-sysctls", NoArgument).or_no(),
    elsewhere("skip-file-rwx-check", NoArgument).or_no(),
    elsewhere("lsm-mount-context", Required),
    elsewhere("deprecated", NoArgument).or_no(),
    elsewhere("tls-cacert", Required),
    elsewhere("tls-cacrl", Required),
    elsewhere("tls-cert", Required),
    elsewhere("tls-key", Required),
    elsewhere("tls-no-cn-verify", NoArgument),
    value("pre-dump-mode", |_, v| match text(v)? {
        "splice" | "read" => Ok(()),
        _ => Err("it is splice or read".into()),
    }),
    // Not there yet.
    missing("stream", NoArgument, STREAM).or_no(),
];

fn restore_only_mode(settings: &mut Settings, on: bool) {
    settings
        .restore_only
        .retain(|name| *name != "mntns-compat-mode");
    if on {
        settings.restore_only.push("mntns-compat-mode");
    }
}
