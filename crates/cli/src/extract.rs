//! `commensal extract`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use commensal_images::stream::{self, ExtractError};
use commensal_images::{Existing, ImagesDir, WriteError, share_with_tree};

use crate::report::with_sources;

/// Turn a stream of `commensal dump --stream`, from standard input, back into a directory.
#[derive(clap::Args)]
pub struct Args {
    /// The directory of the images, new or empty.
    #[arg(short = 'D', long, value_name = "DIR", default_value = ".")]
    images_dir: PathBuf,
}

/// Extracts, reports, and says how the program ends.
pub fn run(args: &Args) -> ExitCode {
    let dir = args.images_dir.display();
    match extract(args) {
        Ok(extracted) => {
            println!(
                "{} files, {} bytes of images in {dir}",
                extracted.files, extracted.bytes
            );
            ExitCode::SUCCESS
        }
        Err(error @ ExtractError::Behind(_)) => {
            eprintln!("{dir}: {}", with_sources(&error));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("there is no image set in {dir}: {}", with_sources(&error));
            if !matches!(error, ExtractError::Write(WriteError::NotEmpty { .. })) {
                eprintln!("Delete what is there, and extract a stream that is whole.");
            }
            ExitCode::FAILURE
        }
    }
}

fn extract(args: &Args) -> Result<stream::Extracted, ExtractError> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        let error = io::Error::other("standard input is a terminal: give a stream, < STREAM");
        return Err(ExtractError::Read(error));
    }
    let dir = ImagesDir::create(&args.images_dir, Existing::Refuse)?;
    let extracted = stream::extract(input, &dir)?;
    if let Err(error) = share_with_tree(&args.images_dir) {
        eprintln!(
            "{error}: let the user who is root in the tree's user namespace read the images before \
             they are restored"
        );
    }
    Ok(extracted)
}
