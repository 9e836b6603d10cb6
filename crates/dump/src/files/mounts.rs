//! The mounts that the tree sees (proc_pid_mountinfo(5)).

use commensal_sys::Pid;
use rustix::fs::{major, minor};

use crate::{Result, proc};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its number, as fdinfo and statx(2) give it.
    pub id: u64,
    /// Major and minor number of the file system's device.
    pub dev: (u32, u32),
    /// Where it is, as the tree's root sees it.
    pub point: Vec<u8>,
}

/// All mounts of one mount namespace.
#[derive(Debug, Default)]
pub struct Mounts {
    mounts: Vec<Mount>,
}

impl Mounts {
    /// The mounts that a task sees.
    ///
    /// # Errors
    ///
    /// When mountinfo cannot be read.
    pub fn of(pid: Pid) -> Result<Self> {
        let text = proc::read(pid, "mountinfo")?;
        let lines = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let mounts = lines
            .map(|line| {
                parse(line).ok_or_else(|| proc::unexpected(proc::path(pid, "mountinfo"), line))
            })
            .collect::<Result<_>>()?;
        Ok(Self { mounts })
    }

    /// The mount with this number.
    pub fn by_id(&self, id: u64) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.id == id)
    }

    /// The mounts of a file system, in the order they were made.
    pub fn of_device(&self, dev: (u32, u32)) -> impl Iterator<Item = &Mount> {
        self.mounts.iter().filter(move |mount| mount.dev == dev)
    }

    /// A mount point of a file system that leads there: no other mount lies over it.
    pub fn reachable(&self, dev: (u32, u32)) -> Option<Vec<u8>> {
        let leads_there = |mount: &&Mount| {
            let found = rustix::fs::stat(mount.point.as_slice());
            found.is_ok_and(|stat| (major(stat.st_dev), minor(stat.st_dev)) == dev)
        };
        let mount = self.of_device(dev).find(leads_there)?;
        Some(mount.point.clone())
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
pub fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = text(fields.next()?)?.parse().ok()?;
    let (major, minor) = text(fields.nth(1)?)?.split_once(':')?;
    let point = unescape(fields.nth(1)?)?;
    Some(Mount {
        id,
        dev: (major.parse().ok()?, minor.parse().ok()?),
        point,
    })
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()
}

/// The kernel writes space, tab, newline and backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'\\' {
            let (digits, behind) = rest.split_at_checked(3)?;
            out.push(u8::from_str_radix(text(digits)?, 8).ok()?);
            rest = behind;
        } else {
            out.push(*first);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_may_have_any_byte() {
        let line = br"36 35 98:7 /mnt1 /my\040disk\134\012 rw,noatime master:1 - ext3 /dev/root rw";
        let mount = parse(line).unwrap();
        assert_eq!(
            mount,
            Mount {
                id: 36,
                dev: (98, 7),
                point: b"/my disk\\\n".to_vec()
            }
        );
    }

    #[test]
    fn broken_lines_are_no_mounts() {
        for line in [
            &b"36 35 98:7 /mnt1"[..],
            b"36 35 98 / / rw",
            br"36 35 98:7 / /a\04",
            b"x",
        ] {
            assert_eq!(parse(line), None);
        }
    }
}
