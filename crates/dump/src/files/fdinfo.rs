//! The text of `/proc/PID/fdinfo/FD` (proc_pid_fdinfo(5)).

use std::io;
use std::str::FromStr;

use crate::{Error, Result, proc};

/// The lines of one fdinfo file. They are written by the kernel; no name that
/// a program chooses is in them.
#[derive(Clone, Debug)]
pub struct FdInfo {
    path: String,
    text: String,
}

impl FdInfo {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`Error::Proc`] when it cannot be read.
    pub fn read(path: String) -> Result<Self> {
        let text = proc::whole(&path)
            .map_err(io::Error::from)
            .and_then(|text| {
                String::from_utf8(text)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            });
        match text {
            Ok(text) => Ok(Self { path, text }),
            Err(source) => Err(Error::Proc { path, source }),
        }
    }

    /// A text that was read before.
    pub fn of_text(text: &str) -> Self {
        Self {
            path: "fdinfo".into(),
            text: text.into(),
        }
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// What stands behind `name:` at the start of a line.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.lines().find_map(|line| field(line, name))
    }

    /// A number behind `name:`.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] where the line is missing or holds no such number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<T> {
        self.parsed(name, |text| text.parse().ok())
    }

    /// What `parse` makes of the text behind `name:`.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] where the line is missing or `parse` gives none.
    pub fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let text = self.field(name);
        text.and_then(parse)
            .ok_or_else(|| self.unexpected(text.unwrap_or(name)))
    }

    /// The error of a line that is not as proc(5) says.
    pub fn unexpected(&self, line: &str) -> Error {
        Error::Parse {
            path: self.path.clone(),
            line: line.to_owned(),
        }
    }
}

/// The flags of a line that has them: those of the description, with `O_CLOEXEC` where the
/// descriptor is close-on-exec.
pub fn flags(line: &str) -> Option<u32> {
    u32::from_str_radix(field(line, "flags")?, 8).ok()
}

/// What stands behind `name:`, where the line starts so.
pub fn field<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    line.strip_prefix(name)?.strip_prefix(':').map(str::trim)
}

/// The value behind `key:` among the words of a line, the space in between
/// being optional: `ino:1d sdev:8`, `tfd:        7`.
pub fn word<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    let mut from = 0;
    loop {
        let at = from + line.get(from..)?.find(key)?;
        let starts = at == 0 || line.as_bytes()[at - 1] == b' ';
        let rest = &line[at + key.len()..];
        match rest.strip_prefix(':') {
            Some(value) if starts => return value.split_whitespace().next(),
            _ => from = at + key.len(),
        }
    }
}

/// The hexadecimal number behind `key:` among the words of a line.
pub fn hex_word(line: &str, key: &str) -> Option<u64> {
    u64::from_str_radix(word(line, key)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOLL: &str =
        "tfd:       14 events:       19 data:                e  pos:0 ino:40e sdev:10";

    #[test]
    fn words_are_found_by_their_key() {
        assert_eq!(word(EPOLL, "tfd"), Some("14"));
        assert_eq!(hex_word(EPOLL, "data"), Some(14));
        assert_eq!(hex_word(EPOLL, "ino"), Some(0x40e));
        assert_eq!(word(EPOLL, "fd"), None, "not a key of its own");
        assert_eq!(word("sdev:", "sdev"), None);
    }

    #[test]
    fn fields_stand_at_the_start_of_a_line() {
        assert_eq!(field("pos:\t7", "pos"), Some("7"));
        assert_eq!(
            field("eventfd-count:                5", "eventfd-count"),
            Some("5")
        );
        assert_eq!(field("a pos:\t7", "pos"), None);
    }
}
