//! What was found in the kernel's type information, in a file: a line that tells of which kernel, and then
//! one for each question and its answer.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Another one for each start of a kernel (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Changed when the same question means something else.
const VERSION: &str = "commensal kernel types 1";

/// The answer to a question for which there is none.
const NONE: &str = "-";

/// More than all questions take.
const MOST: u64 = 64 << 10;

/// Answers to questions of one line each.
#[derive(Debug, Default)]
pub struct Answers {
    answers: BTreeMap<String, Option<String>>,
    /// Whether the file lacks some.
    more: bool,
}

impl Answers {
    /// Those in a file, if it is of this kernel, and nobody but us and root could write there.
    pub fn read(path: &Path) -> io::Result<Self> {
        let nofollow = OFlags::NOFOLLOW.bits() as i32;
        let file = File::options()
            .read(true)
            .custom_flags(nofollow)
            .open(path)?;
        let meta = file.metadata()?;
        let ours = [0, rustix::process::geteuid().as_raw()].contains(&meta.uid());
        if !meta.is_file() || !ours || meta.mode() & 0o022 != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text)?;
        let lines = text.strip_prefix(&header()?).ok_or(io::ErrorKind::Other)?;
        let answers = lines.lines().filter_map(|line| {
            let (question, answer) = line.rsplit_once(' ')?;
            let answer = (answer != NONE).then(|| answer.to_owned());
            Some((question.to_owned(), answer))
        });
        Ok(Self {
            answers: answers.collect(),
            more: false,
        })
    }

    /// What is known of a question.
    pub fn of(&self, question: &str) -> Option<Option<&str>> {
        self.answers.get(question).map(Option::as_deref)
    }

    /// Adds an answer.
    pub fn put(&mut self, question: String, answer: Option<String>) {
        self.answers.insert(question, answer);
        self.more = true;
    }

    /// Writes them to a file, if it lacks some: at once, whoever reads it meanwhile.
    pub fn keep(&mut self, path: &Path) -> io::Result<()> {
        if !self.more {
            return Ok(());
        }
        let mut text = header()?;
        for (question, answer) in &self.answers {
            let answer = answer.as_deref().unwrap_or(NONE);
            text.push_str(&format!("{question} {answer}\n"));
        }
        let new = path.with_extension(std::process::id().to_string());
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        self.more = written.is_err();
        written
    }
}

fn header() -> io::Result<String> {
    let boot = fs::read_to_string(BOOT_ID)?;
    Ok(format!("{VERSION} {}\n", boot.trim_end()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn some() -> Answers {
        let mut answers = Answers::default();
        answers.put("field a b".into(), Some("12".into()));
        answers.put("field a c".into(), None);
        answers
    }

    #[test]
    fn what_is_kept_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("types");
        some().keep(&path).unwrap();
        let read = Answers::read(&path).unwrap();
        assert_eq!(read.of("field a b"), Some(Some("12")));
        assert_eq!(read.of("field a c"), Some(None));
        assert_eq!(read.of("field a d"), None);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_of_another_kernel_or_could_be_anybodys_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("types");
        some().keep(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(Answers::read(&link).is_err());
        fs::set_permissions(&path, PermissionsExt::from_mode(0o622)).unwrap();
        assert!(Answers::read(&path).is_err());
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(Answers::read(&path).is_ok());
        let of_another = text.replacen("-", "+", 1);
        fs::write(&path, of_another).unwrap();
        assert!(Answers::read(&path).is_err());
    }
}
