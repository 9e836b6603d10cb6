//! `criu dump`.

use std::env;
use std::fmt::Display;
use std::fs;
use std::process::ExitCode;

use commensal_dump::{Error, Summary};
use commensal_sys::Pid;
use tracing::{error, info, warn};

use super::scripts::Scripts;
use super::settings::Settings;
use super::workplace::{self, Workplace};
use crate::report;
use crate::signals::Signals;

/// Dumps, and says how the program ends: CRIU's exit status 0 for a dump that is complete, 1 for
/// one that failed, and the status of a post-dump script that did not want it.
pub fn run(settings: Settings) -> ExitCode {
    at_work(settings, dump)
}

/// Copies the memory of a tree that runs on, for a later dump to build on.
pub fn run_pre_dump(settings: Settings) -> ExitCode {
    at_work(settings, |settings, _| pre_dump(settings))
}

fn at_work(
    mut settings: Settings,
    command: impl FnOnce(&Settings, &Workplace) -> Result<ExitCode, String>,
) -> ExitCode {
    let workplace = match workplace::enter(&mut settings) {
        Ok(workplace) => workplace,
        Err(what) => {
            eprintln!("Error: {what}");
            return ExitCode::FAILURE;
        }
    };
    // Without privileges groups cannot be made again.
    settings.dump.cgroups &= !settings.unprivileged;
    let ready = read_cgroup_props(&mut settings).and_then(|()| {
        settings.dump.page_server = settings.page_server()?;
        settings.dump.lazy_pages = settings.lazy_pages();
        Ok(())
    });
    let ended = ready.and_then(|()| command(&settings, &workplace));
    ended.unwrap_or_else(|what| {
        error!("{what}");
        ExitCode::FAILURE
    })
}

fn dump(settings: &Settings, workplace: &Workplace) -> Result<ExitCode, String> {
    let pid = check(settings)?;
    let signals = Signals::catch(&settings.dump.cancel).map_err(|e| format!("signals: {e}"))?;
    let scripts = Scripts::new(&settings.scripts, workplace, pid).status_fd(settings.status_fd);
    scripts.run("pre-dump").map_err(|e| e.to_string())?;

    Ok(match commensal_dump::dump(pid, &settings.dump, &scripts) {
        Ok(summary) => {
            if settings.display_stats {
                display(&summary);
            }
            info!("Dumping finished successfully");
            ExitCode::SUCCESS
        }
        Err(error) => {
            explain(pid, &error);
            error!("Dumping FAILED.");
            let status = match error {
                Error::Cancelled => signals.exit_status(),
                _ => scripts.post_dump_status(),
            };
            ExitCode::from(status.unwrap_or(1))
        }
    })
}

fn pre_dump(settings: &Settings) -> Result<ExitCode, String> {
    let pid = check(settings)?;
    if settings.lazy_pages {
        return Err("a pre-dump has no use for --lazy-pages: the tree runs on".into());
    }
    let signals = Signals::catch(&settings.dump.cancel).map_err(|e| format!("signals: {e}"))?;
    Ok(match commensal_dump::pre_dump(pid, &settings.dump) {
        Ok(summary) => {
            if settings.display_stats {
                display(&summary);
            }
            info!("Pre-dumping finished successfully");
            ExitCode::SUCCESS
        }
        Err(error) => {
            explain(pid, &error);
            error!("Pre-dumping FAILED.");
            ExitCode::from(signals.exit_status().unwrap_or(1))
        }
    })
}

/// The lists of `--cgroup-props` and then of `--cgroup-props-file`.
fn read_cgroup_props(settings: &mut Settings) -> Result<(), String> {
    let selection = &mut settings.dump.cgroup_selection;
    if let Some(text) = &settings.cgroup_props {
        let read = selection.read(text);
        read.map_err(|e| format!("--cgroup-props: {e}"))?;
    }
    if let Some(path) = &settings.cgroup_props_file {
        let failed = |e: &dyn Display| format!("--cgroup-props-file {}: {e}", path.display());
        let text = fs::read_to_string(path).map_err(|e| failed(&e))?;
        selection.read(&text).map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// What CRIU finds wrong before it touches the tree; gives the root's pid.
fn check(settings: &Settings) -> Result<Pid, String> {
    if let Some((name, reason)) = settings.missing.first() {
        return Err(format!("option --{name} is not supported yet: {reason}"));
    }
    if let Some(name) = settings.restore_only.first() {
        return Err(format!("option --{name} is for the restore command only"));
    }
    if settings.tls && (settings.page_server || settings.lazy_pages) {
        return Err("option --tls is not supported: pages are sent as they are".into());
    }
    if settings.sibling && !settings.detached {
        return Err("--restore-sibling only makes sense with --restore-detached".into());
    }
    if let Some(profile) = &settings.lsm_profile {
        check_lsm(profile)?;
    }
    check_plugins(settings)?;
    let pid = settings.tree;
    pid.ok_or_else(|| "pid not specified: name the root of the tree with -t".into())
}

/// The profile is a matter of the restore, but its kind must be the kernel's.
fn check_lsm(profile: &str) -> Result<(), String> {
    let (kind, _) = profile
        .split_once(':')
        .ok_or_else(|| format!("invalid argument for --lsm-profile: {profile}: it is TYPE:NAME"))?;
    let active = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    match kind {
        "none" => Ok(()),
        "apparmor" | "selinux" if active.split(',').any(|lsm| lsm.trim() == kind) => Ok(()),
        "apparmor" | "selinux" => Err(format!("--lsm-profile: this kernel runs without {kind}")),
        _ => Err(format!("--lsm-profile: unknown kind {kind}")),
    }
}

/// CRIU loads every shared object of its plugin directory; that cannot be done here, so a named
/// directory must have none.
fn check_plugins(settings: &Settings) -> Result<(), String> {
    let named = settings
        .libdir
        .clone()
        .or_else(|| env::var_os("CRIU_LIBS_DIR").map(Into::into));
    let Some(dir) = named else {
        return Ok(());
    };
    let unreadable = |e| format!("cannot open plugin directory {}: {e}", dir.display());
    for entry in fs::read_dir(&dir).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if name.as_encoded_bytes().ends_with(b".so") {
            return Err(format!(
                "plugin {} is not supported: commensal cannot load CRIU's plugins; \
                 name an empty directory with --libdir to dump without it",
                dir.join(name).display()
            ));
        }
    }
    Ok(())
}

/// Logs why a dump failed, a line for every thing that was refused.
fn explain(pid: Pid, error: &Error) {
    match error {
        Error::Refused(refusals) => {
            for refusal in refusals {
                error!("{refusal}");
                warn!("remedy: {}", refusal.remedy);
            }
        }
        _ => error!("process {pid}: {}", report::with_sources(error)),
    }
}

fn display(summary: &Summary) {
    println!("Displaying dump stats:");
    println!("Freezing time: {} us", summary.freezing.as_micros());
    println!("Frozen time: {} us", summary.frozen.as_micros());
    println!("Memory dump time: {} us", summary.memory_dump.as_micros());
    println!("Memory write time: {} us", summary.memory_write.as_micros());
    let count = |name: &str, pages: u64| println!("{name}: {pages} (0x{pages:x})");
    count("Memory pages scanned", summary.pages_scanned);
    count("Memory pages skipped from parent", summary.pages_in_parent);
    count("Memory pages written", summary.pages_written);
    count("Lazy memory pages", summary.pages_lazy);
}
