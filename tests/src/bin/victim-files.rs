//! Files in every state a path can be in: open twice, duplicated, sparse, deleted, under another
//! name, locked; pipes and FIFOs with data. All in the working directory.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use commensal_tests::victim::{Rounds, check, sleep};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, fcntl_getfl, flock, mknodat, open};
use rustix::io::{Errno, FdFlags, fcntl_getfd, ioctl_fionread};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

const HOLE: u64 = 5 << 30;
const PIPE_SIZE: usize = 256 << 10;
const FAR: i32 = 900;

fn main() {
    let mut open_files = Open::new();
    let pipes = Pipes::new();
    let lost = Lost::new();
    let locked = Locked::new();
    let mut rounds = Rounds::default();
    loop {
        open_files.check(rounds.count());
        pipes.check();
        lost.check();
        locked.check();
        sleep(Duration::from_millis(20));
        rounds.done();
    }
}

fn read_write(name: &str) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(name).expect("a file")
}

/// Two descriptions of one file, one of them behind two descriptors.
struct Open {
    first: File,
    duplicate: File,
    other: File,
    /// A second descriptor of `other`, far above all others.
    far: OwnedFd,
    log: File,
    directory: File,
    path_only: OwnedFd,
}

impl Open {
    fn new() -> Self {
        fs::write("data", (0..=255).collect::<Vec<u8>>().repeat(16)).expect("a file");
        let first = read_write("data");
        let mut other = read_write("data");
        other.seek(SeekFrom::Start(99)).expect("an offset");
        Self {
            far: rustix::io::fcntl_dupfd_cloexec(&other, FAR).expect("a duplicate"),
            duplicate: first.try_clone().expect("a duplicate"),
            first,
            other,
            log: File::options()
                .append(true)
                .create(true)
                .open("log2")
                .expect("a log"),
            directory: File::open(".").expect("a directory"),
            path_only: open("data", OFlags::PATH, Mode::empty()).expect("a path"),
        }
    }

    fn check(&mut self, round: u64) {
        let expected = round % 4096;
        if expected == 0 {
            self.first.rewind().expect("an offset");
        }
        let mut byte = [0];
        self.duplicate.read_exact(&mut byte).expect("a byte");
        check(
            byte[0] == (expected % 256) as u8,
            "the shared offset is another one",
        );
        check(
            self.first.stream_position().ok() == Some(expected + 1),
            "they do not share it",
        );
        check(
            self.other.stream_position().ok() == Some(99),
            "another offset moved",
        );
        let far = rustix::fs::tell(&self.far);
        check(far == Ok(99), "the descriptor far above is of another file");
        check(self.far.as_raw_fd() == FAR, "it has another number");
        let flags = fcntl_getfl(&self.log).expect("flags");
        check(flags.contains(OFlags::APPEND), "the log does not append");
        self.log.write_all(b"line\n").expect("a line");
        check(
            self.directory.metadata().is_ok_and(|m| m.is_dir()),
            "the directory is none",
        );
        let flags = fcntl_getfl(&self.path_only).expect("flags");
        check(flags.contains(OFlags::PATH), "O_PATH is gone");
        check(
            fcntl_getfd(&self.path_only) == Ok(FdFlags::empty()),
            "close-on-exec is new",
        );
        check(
            fcntl_getfd(&self.first) == Ok(FdFlags::CLOEXEC),
            "close-on-exec is gone",
        );
    }
}

/// A pipe of another size and a FIFO, with data nobody reads.
struct Pipes {
    reader: std::io::PipeReader,
    _writer: std::io::PipeWriter,
    fifo: File,
}

impl Pipes {
    fn new() -> Self {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        fcntl_setpipe_size(&writer, PIPE_SIZE).expect("a size");
        writer.write_all(&[7; 100_000]).expect("room");
        mknodat(CWD, "fifo", FileType::Fifo, Mode::RWXU, 0).expect("a fifo");
        let mut fifo = read_write("fifo");
        fifo.write_all(b"waiting").expect("room");
        fs::remove_file("fifo").expect("a fifo to remove");
        Self {
            reader,
            _writer: writer,
            fifo,
        }
    }

    fn check(&self) {
        check(
            ioctl_fionread(&self.reader) == Ok(100_000),
            "the pipe's data changed",
        );
        check(
            fcntl_getpipe_size(&self.reader) == Ok(PIPE_SIZE),
            "the pipe's size changed",
        );
        check(
            ioctl_fionread(&self.fifo) == Ok(7),
            "the fifo's data changed",
        );
    }
}

/// Files without the name they were opened by.
struct Lost {
    sparse: File,
    directory: File,
    renamed: File,
}

impl Lost {
    fn new() -> Self {
        let sparse = read_write("sparse");
        sparse.write_all_at(&[1; 4096], HOLE).expect("space");
        fs::remove_file("sparse").expect("a file to remove");
        fs::create_dir("dir").expect("a directory");
        let directory = File::open("dir").expect("a directory");
        fs::remove_dir("dir").expect("a directory to remove");
        fs::write("first name", b"contents").expect("a file");
        fs::hard_link("first name", "second name").expect("a link");
        let renamed = File::open("first name").expect("a file");
        fs::remove_file("first name").expect("a name to remove");
        Self {
            sparse,
            directory,
            renamed,
        }
    }

    fn check(&self) {
        let mut bytes = [9; 4096];
        self.sparse.read_exact_at(&mut bytes, HOLE).expect("data");
        check(bytes == [1; 4096], "a deleted file's data changed");
        self.sparse
            .read_exact_at(&mut bytes, 1 << 30)
            .expect("a hole");
        check(bytes == [0; 4096], "a hole has data");
        let metadata = self.sparse.metadata().expect("metadata");
        check(
            metadata.size() == HOLE + 4096,
            "a deleted file's size changed",
        );
        check(metadata.blocks() < 1000, "the hole was filled");
        check(metadata.nlink() == 0, "a deleted file has a name");
        check(
            self.directory.metadata().is_ok_and(|m| m.is_dir()),
            "the directory is none",
        );
        let mut bytes = [0; 8];
        self.renamed.read_exact_at(&mut bytes, 0).expect("data");
        check(&bytes == b"contents", "a renamed file's data changed");
    }
}

/// A file that one description has locked for another.
struct Locked {
    _holder: File,
    other: File,
}

impl Locked {
    fn new() -> Self {
        let holder = read_write("locked");
        flock(&holder, FlockOperation::LockExclusive).expect("a lock");
        Self {
            _holder: holder,
            other: read_write("locked"),
        }
    }

    fn check(&self) {
        let attempt = flock(&self.other, FlockOperation::NonBlockingLockExclusive);
        check(attempt == Err(Errno::WOULDBLOCK), "the lock is gone");
    }
}
