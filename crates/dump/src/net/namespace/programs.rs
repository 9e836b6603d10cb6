//! What is saved by programs, whose output the restore gives to the same
//! programs: addresses, routes and rules by ip(8), filters by iptables-save(8)
//! and nft(8).

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use commensal_images::Image;
use commensal_sys::Pid;

use super::{refusal, saved};
use crate::{Error, Refusal, Result};

/// The older interface to the packet filter. What the other one made is seen
/// by nft(8) as well, and must not be saved twice.
pub const LEGACY: [&str; 2] = ["iptables-legacy-save", "ip6tables-legacy-save"];

/// Each program without which a namespace cannot be saved, and its package.
pub fn check(root: Pid) -> Vec<Refusal> {
    let needed = [("ip", "-V", "iproute2"), ("nft", "-v", "nftables")];
    let missing = needed
        .into_iter()
        .filter(|(name, version, _)| !is_there(name, version));
    missing
        .map(|(name, _, package)| {
            refusal(
                root,
                "in a network namespace of its own",
                &format!("what is in it is saved by the program {name}, which cannot be run"),
                &format!("install {package}"),
            )
        })
        .collect()
}

/// Whether a program can be run; `version` has it tell its version.
pub fn is_there(name: &str, version: &str) -> bool {
    let run = Command::new(name)
        .arg(version)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    run.is_ok_and(|status| status.success())
}

/// The rules of nftables, those of iptables over it among them.
///
/// # Errors
///
/// Where nft(8) fails.
pub fn ruleset() -> Result<Vec<u8>> {
    run("nft", &["list", "ruleset"])
}

/// Everything in our thread's namespace, with the image it goes into.
///
/// # Errors
///
/// Where a program fails, with what it says.
pub fn save(id: u32) -> Result<Vec<(Image, Vec<u8>)>> {
    let ipv6 = Path::new("/proc/sys/net/ipv6").exists();
    let mut rules = run("ip", &["rule", "save"])?;
    let mut saved = vec![
        (Image::Ifaddr(id), run("ip", &["addr", "save"])?),
        (Image::Route(id), routes("-4")?),
        (Image::Nftables(id), ruleset()?),
    ];
    if ipv6 {
        saved.push((Image::Route6(id), routes("-6")?));
        let args = ["-6", "rule", "save"];
        rules = saved::rules(rules, &run("ip", &args)?).map_err(failed("ip", &args))?;
    }
    saved.push((Image::Rule(id), rules));
    let [v4, v6] = LEGACY;
    saved.extend(legacy(v4)?.map(|rules| (Image::Iptables(id), rules)));
    if ipv6 {
        saved.extend(legacy(v6)?.map(|rules| (Image::Ip6tables(id), rules)));
    }
    Ok(saved)
}

/// The routes of one version, of all tables.
fn routes(version: &'static str) -> Result<Vec<u8>> {
    let args = [version, "route", "save", "table", "all"];
    saved::routes(&run("ip", &args)?).map_err(failed("ip", &args))
}

/// The rules of the older interface; none where its program is not installed.
fn legacy(program: &str) -> Result<Option<Vec<u8>>> {
    match run(program, &[]) {
        Ok(rules) => Ok(Some(rules)),
        Err(Error::NetworkProgram { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn run(program: &str, args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(failed(program, args))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            let reason = String::from_utf8_lossy(&output.stderr);
            let reason = format!("{}: {}", output.status, reason.trim());
            Err(failed(program, args)(io::Error::other(reason)))
        }
    }
}

fn failed(program: &str, args: &[&str]) -> impl FnOnce(io::Error) -> Error {
    let program = [&[program], args].concat().join(" ");
    move |source| Error::NetworkProgram { program, source }
}
