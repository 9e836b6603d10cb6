//! Where a dump begins: at once, or with what was begun ahead.

use std::io::Write;
use std::rc::Rc;

use commensal_images::stream::Compression;
use commensal_seized::caretaker;
use commensal_sys::Pid;
use commensal_sys::caretaker::Caretaker;

use crate::beside::Beside;
use crate::{Hooks, Options, Result, Summary, run};

/// Dumps the tree of `root` into the directory that `options` name.
///
/// The inventory is written last: a directory without it is not an image set.
///
/// # Errors
///
/// Why there is no image set; the tree runs on as before, whatever
/// [`Options::then`] says.
pub fn dump(root: Pid, options: &Options, hooks: &dyn Hooks) -> Result<Summary> {
    run::dump(root, options, hooks, None)
}

/// Dumps the tree of `root` into `output`, as one [stream](commensal_images::stream); of the
/// directories in `options` none is used but the work directory.
///
/// The tree is let go, or killed, when `output` has taken the whole image set: what becomes of it
/// there is not known here.
///
/// # Errors
///
/// As [`dump`].
pub fn dump_stream(
    root: Pid,
    output: impl Write + Send + 'static,
    compression: Compression,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Summary> {
    run::dump_stream(root, (output, compression), options, hooks, None)
}

/// What every dump needs, whatever it is of: begun before the command line is read, it is there when that is, and
/// the caretaker is a copy of a process that has hardly written to its memory, so that neither has to copy much.
///
/// It belongs to the thread that dumps.
pub struct Ahead {
    /// Where there can be none, the dump says why.
    _caretaker: Option<Rc<Caretaker>>,
    beside: Beside,
}

impl Ahead {
    /// Begins: starts a process, which ends with this or with the dump, and a thread.
    pub fn begin() -> Self {
        Self {
            _caretaker: caretaker().ok(),
            beside: Beside::begin(),
        }
    }

    /// As [`dump`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn dump(self, root: Pid, options: &Options, hooks: &dyn Hooks) -> Result<Summary> {
        run::dump(root, options, hooks, Some(self.beside))
    }

    /// As [`dump_stream`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn dump_stream(
        self,
        root: Pid,
        output: impl Write + Send + 'static,
        compression: Compression,
        options: &Options,
        hooks: &dyn Hooks,
    ) -> Result<Summary> {
        let output = (output, compression);
        run::dump_stream(root, output, options, hooks, Some(self.beside))
    }
}
