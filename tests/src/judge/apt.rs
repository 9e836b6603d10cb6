//! Fetching packages with apt, without installing them.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use super::JudgeError;

/// What is fetched; apt adds what they depend on.
const PACKAGES: [&str; 3] = ["criu", "python3-pycriu", "python3"];
/// CRIU 4.2 and newer work with current kernels.
const SUITE: &str = "unstable";

/// Fetch and unpack into `dir`; the result is the folder that holds `usr`.
///
/// One process at a time: the others wait, and find it done.
pub fn fetch(dir: &Path) -> Result<PathBuf, JudgeError> {
    let unavailable =
        |error: std::io::Error| JudgeError::Unavailable(format!("{}: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(unavailable)?;
    let lock = File::create(dir.join("lock")).map_err(unavailable)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|errno| unavailable(errno.into()))?;

    let root = dir.join("root");
    let ready = dir.join("ready");
    if ready.exists() {
        return Ok(root);
    }
    let apt = Apt::prepare(&dir.join("apt"), &mirror()?).map_err(unavailable)?;
    apt.run(&["update"])?;
    apt.run(&[&["--yes", "--download-only", "install"], &PACKAGES[..]].concat())?;
    for package in apt.archives().map_err(unavailable)? {
        run(Command::new("dpkg")
            .arg("--extract")
            .arg(package)
            .arg(&root))?;
    }
    File::create(ready).map_err(unavailable)?;
    Ok(root)
}

/// The Debian mirror that this machine already uses.
fn mirror() -> Result<String, JudgeError> {
    let format = "$(SITE)";
    let sites = run(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    sites
        .lines()
        .find(|site| site.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
        .ok_or_else(|| JudgeError::Unavailable("apt on this machine has no Debian mirror".into()))
}

/// apt with a sources list, a state and a cache of its own.
struct Apt {
    dir: PathBuf,
}

impl Apt {
    fn prepare(dir: &Path, mirror: &str) -> std::io::Result<Self> {
        for folder in ["etc", "state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let source = format!("deb [signed-by={keyring}] {mirror} {SUITE} main\n");
        fs::write(dir.join("etc/sources.list"), source)?;
        // An empty status file: nothing counts as installed, so every dependency is fetched.
        File::create(dir.join("state/status"))?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    fn run(&self, arguments: &[&str]) -> Result<String, JudgeError> {
        let inside = |path: &str| self.dir.join(path).display().to_string();
        let mut command = Command::new("apt-get");
        for (option, value) in [
            ("Dir::Etc::sourcelist", inside("etc/sources.list")),
            ("Dir::Etc::sourceparts", inside("etc/none")),
            ("Dir::Etc::preferencesparts", inside("etc/none")),
            ("Dir::State", inside("state")),
            ("Dir::State::status", inside("state/status")),
            ("Dir::Cache", inside("cache")),
            ("APT::Sandbox::User", current_user()),
            ("APT::Install-Recommends", "false".into()),
            ("Acquire::Languages", "none".into()),
            ("Acquire::Retries", "2".into()),
            ("Acquire::http::Timeout", "30".into()),
            ("Debug::NoLocking", "true".into()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        run(command.args(["--quiet"]).args(arguments))
    }

    fn archives(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut packages = Vec::new();
        for entry in fs::read_dir(self.dir.join("cache/archives"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                packages.push(path);
            }
        }
        Ok(packages)
    }
}

/// apt drops to the user `_apt` otherwise, who cannot write into the build directory.
fn current_user() -> String {
    if rustix::process::geteuid().is_root() {
        "root".into()
    } else {
        String::new()
    }
}

/// Run to the end; what it printed on stdout.
fn run(command: &mut Command) -> Result<String, JudgeError> {
    let name = format!("{command:?}");
    let failed = |output: String| JudgeError::Fetch {
        command: name.clone(),
        output,
    };
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => JudgeError::Unavailable(format!(
            "it is fetched with {}, which this machine does not have",
            command.get_program().display()
        )),
        _ => failed(error.to_string()),
    })?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
