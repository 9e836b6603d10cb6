//! Where a command works: its images directory, its work directory and its log.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path;

use commensal_sys::fcntl::close_inherited;
use tracing::info;

use super::settings::Settings;
use crate::log;

/// What a command holds open while it works.
pub struct Workplace {
    /// The images directory.
    pub images: File,
    /// The log.
    pub log: File,
}

/// Opens the images directory, goes to the work directory and starts the log there.
pub fn enter(settings: &mut Settings) -> Result<Workplace, String> {
    // We have opened nothing yet.
    for &fd in &settings.close {
        close_inherited(fd);
    }
    if !rustix::process::geteuid().is_root() && !settings.unprivileged {
        return Err("Running as non-root requires '--unprivileged'".into());
    }
    let dir = &mut settings.dump.images_dir;
    let images = File::open(&dir).and_then(|file| match file.metadata()?.is_dir() {
        true => Ok(file),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    let images =
        images.map_err(|e| format!("cannot open images directory {}: {e}", dir.display()))?;
    *dir = path::absolute(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;

    let work = settings.dump.work_dir.get_or_insert_with(|| dir.clone());
    let failed = |e| format!("cannot change directory to {}: {e}", work.display());
    env::set_current_dir(&work).map_err(failed)?;
    *work = env::current_dir().map_err(|e| format!("work directory: {e}"))?;

    let file = open_log(settings).map_err(|e| format!("cannot open the log file: {e}"))?;
    let log = file.try_clone().map_err(|e| format!("log file: {e}"))?;
    log::as_criu(settings.verbosity, file);
    info!(
        "Version: {} (commensal {})",
        super::CRIU_VERSION,
        env!("CARGO_PKG_VERSION")
    );
    Ok(Workplace { images, log })
}

fn open_log(settings: &Settings) -> io::Result<File> {
    let standard = match &settings.log_file {
        None => io::stderr().as_fd().try_clone_to_owned(),
        Some(name) if name == "-" => io::stdout().as_fd().try_clone_to_owned(),
        Some(name) => {
            // Opened for appending, as scripts write to it too.
            let file = File::options()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(name)?;
            if fs::metadata(name)?.is_file() {
                file.set_len(0)?;
            }
            return Ok(file);
        }
    };
    standard.map(File::from)
}
