//! `criu dedup`.

use std::process::ExitCode;

use commensal_images::dedup;
use tracing::{error, info};

use super::settings::Settings;
use super::workplace;

/// Gives back what the image sets before the one in the images directory have, and it has, too.
pub fn run(mut settings: Settings) -> ExitCode {
    if let Err(what) = workplace::enter(&mut settings) {
        eprintln!("Error: {what}");
        return ExitCode::FAILURE;
    }
    let dir = &settings.dump.images_dir;
    if !dir.join("parent").is_dir() {
        error!("{}: there are no images that these build on", dir.display());
        return ExitCode::FAILURE;
    }
    match dedup(dir) {
        Ok(freed) => {
            info!("{freed} bytes were given back");
            ExitCode::SUCCESS
        }
        Err(what) => {
            error!("{what}");
            ExitCode::FAILURE
        }
    }
}
