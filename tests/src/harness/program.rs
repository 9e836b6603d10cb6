//! What can be started as a victim.

use std::ffi::OsString;
use std::path::PathBuf;

use super::paths;

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// Whether its mappings, descriptors and tasks are the same in every round.
    pub(super) steady: bool,
}

impl Program {
    /// One of the victims in `src/bin`.
    pub fn victim(name: &str) -> Self {
        Self {
            path: paths::victim(name),
            arguments: Vec::new(),
            steady: true,
        }
    }

    /// A script of `tests/programs`, run by an interpreter of the system.
    pub fn script(interpreter: &str, name: &str) -> Self {
        Self {
            path: interpreter.into(),
            arguments: vec![paths::script(name).into()],
            steady: true,
        }
    }

    /// Add an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Its tasks or mappings come and go by themselves, so that two looks may differ.
    #[must_use]
    pub fn restless(mut self) -> Self {
        self.steady = false;
        self
    }
}
