//! The mounts that a task sees (proc_pid_mountinfo(5)).

use commensal_sys::Pid;

use super::MountChoices;
use crate::tree::namespaces::has_own;
use crate::{Result, proc};

/// One mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Its number, as fdinfo and statx(2) give it.
    pub id: u64,
    /// The number of the mount it is on.
    pub parent: u64,
    /// Major and minor number of the file system's device.
    pub dev: (u32, u32),
    /// Which directory or file of the file system is mounted.
    pub root: Vec<u8>,
    /// Whether that has lost its name.
    pub root_deleted: bool,
    /// Where it is, as the task's root sees it.
    pub point: Vec<u8>,
    /// Options of this mount alone, with commas between.
    pub options: Vec<u8>,
    /// The peer group that it shares events with; 0 for none.
    pub shared: u32,
    /// The peer group that it receives events from; 0 for none.
    pub master: u32,
    /// Whether it must not be bound elsewhere.
    pub unbindable: bool,
    /// The type of its file system, without a subtype.
    pub fs_type: Vec<u8>,
    /// What is mounted: a device or any name.
    pub source: Vec<u8>,
    /// Options of the file system, with commas between.
    pub fs_options: Vec<u8>,
}

impl Mount {
    /// Whether the whole file system is mounted, and not a part of it.
    pub fn is_whole(&self) -> bool {
        self.root == b"/"
    }

    /// Whether it is the root of the task.
    pub fn is_root(&self) -> bool {
        self.point == b"/"
    }

    /// Whether both are mounts of one file system, as the images see it: a restore compares what
    /// mountinfo shows of them.
    pub fn same_file_system(&self, other: &Self) -> bool {
        (self.dev, &self.fs_type) == (other.dev, &other.fs_type)
            && (&self.source, &self.fs_options) == (&other.source, &other.fs_options)
    }

    /// Whether it is of the file system with this device, in stat(2)'s encoding.
    pub fn has_device(&self, dev: u64) -> bool {
        self.dev == (rustix::fs::major(dev), rustix::fs::minor(dev))
    }

    /// The device's number as the kernel has it.
    pub fn kernel_dev(&self) -> u32 {
        self.dev.0 << 20 | self.dev.1
    }

    /// Whether `path` is its mount point or below.
    pub fn is_above(&self, path: &[u8]) -> bool {
        is_below(path, &self.point)
    }
}

/// Whether a path is `dir` or below.
pub fn is_below(path: &[u8], dir: &[u8]) -> bool {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// All mounts of one mount namespace, parents before children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

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
        Self::parse(lines).map_err(|line| proc::unexpected(proc::path(pid, "mountinfo"), line))
    }

    /// The mounts of a mount namespace of the tree's own. Where it has a cgroup namespace, too,
    /// control groups are mounted whole: what mountinfo tells us of them is told from ours. Those that
    /// the caller wants left out are.
    ///
    /// # Errors
    ///
    /// As [`Mounts::of`].
    pub fn of_tree(root: Pid, choices: &MountChoices) -> Result<Self> {
        let mut mounts = Self::of(root)?;
        mounts.0.retain(|mount| !choices.skips(&mount.point));
        if has_own(root, "cgroup")? {
            for mount in &mut mounts.0 {
                if mount.fs_type.starts_with(b"cgroup") {
                    mount.root = b"/".to_vec();
                }
            }
        }
        Ok(mounts)
    }

    /// Takes the lines apart; an error is the line that is not understood.
    pub fn parse<'t>(lines: impl Iterator<Item = &'t [u8]>) -> Result<Self, &'t [u8]> {
        let mounts = lines.map(|line| parse(line).ok_or(line));
        Ok(Self(mounts.collect::<Result<_, _>>()?))
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Mount> + Clone {
        self.0.iter()
    }

    /// The mount with this number.
    pub fn by_id(&self, id: u64) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.id == id)
    }

    /// The mounts of a file system, in the order they were made.
    pub fn of_device(&self, dev: (u32, u32)) -> impl Iterator<Item = &Mount> {
        self.0.iter().filter(move |mount| mount.dev == dev)
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
pub fn parse(line: &[u8]) -> Option<Mount> {
    const DELETED: &[u8] = b"//deleted";
    let mut fields = line.split(|byte| *byte == b' ');
    let mut mount = Mount {
        id: text(fields.next()?)?.parse().ok()?,
        parent: text(fields.next()?)?.parse().ok()?,
        ..Mount::default()
    };
    let (major, minor) = text(fields.next()?)?.split_once(':')?;
    mount.dev = (major.parse().ok()?, minor.parse().ok()?);
    mount.root = unescape(fields.next()?)?;
    if let Some(root) = mount.root.strip_suffix(DELETED) {
        mount.root = root.to_vec();
        mount.root_deleted = true;
    }
    mount.point = unescape(fields.next()?)?;
    mount.options = fields.next()?.to_vec();
    for tag in fields.by_ref().take_while(|field| *field != b"-") {
        match text(tag)?.split_once(':') {
            Some(("shared", group)) => mount.shared = group.parse().ok()?,
            Some(("master", group)) => mount.master = group.parse().ok()?,
            Some(_) => {}
            None => mount.unbindable |= tag == b"unbindable",
        }
    }
    let fs_type = unescape(fields.next()?)?;
    mount.fs_type = fs_type.split(|byte| *byte == b'.').next()?.to_vec();
    mount.source = unescape(fields.next()?)?;
    mount.fs_options = fields.next()?.to_vec();
    Some(mount)
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
        let line = br"36 35 98:7 /mnt1 /my\040disk\134\012 rw,noatime master:1 shared:2 - fuse.x /dev/root rw,a";
        let mount = parse(line).unwrap();
        assert_eq!(
            mount,
            Mount {
                id: 36,
                parent: 35,
                dev: (98, 7),
                root: b"/mnt1".to_vec(),
                root_deleted: false,
                point: b"/my disk\\\n".to_vec(),
                options: b"rw,noatime".to_vec(),
                shared: 2,
                master: 1,
                unbindable: false,
                fs_type: b"fuse".to_vec(),
                source: b"/dev/root".to_vec(),
                fs_options: b"rw,a".to_vec(),
            }
        );
    }

    #[test]
    fn an_empty_source_and_a_deleted_root() {
        let line = b"36 35 0:7 /a//deleted /b rw unbindable - tmpfs  rw";
        let mount = parse(line).unwrap();
        assert_eq!((&mount.root[..], mount.root_deleted), (&b"/a"[..], true));
        assert!(mount.unbindable && mount.source.is_empty());
    }

    #[test]
    fn broken_lines_are_no_mounts() {
        for line in [
            &b"36 35 98:7 /mnt1"[..],
            b"36 35 98 / / rw",
            br"36 35 98:7 / /a\04",
            b"36 35 98:7 / /a rw shared:x - a b c",
            b"x",
        ] {
            assert_eq!(parse(line), None);
        }
    }

    #[test]
    fn below_is_a_matter_of_names() {
        assert!(is_below(b"/a/b", b"/a") && is_below(b"/a", b"/a") && is_below(b"/a", b"/"));
        assert!(!is_below(b"/ab", b"/a") && !is_below(b"/", b"/a"));
    }
}
