//! signalfd(2): signals as a file. What is pending belongs to the task.

use commensal_images::messages::{FdTypes, SignalfdEntry};

use super::kind::Kind;
use super::{FilesDump, OpenFile};
use crate::Result;

/// Signal files.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Signalfd,
    dump,
};

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let entry = SignalfdEntry {
        id,
        flags: file.flags,
        fown: file.owner.clone(),
        sigmask: file
            .fdinfo()?
            .parsed("sigmask", |text| u64::from_str_radix(text, 16).ok())?,
    };
    dump.write(FdTypes::Signalfd, id, |to| to.sgfd = Some(entry))
}
