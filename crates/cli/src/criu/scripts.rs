//! Action scripts: programs that act at the stages of a dump.
//!
//! Those are `pre-dump` and `post-dump`, `network-lock` and `network-unlock` for a tree with a
//! network namespace of its own, and `status-ready` when pages that stay in it can be fetched; then
//! a descriptor is told, too (`--status-fd`).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};

use commensal_dump::{HookError, Hooks};
use commensal_sys::Pid;
use commensal_sys::fcntl::close_inherited;
use commensal_sys::pidfd::PidFd;
use tracing::{debug, error, info};

use super::workplace::Workplace;

/// The scripts of a dump and what they are told.
pub struct Scripts<'a> {
    paths: &'a [PathBuf],
    workplace: &'a Workplace,
    pid: Pid,
    status_fd: Option<i32>,
    /// The status with which a post-dump script said no.
    post_dump: AtomicI32,
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A script cannot be started.
    #[error("action script {path} cannot be run: {source}", path = path.display())]
    Start {
        /// The script.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A script failed.
    #[error("action script {path} failed at {stage}: {status}", path = path.display())]
    Failed {
        /// The script.
        path: PathBuf,
        /// What it was to do.
        stage: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
}

impl<'a> Scripts<'a> {
    /// The scripts `paths`, for a dump of `pid`.
    pub fn new(paths: &'a [PathBuf], workplace: &'a Workplace, pid: Pid) -> Self {
        Self {
            paths,
            workplace,
            pid,
            status_fd: None,
            post_dump: AtomicI32::new(0),
        }
    }

    /// With a descriptor that was inherited, which is told when pages can be fetched.
    pub fn status_fd(self, status_fd: Option<i32>) -> Self {
        Self { status_fd, ..self }
    }

    /// Runs all scripts, the last one named first as CRIU does; the error is the first one's.
    pub fn run(&self, stage: &'static str) -> Result<(), ScriptError> {
        let results: Vec<_> = self
            .paths
            .iter()
            .rev()
            .map(|path| self.run_one(path, stage))
            .collect();
        results.into_iter().collect()
    }

    /// The exit status to end with if a post-dump script failed.
    pub fn post_dump_status(&self) -> Option<u8> {
        match self.post_dump.load(Ordering::Relaxed) {
            0 => None,
            status => Some(u8::try_from(status).unwrap_or(1)),
        }
    }

    fn run_one(&self, path: &Path, stage: &'static str) -> Result<(), ScriptError> {
        debug!("action script {} at {stage}", path.display());
        let images = format!(
            "/proc/{}/fd/{}",
            process::id(),
            self.workplace.images.as_raw_fd()
        );
        let result = self.output().and_then(|(out, errors)| {
            Command::new(path)
                .env("CRTOOLS_SCRIPT_ACTION", stage)
                .env("CRTOOLS_IMAGE_DIR", images)
                .env("CRTOOLS_INIT_PID", self.pid.to_string())
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(errors)
                .status()
        });
        let path = path.to_owned();
        let error = match result {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => ScriptError::Failed {
                path,
                stage,
                status,
            },
            Err(source) => ScriptError::Start { path, source },
        };
        error!("{error}");
        Err(error)
    }

    fn output(&self) -> io::Result<(Stdio, Stdio)> {
        let log = || self.workplace.log.try_clone().map(Stdio::from);
        Ok((log()?, log()?))
    }
}

impl Hooks for Scripts<'_> {
    fn network_lock(&self) -> Result<(), HookError> {
        Ok(self.run("network-lock")?)
    }

    fn network_unlock(&self) {
        // The tree must run on, however this ends; it is in the log.
        let _ = self.run("network-unlock");
    }

    fn lazy_pages(&self, port: Option<u16>) -> Result<(), HookError> {
        if let Some(port) = port {
            info!("Using {port} port");
        }
        self.run("status-ready")?;
        let Some(fd) = self.status_fd else {
            return Ok(());
        };
        let own = Pid::new(process::id() as i32).expect("a process has a positive id");
        let told = PidFd::open(own)?.duplicate(fd)?;
        File::from(told).write_all(&[0])?;
        close_inherited(u32::try_from(fd)?);
        Ok(())
    }

    fn needs_stopped_tree(&self) -> bool {
        !self.paths.is_empty()
    }

    fn dumped(&self) -> Result<(), HookError> {
        self.run("post-dump").map_err(|error| {
            let status = match &error {
                ScriptError::Failed { status, .. } => status.code().unwrap_or(1),
                ScriptError::Start { .. } => 1,
            };
            self.post_dump.store(status, Ordering::Relaxed);
            error.into()
        })
    }
}
