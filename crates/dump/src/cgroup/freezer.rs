//! The freezer of a control group (cgroups(7)): `freezer.state` of version 1, `cgroup.freeze` of
//! version 2.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use commensal_seized::{caretaker, later};
use commensal_sys::Pid;
use commensal_sys::caretaker::{Caretaker, LastCommand};

use crate::proc::Status;
use crate::{Cancel, Error, Result};

/// What a group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its tasks run.
    Thawed,
    /// It was told to freeze, and not all of its tasks have.
    Freezing,
    /// Its tasks stand still.
    Frozen,
}

/// The freezer of one group, which is put back as it was when this is dropped, or by a caretaker
/// if we die.
#[derive(Debug)]
pub struct Freezer {
    group: PathBuf,
    version: Version,
    was_frozen: bool,
    /// Who puts it back if we die, and how, while it may have to be.
    promise: Option<(Rc<Caretaker>, LastCommand)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    fn of(group: &Path) -> Result<Self> {
        if group.join("freezer.state").exists() {
            return Ok(Self::One);
        }
        match group.join("cgroup.freeze").exists() {
            true => Ok(Self::Two),
            false => Err(failed(
                group,
                io::Error::other("it has neither freezer.state nor cgroup.freeze"),
            )),
        }
    }

    /// The file that freezes and thaws.
    const fn file(self) -> &'static str {
        match self {
            Self::One => "freezer.state",
            Self::Two => "cgroup.freeze",
        }
    }

    /// What is written to it.
    const fn command(self, frozen: bool) -> &'static str {
        match (self, frozen) {
            (Self::One, true) => "FROZEN",
            (Self::One, false) => "THAWED",
            (Self::Two, true) => "1",
            (Self::Two, false) => "0",
        }
    }

    /// The file that lists a group's threads.
    const fn threads(self) -> &'static str {
        match self {
            Self::One => "tasks",
            Self::Two => "cgroup.threads",
        }
    }
}

impl Freezer {
    /// Finds the freezer in a group's directory, and out what it does.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
    pub fn open(group: &Path) -> Result<Self> {
        let mut freezer = Self {
            group: group.to_owned(),
            version: Version::of(group)?,
            was_frozen: false,
            promise: None,
        };
        freezer.was_frozen = freezer.state()? != State::Thawed;
        Ok(freezer)
    }

    /// What version 1 calls the state that the group was in when it was opened.
    pub const fn former_state(&self) -> &'static str {
        Version::One.command(self.was_frozen)
    }

    /// Leaves the group as it is now.
    pub fn keep(&mut self) {
        self.is_back();
    }

    /// Freezes the group and waits until all of its tasks stand still; one that was frozen
    /// stays so. If we die, a caretaker puts it back from here on.
    ///
    /// # Errors
    ///
    /// Where they do not within `timeout`, or the caller gives up.
    pub fn freeze(&mut self, timeout: Duration, cancel: &Cancel) -> Result<()> {
        /// Freezing with version 1 may need to be asked for more than once.
        const ASK_AGAIN: u32 = 50;
        let deadline = Instant::now() + timeout;
        self.promise()?;
        for look in 0u32.. {
            if self.state()? == State::Frozen {
                break;
            }
            if look.is_multiple_of(ASK_AGAIN) {
                self.write(true)?;
                continue;
            }
            cancel.check()?;
            if Instant::now() > deadline {
                return Err(failed(&self.file(), io::ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(Duration::from_millis(look.min(20).into()));
        }
        Ok(())
    }

    /// Lets the group's tasks run.
    ///
    /// # Errors
    ///
    /// Where the kernel does not.
    pub fn thaw(&mut self) -> Result<()> {
        self.write(false)?;
        if !self.was_frozen {
            self.is_back();
        }
        Ok(())
    }

    /// The tasks of the group and of all groups below it, which have a thread in it.
    ///
    /// # Errors
    ///
    /// Where a group cannot be read.
    pub fn tasks(&self) -> Result<BTreeSet<Pid>> {
        let mut found = BTreeSet::new();
        self.add_tasks(&self.group, &mut found)?;
        Ok(found)
    }

    fn add_tasks(&self, group: &Path, found: &mut BTreeSet<Pid>) -> Result<()> {
        let path = group.join(self.version.threads());
        let list = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
        for tid in list.lines().filter_map(|line| Pid::new(line.parse().ok()?)) {
            match Status::of_task(tid) {
                Ok(status) => found.extend(status.tgid),
                Err(Error::Gone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let unreadable = |source| failed(group, source);
        for entry in fs::read_dir(group).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.file_type().map_err(unreadable)?.is_dir() {
                self.add_tasks(&entry.path(), found)?;
            }
        }
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.group.join(self.version.file())
    }

    fn state(&self) -> Result<State> {
        let path = self.file();
        let text = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
        let state = match (self.version, text.trim()) {
            (Version::One, "THAWED") | (Version::Two, "0") => State::Thawed,
            (Version::One, "FREEZING") => State::Freezing,
            (Version::One, "FROZEN") => State::Frozen,
            (Version::Two, "1") => {
                let path = self.group.join("cgroup.events");
                let text = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
                match text.lines().any(|line| line == "frozen 1") {
                    true => State::Frozen,
                    false => State::Freezing,
                }
            }
            (_, other) => {
                return Err(failed(
                    &path,
                    io::Error::other(format!("it says {other:?}")),
                ));
            }
        };
        Ok(state)
    }

    fn write(&self, frozen: bool) -> Result<()> {
        let path = self.file();
        let written = fs::write(&path, self.version.command(frozen));
        written.map_err(|source| failed(&path, source))
    }

    fn promise(&mut self) -> Result<()> {
        let mut command = format!("echo {} > ", self.version.command(self.was_frozen)).into_bytes();
        command.extend(quoted(self.file().as_os_str().as_bytes()));
        let command = CString::new(command).map_err(|_| {
            failed(
                &self.group,
                io::Error::other("its path has a zero byte in it"),
            )
        })?;
        let caretaker = caretaker()?;
        let last = caretaker.will_run(&command)?;
        self.promise = Some((caretaker, last));
        Ok(())
    }

    fn is_back(&mut self) {
        if let Some((caretaker, last)) = self.promise.take() {
            caretaker.cancel(last);
        }
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        // Nothing was changed, or all is back, where nothing is promised.
        if self.promise.is_none() {
            return;
        }
        match self.write(self.was_frozen) {
            Ok(()) => self.is_back(),
            Err(error) => later(move || tracing::error!(%error, "the caretaker tries again")),
        }
    }
}

/// A path as one word of a shell command.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for &byte in path {
        match byte {
            b'\'' => word.extend(b"'\\''"),
            _ => word.push(byte),
        }
    }
    word.push(b'\'');
    word
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Proc {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_no_group_has_no_freezer() {
        let error = Freezer::open(Path::new("/proc/self")).unwrap_err();
        assert!(error.to_string().contains("neither"), "{error}");
    }

    #[test]
    fn a_quote_in_a_path_stays_in_its_word() {
        assert_eq!(quoted(b"/a b'c"), b"'/a b'\\''c'");
    }
}
