//! eventfd(2): a counter.

use commensal_images::messages::{EventfdFileEntry, FdTypes};

use super::kind::Kind;
use super::{FilesDump, OpenFile};
use crate::Result;

/// Event counters.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Eventfd,
    dump,
};

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let info = file.fdinfo()?;
    let semaphore = info
        .field("eventfd-semaphore")
        .is_some_and(|value| value != "0");
    let counter = info.parsed("eventfd-count", |text| u64::from_str_radix(text, 16).ok())?;
    let accepted = dump.options.accept_loss;
    if semaphore {
        file.lose(
            "an eventfd that counts as a semaphore",
            "the images have no place for EFD_SEMAPHORE, and the restore makes an ordinary one",
            accepted,
        )?;
    }
    if u32::try_from(counter).is_err() {
        file.lose(
            format!("an eventfd that counts {counter}"),
            "the restore begins with the lower 32 bits",
            accepted,
        )?;
    }
    let entry = EventfdFileEntry {
        id,
        flags: file.flags,
        fown: file.owner.clone(),
        counter,
    };
    dump.write(FdTypes::Eventfd, id, |to| to.efd = Some(entry))
}
