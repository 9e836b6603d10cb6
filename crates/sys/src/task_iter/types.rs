//! Where the fields of the kernel's structures are: from its type information, or from what was found there
//! since it was started.

use core::cell::{OnceCell, RefCell};
use std::fmt::Display;
use std::path::Path;

use super::answers::Answers;
use super::btf::{Btf, KernelFile};
use super::missing;
use crate::{Errno, Error, Result};

/// The inode of the first pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// What programs must know of the kernel's types. To look through all of them, some megabytes, takes about
/// two milliseconds; it is done once an answer is asked for that is not known yet.
#[derive(Debug)]
pub struct KernelTypes {
    btf: OnceCell<Option<Btf>>,
    answers: RefCell<Answers>,
}

impl KernelTypes {
    /// With the answers that [`KernelTypes::keep`] has put into the file `kept`, if there are some of this
    /// kernel.
    ///
    /// # Errors
    ///
    /// EPERM in a pid namespace that is not the first, where the kernel's ids are others than ours;
    /// ENOENT where the kernel has no type information.
    pub fn read(kept: Option<&Path>) -> Result<Self> {
        let failed = |call| move |errno| Error::new(call, 0, errno);
        let own = rustix::fs::stat("/proc/self/ns/pid").map_err(failed("stat"))?;
        if own.st_ino != FIRST_PID_NAMESPACE {
            return Err(Error::new("bpf", 0, Errno::PERM));
        }
        let kept = kept.and_then(|path| Answers::read(path).ok());
        let btf = match kept {
            Some(_) => OnceCell::new(),
            None => OnceCell::from(Some(search()?)),
        };
        Ok(Self {
            btf,
            answers: RefCell::new(kept.unwrap_or_default()),
        })
    }

    /// Puts all answers into a file, for the next that asks this kernel. What does not work costs it time
    /// and nothing else.
    ///
    /// # Errors
    ///
    /// Those of open(2), write(2) and rename(2).
    pub fn keep(&self, file: &Path) -> std::io::Result<()> {
        self.answers.borrow_mut().keep(file)
    }

    /// The id of a function.
    pub(super) fn function(&self, name: &str) -> Option<u32> {
        self.ask(format!("function {name}"), |btf| btf.function(name))
    }

    /// Where a field of a structure begins, in bytes.
    pub(super) fn field(&self, structure: &str, field: &str) -> Option<i16> {
        let question = format!("field {structure} {field}");
        self.ask(question, |btf| btf.field(structure, field))
    }

    /// The same of a field that is a pointer.
    pub(super) fn pointer(&self, structure: &str, field: &str) -> Option<i16> {
        let question = format!("pointer {structure} {field}");
        self.ask(question, |btf| btf.pointer(structure, field))
    }

    /// The byte that a field of one bit is in, and which of its bits.
    pub(super) fn bit(&self, structure: &str, field: &str) -> Option<(i16, u8)> {
        let question = format!("bit {structure} {field}");
        let bits = self.ask(question, |btf| {
            let (byte, bit) = btf.bit(structure, field)?;
            Some(u32::try_from(byte).ok()? * 8 + u32::from(bit))
        })?;
        Some((i16::try_from(bits / 8).ok()?, (bits % 8) as u8))
    }

    fn ask<T>(&self, question: String, search: impl FnOnce(&Btf) -> Option<T>) -> Option<T>
    where
        T: Display + std::str::FromStr,
    {
        if let Some(answer) = self.answers.borrow().of(&question) {
            return answer?.parse().ok();
        }
        let btf = self.btf.get_or_init(|| self::search().ok());
        let answer = search(btf.as_ref()?);
        let text = answer.as_ref().map(T::to_string);
        self.answers.borrow_mut().put(question, text);
        answer
    }
}

/// The kernel's type information.
fn search() -> Result<Btf> {
    let bytes = KernelFile::open().map_err(|error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::NOENT);
        Error::new("read of BTF", 0, errno)
    })?;
    Btf::parse(bytes).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_not_searched_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("types");
        let ask = |types: &KernelTypes| {
            (
                types.function("bpf_iter_task"),
                types.field("task_struct", "cred"),
                types.field("task_struct", "no such field"),
                types.pointer("task_struct", "cred"),
                types.bit("signal_struct", "is_child_subreaper"),
            )
        };
        // Not in another pid namespace, and not on a kernel without type information.
        let Ok(first) = KernelTypes::read(Some(&file)) else {
            return;
        };
        let searched = ask(&first);
        assert!(searched.0.is_some() && searched.4.is_some());
        first.keep(&file).unwrap();
        let second = KernelTypes::read(Some(&file)).unwrap();
        assert_eq!(ask(&second), searched);
        assert!(second.btf.get().is_none());
        // What is asked for the first time is searched.
        let pid = second.field("task_struct", "pid");
        assert_eq!(pid, first.field("task_struct", "pid"));
        assert!(pid.is_some() && second.btf.get().is_some());
    }
}
