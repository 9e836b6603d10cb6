//! Why there is no comparison.

use std::io;
use std::path::Path;

use commensal_images::ReadError;

/// Why there is no comparison.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("cannot start {program}: {source}")]
    #[diagnostic(help("Is it installed, and are you root?"))]
    Start { program: String, source: io::Error },
    #[error("{path}: {source}")]
    File { path: String, source: io::Error },
    #[error("{program} did not dump the target: {why}")]
    Dump { program: String, why: String },
    #[error("the target ended before it was ready")]
    Target,
    #[error(transparent)]
    Stats(#[from] ReadError),
    #[error("a plot could not be drawn: {0}")]
    Plot(String),
}

impl Error {
    /// A program that could not be started.
    pub fn start(program: impl ToString, source: io::Error) -> Self {
        Self::Start {
            program: program.to_string(),
            source,
        }
    }

    /// A file operation that failed.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }
}
