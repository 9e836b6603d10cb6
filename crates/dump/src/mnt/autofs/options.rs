//! What mountinfo tells of an autofs (autofs(5), fs/autofs/inode.c).

use super::super::Mount;

/// The options of an autofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutofsOptions {
    /// The number that the daemon gave its end of the pipe; `None` where it has none any more, and
    /// nothing is mounted on demand ("catatonic").
    pub fd: Option<i32>,
    /// The process group of the daemon, as our pid namespace has it.
    pub pgrp: i32,
    /// After how many seconds a mount that nobody uses may go.
    pub timeout: i32,
    /// The lowest version of the protocol.
    pub minproto: i32,
    /// The highest one.
    pub maxproto: i32,
    /// Where the mounts appear.
    pub mode: Mode,
    /// The owner of its root directory.
    pub uid: Option<i32>,
    /// The group of its root directory.
    pub gid: Option<i32>,
    /// The inode of the pipe.
    pub pipe: Option<u64>,
    /// Options that the images have no place for.
    pub others: Vec<String>,
}

/// Where mounts on demand appear, as the images have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Mode {
    /// On the autofs itself.
    Direct = 0,
    /// On directories in it, which come when they are asked for.
    Indirect = 1,
    /// On the autofs itself, which is a part of a tree of mounts.
    Offset = 2,
}

impl AutofsOptions {
    /// Those of a mount; `None` where they are not what is known of autofs.
    pub fn of(mount: &Mount) -> Option<Self> {
        let text = str::from_utf8(&mount.fs_options).ok()?;
        let value = |name: &str| {
            let mut options = text.split(',').filter_map(|option| option.split_once('='));
            options.find_map(|(known, value)| (known == name).then_some(value))
        };
        let number = |name| value(name)?.parse::<i32>().ok();
        let optional = |name| value(name).map_or(Some(None), |text| text.parse().ok().map(Some));
        let has = |name: &str| text.split(',').any(|option: &str| option == name);
        let modes = [
            ("direct", Mode::Direct),
            ("indirect", Mode::Indirect),
            ("offset", Mode::Offset),
        ];
        let known = |option: &&str| match option.split_once('=') {
            Some((name, _)) => VALUES.contains(&name),
            None => ["rw", "ro"].contains(option) || modes.iter().any(|(name, _)| name == option),
        };
        let others = text.split(',').filter(|option| !known(option));
        Some(Self {
            fd: number("fd").map(|fd| (fd >= 0).then_some(fd))?,
            pgrp: number("pgrp")?,
            timeout: number("timeout")?,
            minproto: number("minproto")?,
            maxproto: number("maxproto")?,
            mode: modes.into_iter().find(|(name, _)| has(name))?.1,
            uid: optional("uid")?,
            gid: optional("gid")?,
            pipe: value("pipe_ino").and_then(|text| text.parse().ok()),
            others: others.map(str::to_owned).collect(),
        })
    }
}

/// The options with a value.
const VALUES: [&str; 8] = [
    "fd", "pgrp", "timeout", "minproto", "maxproto", "uid", "gid", "pipe_ino",
];

#[cfg(test)]
mod tests {
    use super::super::super::mountinfo::parse;
    use super::*;

    fn options(text: &str) -> Option<AutofsOptions> {
        let line = format!("5 1 0:9 / /t rw - autofs x {text}");
        AutofsOptions::of(&parse(line.as_bytes()).unwrap())
    }

    #[test]
    fn what_the_kernel_tells_is_understood() {
        let text = "rw,fd=5,pgrp=17,timeout=60,minproto=5,maxproto=5,indirect,pipe_ino=99";
        let expected = AutofsOptions {
            fd: Some(5),
            pgrp: 17,
            timeout: 60,
            minproto: 5,
            maxproto: 5,
            mode: Mode::Indirect,
            uid: None,
            gid: None,
            pipe: Some(99),
            others: Vec::new(),
        };
        assert_eq!(options(text), Some(expected));
        let text = "rw,fd=-1,pgrp=0,uid=7,gid=8,timeout=0,minproto=3,maxproto=5,offset,strictexpire,\
                    ignore,pipe_ino=-1";
        let found = options(text).unwrap();
        assert_eq!((found.fd, found.pipe), (None, None));
        assert_eq!((found.uid, found.gid), (Some(7), Some(8)));
        assert_eq!(found.mode, Mode::Offset);
        assert_eq!(found.others, ["strictexpire", "ignore"]);
    }

    #[test]
    fn what_is_missing_or_no_number_is_no_option() {
        assert_eq!(options("rw,fd=5,pgrp=17"), None);
        let text = "rw,fd=5,pgrp=17,uid=x,timeout=60,minproto=5,maxproto=5,direct,pipe_ino=9";
        assert_eq!(options(text), None);
    }
}
