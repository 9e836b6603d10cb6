//! Things that the restore will provide: CRIU's `--external KIND[ID]:NAME`.

use std::str::FromStr;

/// A thing that is named in the images instead of being dumped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum External {
    /// `file[MNT_ID:INODE]`: an open file. Both numbers are hexadecimal.
    File {
        /// The mount, as `/proc/PID/fdinfo/FD` has it.
        mnt_id: u32,
        /// The inode number.
        inode: u64,
    },
    /// `tty[RDEV:DEV]`: a terminal. Both numbers are hexadecimal, in stat(2)'s encoding.
    Tty {
        /// The terminal's own number (`st_rdev`).
        rdev: u64,
        /// The number of the file system it is on (`st_dev`).
        dev: u64,
    },
    /// `unix[INODE]`: a unix socket whose peer is outside of the tree.
    Unix {
        /// The socket's inode number, decimal.
        inode: u32,
    },
    /// `mnt[POINT]:NAME`: a mount, of a mount namespace of the tree's own.
    Mount {
        /// Where it is mounted, as the tree sees it.
        point: String,
        /// The name by which the restore is given it.
        name: String,
    },
    /// `dev[MAJOR/MINOR]:NAME`: the device that a file system is on, all of which a mount shows, of a
    /// mount namespace of the tree's own. Both numbers are decimal.
    Device {
        /// The major and the minor number.
        number: (u32, u32),
        /// The name by which the restore is given it.
        name: String,
    },
    /// `net[INODE]:NAME`: the network namespace of the tree.
    Network {
        /// The namespace's inode number, decimal.
        inode: u64,
        /// The name by which the restore is given it.
        name: String,
    },
}

impl External {
    /// The name by which the images call the thing, and `--inherit-fd` of a restore.
    pub fn id(&self) -> String {
        match self {
            Self::File { mnt_id, inode } => format!("file[{mnt_id:x}:{inode:x}]"),
            Self::Tty { rdev, dev } => format!("tty[{rdev:x}:{dev:x}]"),
            Self::Unix { inode } => format!("unix[{inode}]"),
            Self::Mount { point, .. } => format!("mnt[{point}]"),
            Self::Device { number, .. } => format!("dev[{}/{}]", number.0, number.1),
            Self::Network { inode, .. } => format!("net[{inode}]"),
        }
    }
}

/// Why a text is not an [`External`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseExternalError {
    /// A kind that is not supported, or none.
    #[error(
        "external resource {0:?} is of no kind this dump knows; it knows file[], tty[], \
         unix[], mnt[], dev[] and net[]"
    )]
    Kind(String),
    /// The part in brackets is missing or wrong.
    #[error("external resource {0:?} has a malformed identifier in its brackets")]
    Id(String),
}

impl FromStr for External {
    type Err = ParseExternalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text
            .split_once('[')
            .ok_or_else(|| ParseExternalError::Kind(text.to_owned()))?;
        let malformed = || ParseExternalError::Id(text.to_owned());
        let (id, tail) = rest.split_once(']').ok_or_else(malformed)?;
        if !(tail.is_empty() || tail.starts_with(':')) {
            return Err(malformed());
        }
        match kind {
            "file" => {
                let (mnt_id, inode) = id.split_once(':').ok_or_else(malformed)?;
                Ok(Self::File {
                    mnt_id: u32::from_str_radix(mnt_id, 16).map_err(|_| malformed())?,
                    inode: u64::from_str_radix(inode, 16).map_err(|_| malformed())?,
                })
            }
            "tty" => {
                let (rdev, dev) = id.split_once(':').ok_or_else(malformed)?;
                Ok(Self::Tty {
                    rdev: u64::from_str_radix(rdev, 16).map_err(|_| malformed())?,
                    dev: u64::from_str_radix(dev, 16).map_err(|_| malformed())?,
                })
            }
            "unix" => Ok(Self::Unix {
                inode: id.parse().map_err(|_| malformed())?,
            }),
            "mnt" if id.starts_with('/') => Ok(Self::Mount {
                point: id.to_owned(),
                name: name(tail).ok_or_else(malformed)?,
            }),
            "mnt" => Err(malformed()),
            "dev" => {
                let (major, minor) = id.split_once('/').ok_or_else(malformed)?;
                let number = |text: &str| text.parse().map_err(|_| malformed());
                Ok(Self::Device {
                    number: (number(major)?, number(minor)?),
                    name: name(tail).ok_or_else(malformed)?,
                })
            }
            "net" => Ok(Self::Network {
                inode: id.parse().map_err(|_| malformed())?,
                name: name(tail).ok_or_else(malformed)?,
            }),
            _ => Err(ParseExternalError::Kind(text.to_owned())),
        }
    }
}

/// What is behind the colon, if there is anything.
fn name(tail: &str) -> Option<String> {
    let name = tail.strip_prefix(':').filter(|name| !name.is_empty());
    name.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_criu_documents() {
        for text in ["file[3f:1a2b]", "tty[8800:16]", "unix[12345]"] {
            assert_eq!(text.parse::<External>().unwrap().id(), text);
        }
        let network = External::Network {
            inode: 17,
            name: "a:b".into(),
        };
        assert_eq!("net[17]:a:b".parse(), Ok(network));
        let mount = External::Mount {
            point: "/dev/null".into(),
            name: "null".into(),
        };
        assert_eq!("mnt[/dev/null]:null".parse(), Ok(mount));
        let device = External::Device {
            number: (8, 17),
            name: "disk".into(),
        };
        assert_eq!(device.id(), "dev[8/17]");
        assert_eq!("dev[8/17]:disk".parse(), Ok(device));
    }

    #[test]
    fn refuses_other_kinds_and_malformed_ids() {
        for text in ["pid[1]:P", "file", ""] {
            assert!(
                matches!(text.parse::<External>(), Err(ParseExternalError::Kind(_))),
                "{text}"
            );
        }
        for text in [
            "file[3f]",
            "file[3f:1",
            "unix[x]",
            "tty[1:2]x",
            "net[1]",
            "mnt[/dev]",
            "mnt[]",
            "dev[8]:disk",
            "dev[8/17]",
        ] {
            assert!(
                matches!(text.parse::<External>(), Err(ParseExternalError::Id(_))),
                "{text}"
            );
        }
    }
}
