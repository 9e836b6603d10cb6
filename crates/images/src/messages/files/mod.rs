//! Descriptor tables and open files. A task's descriptors refer to files by id; a file that several
//! descriptors share is there once.

mod bpfmap;
mod event;
mod fsnotify;
mod memfd;
mod pipe;
mod reg;
mod tty;

pub use bpfmap::*;
pub use event::*;
pub use fsnotify::*;
pub use memfd::*;
pub use pipe::*;
pub use reg::*;
pub use tty::*;

use crate::messages::{
    InetSkEntry, NetlinkSkEntry, NsFileEntry, PacketSockEntry, TunfileEntry, UnixSkEntry,
};

/// Kinds of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FdTypes {
    /// Not known.
    Und = 0,
    /// A file with a path: regular, directory, device, `O_PATH`.
    Reg = 1,
    /// An end of a pipe(2).
    Pipe = 2,
    /// A named pipe, see fifo(7).
    Fifo = 3,
    /// An ip(7) or ipv6(7) socket.
    Inetsk = 4,
    /// A unix(7) socket.
    Unixsk = 5,
    /// An eventfd(2).
    Eventfd = 6,
    /// An epoll(7) instance.
    Eventpoll = 7,
    /// An inotify(7) instance.
    Inotify = 8,
    /// A signalfd(2).
    Signalfd = 9,
    /// A packet(7) socket.
    Packetsk = 10,
    /// A terminal.
    Tty = 11,
    /// A fanotify(7) group.
    Fanotify = 12,
    /// A netlink(7) socket.
    Netlinksk = 13,
    /// A namespace, as `/proc/PID/ns/*`.
    Ns = 14,
    /// A TUN/TAP device.
    Tunf = 15,
    /// A file that a plugin saves.
    Ext = 16,
    /// A timerfd_create(2).
    Timerfd = 17,
    /// A memfd_create(2).
    Memfd = 18,
    /// A BPF map.
    Bpfmap = 19,
    /// A pidfd_open(2).
    Pidfd = 20,
    /// A controlling terminal; only within CRIU, not in an image.
    CtlTty = 65534,
    /// The pipe of an autofs mount; only within CRIU, not in an image.
    AutofsPipe = 65535,
}

/// A descriptor, in `fdinfo-N.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FdinfoEntry {
    /// Id of the open file ([`FileEntry::id`]).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Flags of the descriptor: `FD_CLOEXEC` (1) or 0.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// The kind of file, an [`FdTypes`].
    #[prost(enumeration = "FdTypes", required, tag = "3")]
    pub r#type: i32,
    /// The descriptor's number.
    #[prost(uint32, required, tag = "4")]
    pub fd: u32,
    /// SELinux label of a socket.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub xattr_security_selinux: Option<Vec<u8>>,
}

