//! inotify(7): watches on paths.

use commensal_images::messages::{FdTypes, InotifyFileEntry, InotifyWdEntry};
use commensal_seized::later;

use super::fdinfo::{FdInfo, hex_word};
use super::handle::Watched;
use super::kind::Kind;
use super::{FilesDump, OpenFile};
use crate::Result;

/// inotify instances.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Inotify,
    dump,
};

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let info = file.fdinfo()?;
    let lines = info.lines().filter(|line| line.starts_with("inotify wd:"));
    let wd = lines
        .map(|line| watch(file, &info, line, dump))
        .collect::<Result<_>>()?;
    warn_of_events(file, dump)?;
    let entry = InotifyFileEntry {
        id,
        flags: file.flags,
        fown: file.owner.clone(),
        wd,
    };
    dump.write(FdTypes::Inotify, id, |to| to.ify = Some(entry))
}

/// `inotify wd:1 ino:3c4a7 sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 …`.
fn watch(
    file: &OpenFile,
    info: &FdInfo,
    line: &str,
    dump: &FilesDump<'_>,
) -> Result<InotifyWdEntry> {
    let number = |key| hex_word(line, key).and_then(|n| u32::try_from(n).ok());
    let hex = |key| number(key).ok_or_else(|| info.unexpected(line));
    let watched = Watched::parse(line).ok_or_else(|| info.unexpected(line))?;
    Ok(InotifyWdEntry {
        id: 0,
        i_ino: watched.ino,
        mask: hex("mask")?,
        ignored_mask: hex("ignored_mask")?,
        s_dev: watched.dev,
        wd: hex("wd")?,
        f_handle: watched.entry(file, dump)?,
    })
}

/// Events that were not read yet cannot be put back, by nobody: the kernel has no call for it.
pub fn warn_of_events(file: &OpenFile, dump: &FilesDump<'_>) -> Result<()> {
    if !dump.writes() {
        return Ok(());
    }
    let waiting = file.ask("FIONREAD", |fd| rustix::io::ioctl_fionread(fd))?;
    if waiting > 0 {
        let place = file.place.clone();
        later(move || {
            tracing::warn!("{place}: {waiting} bytes of unread events are lost in the restore")
        });
    }
    Ok(())
}
