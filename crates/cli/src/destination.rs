//! Where a dump goes: a directory, or a stream to a descriptor.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use commensal_dump::{Ahead, Options, Result, Summary};
use commensal_images::stream::Compression;
use commensal_sys::Pid;
use commensal_sys::pidfd::PidFd;

use crate::dump::Args;
use crate::progress::Progress;

const STDOUT: i32 = 1;

/// Codecs of a stream.
#[derive(Clone, Copy, ValueEnum)]
pub enum Codec {
    /// LZ4, as lz4(1) reads it.
    Lz4,
}

/// Where a dump goes.
pub enum Destination {
    /// The directory with this name.
    Dir(PathBuf),
    /// One stream.
    Stream {
        /// The descriptor, a duplicate of it.
        output: File,
        /// Its number, for people.
        fd: i32,
        /// How it is compressed.
        compression: Compression,
    },
}

impl Destination {
    /// What the arguments say.
    pub fn of(args: &Args) -> io::Result<Self> {
        let Some(fd) = args.stream else {
            let given = args.images_dir.clone();
            return Ok(Self::Dir(given.unwrap_or_else(|| unused_name(args.pid))));
        };
        Ok(Self::Stream {
            output: open(fd)?,
            fd,
            compression: match args.compress {
                None => Compression::None,
                Some(Codec::Lz4) => Compression::Lz4,
            },
        })
    }

    /// The directory of the images, empty where there is none.
    pub fn images_dir(&self) -> &Path {
        match self {
            Self::Dir(dir) => dir,
            Self::Stream { .. } => Path::new(""),
        }
    }

    /// What a report says of it.
    pub fn place(&self) -> Place {
        match self {
            Self::Dir(dir) => Place::Dir(dir.clone()),
            Self::Stream { fd, .. } => Place::Stream(*fd),
        }
    }

    /// Dumps to it.
    pub fn dump(self, pid: Pid, options: &Options, ahead: Ahead) -> Result<Summary> {
        let progress = Progress::default();
        match self {
            Self::Dir(_) => ahead.dump(pid, options, &progress),
            Self::Stream {
                output,
                compression,
                ..
            } => ahead.dump_stream(pid, output, compression, options, &progress),
        }
    }
}

/// Where a dump went.
pub enum Place {
    /// The directory with this name.
    Dir(PathBuf),
    /// The descriptor with this number.
    Stream(i32),
}

impl Place {
    /// Whether standard output is taken, and nothing else may go there.
    pub const fn takes_stdout(&self) -> bool {
        matches!(self, Self::Stream(STDOUT))
    }
}

/// A duplicate of a descriptor of ours.
fn open(fd: i32) -> io::Result<File> {
    let own = Pid::new(std::process::id().cast_signed()).expect("process ids are positive");
    let duplicate = PidFd::open(own).and_then(|own| own.duplicate(fd));
    let file = match duplicate {
        Ok(fd) => File::from(fd),
        Err(error) => {
            let errno = io::Error::from(error.errno);
            let text = format!("descriptor {fd} cannot be written to: {errno}");
            return Err(io::Error::other(text));
        }
    };
    match file.is_terminal() {
        true => Err(io::Error::other(
            "an image stream is nothing for a terminal: send it into a pipe or a file",
        )),
        false => Ok(file),
    }
}

/// The first of `commensal-PID`, `commensal-PID.1` ... that nothing is called.
fn unused_name(pid: Pid) -> PathBuf {
    let first = PathBuf::from(format!("commensal-{pid}"));
    let free = |path: &Path| path.symlink_metadata().is_err();
    if free(&first) {
        return first;
    }
    (1u32..)
        .map(|n| first.with_extension(n.to_string()))
        .find(|path| free(path))
        .expect("a directory has fewer entries than there are numbers")
}