/// An open file, in `files.img`: one of the kinds below is there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FileEntry {
    /// Which kind, an [`FdTypes`].
    #[prost(enumeration = "FdTypes", required, tag = "1")]
    pub r#type: i32,
    /// Its id, which is also the id in the kind's own message.
    #[prost(uint32, required, tag = "2")]
    pub id: u32,
    /// `REG`.
    #[prost(message, optional, tag = "3")]
    pub reg: Option<RegFileEntry>,
    /// `INETSK`.
    #[prost(message, optional, tag = "4")]
    pub isk: Option<InetSkEntry>,
    /// `NS`.
    #[prost(message, optional, tag = "5")]
    pub nsf: Option<NsFileEntry>,
    /// `PACKETSK`.
    #[prost(message, optional, tag = "6")]
    pub psk: Option<PacketSockEntry>,
    /// `NETLINKSK`.
    #[prost(message, optional, tag = "7")]
    pub nlsk: Option<NetlinkSkEntry>,
    /// `EVENTFD`.
    #[prost(message, optional, tag = "8")]
    pub efd: Option<EventfdFileEntry>,
    /// `EVENTPOLL`.
    #[prost(message, optional, tag = "9")]
    pub epfd: Option<EventpollFileEntry>,
    /// `SIGNALFD`.
    #[prost(message, optional, tag = "10")]
    pub sgfd: Option<SignalfdEntry>,
    /// `TUNF`.
    #[prost(message, optional, tag = "11")]
    pub tunf: Option<TunfileEntry>,
    /// `TIMERFD`.
    #[prost(message, optional, tag = "12")]
    pub tfd: Option<TimerfdEntry>,
    /// `INOTIFY`.
    #[prost(message, optional, tag = "13")]
    pub ify: Option<InotifyFileEntry>,
    /// `FANOTIFY`.
    #[prost(message, optional, tag = "14")]
    pub ffy: Option<FanotifyFileEntry>,
    /// `EXT`.
    #[prost(message, optional, tag = "15")]
    pub ext: Option<ExtFileEntry>,
    /// `UNIXSK`.
    #[prost(message, optional, tag = "16")]
    pub usk: Option<UnixSkEntry>,
    /// `FIFO`.
    #[prost(message, optional, tag = "17")]
    pub fifo: Option<FifoEntry>,
    /// `PIPE`.
    #[prost(message, optional, tag = "18")]
    pub pipe: Option<PipeEntry>,
    /// `TTY`.
    #[prost(message, optional, tag = "19")]
    pub tty: Option<TtyFileEntry>,
    /// `MEMFD`.
    #[prost(message, optional, tag = "20")]
    pub memfd: Option<MemfdFileEntry>,
    /// `BPFMAP`.
    #[prost(message, optional, tag = "21")]
    pub bpf: Option<BpfmapFileEntry>,
    /// `PIDFD`.
    #[prost(message, optional, tag = "22")]
    pub pidfd: Option<PidfdEntry>,
}

/// Who gets signals from a file, see `F_GETOWN_EX` and `F_GETSIG` in fcntl(2). All zero when nobody
/// does.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FownEntry {
    /// User id of whoever set it.
    #[prost(uint32, required, tag = "1")]
    pub uid: u32,
    /// Effective user id of whoever set it.
    #[prost(uint32, required, tag = "2")]
    pub euid: u32,
    /// The signal; 0 means SIGIO.
    #[prost(uint32, required, tag = "3")]
    pub signum: u32,
    /// Whether a thread, a process or a group gets it (`F_OWNER_*`).
    #[prost(uint32, required, tag = "4")]
    pub pid_type: u32,
    /// Pid, tid or process group; 0 for nobody.
    #[prost(uint32, required, tag = "5")]
    pub pid: u32,
}

/// Where a task is in the filesystem, in `fs-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FsEntry {
    /// File id of the working directory.
    #[prost(uint32, required, tag = "1")]
    pub cwd_id: u32,
    /// File id of the root directory.
    #[prost(uint32, required, tag = "2")]
    pub root_id: u32,
    /// File mode creation mask.
    #[prost(uint32, optional, tag = "3")]
    pub umask: Option<u32>,
}

/// A lock on a file, in `filelocks.img`, as `/proc/locks` shows it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FileLockEntry {
    /// Kind of lock: 1 fcntl(2), 2 flock(2), 4 open file description, 8 lease.
    #[prost(uint32, required, tag = "1")]
    pub flag: u32,
    /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`, as read or write in `/proc/locks`.
    #[prost(uint32, required, tag = "2")]
    pub r#type: u32,
    /// Pid of the owner.
    #[prost(int32, required, tag = "3")]
    pub pid: i32,
    /// A descriptor of the owner that leads to the file.
    #[prost(int32, required, tag = "4")]
    pub fd: i32,
    /// First byte.
    #[prost(int64, required, tag = "5")]
    pub start: i64,
    /// Number of bytes; 0 up to the end of the file.
    #[prost(int64, required, tag = "6")]
    pub len: i64,
}
