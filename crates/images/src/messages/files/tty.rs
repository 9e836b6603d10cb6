//! Terminals.

use crate::messages::FownEntry;

/// An open terminal.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TtyFileEntry {
    /// The file's id, which descriptor tables refer to
    /// ([`FdinfoEntry::id`](crate::messages::FdinfoEntry::id)).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Which terminal ([`TtyInfoEntry::id`]).
    #[prost(uint32, required, tag = "2")]
    pub tty_info_id: u32,
    /// Status flags of open(2), as `F_GETFL` gives them.
    #[prost(uint32, required, tag = "3")]
    pub flags: u32,
    /// Who gets SIGIO from it.
    #[prost(message, required, tag = "4")]
    pub fown: FownEntry,
    /// Id of the regular file that stands for its path.
    #[prost(uint32, optional, tag = "6")]
    pub regf_id: Option<u32>,
}

/// A terminal, in `tty-info.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TtyInfoEntry {
    /// Its id.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// A [`TtyType`].
    #[prost(enumeration = "TtyType", required, tag = "2")]
    pub r#type: i32,
    /// Whether the slave is locked (`TIOCGPTLCK`); pseudoterminals only.
    #[prost(bool, required, tag = "3")]
    pub locked: bool,
    /// Whether it is in exclusive mode (`TIOCGEXCL`).
    #[prost(bool, required, tag = "4")]
    pub exclusive: bool,
    /// Whether it is in packet mode (`TIOCGPKT`); pseudoterminals only.
    #[prost(bool, required, tag = "5")]
    pub packet_mode: bool,
    /// Session it controls; 0 for none.
    #[prost(uint32, required, tag = "6")]
    pub sid: u32,
    /// Foreground process group; 0 for none.
    #[prost(uint32, required, tag = "7")]
    pub pgrp: u32,
    /// Device number, in the kernel's encoding.
    #[prost(uint32, required, tag = "8")]
    pub rdev: u32,
    /// Settings.
    #[prost(message, optional, tag = "9")]
    pub termios: Option<TermiosEntry>,
    /// Which settings are locked (`TIOCGLCKTRMIOS`).
    #[prost(message, optional, tag = "10")]
    pub termios_locked: Option<TermiosEntry>,
    /// Window size.
    #[prost(message, optional, tag = "11")]
    pub winsize: Option<WinsizeEntry>,
    /// Index, if it is a pseudoterminal.
    #[prost(message, optional, tag = "12")]
    pub pty: Option<TtyPtyEntry>,
    /// Device of the filesystem the node is on.
    #[prost(uint32, optional, tag = "13")]
    pub dev: Option<u32>,
    /// Owner of the node.
    #[prost(uint32, optional, tag = "14")]
    pub uid: Option<u32>,
    /// Group of the node.
    #[prost(uint32, optional, tag = "15")]
    pub gid: Option<u32>,
}

/// Kinds of terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum TtyType {
    /// Not known.
    Unknown = 0,
    /// A pseudoterminal.
    Pty = 1,
    /// `/dev/console`.
    Console = 2,
    /// A virtual console.
    Vt = 3,
    /// `/dev/tty`.
    Ctty = 4,
    /// One from outside (`--external tty[...]`).
    ExtTty = 5,
    /// A serial line.
    Serial = 6,
}

/// Settings of a terminal, as the kernel's `struct termios`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TermiosEntry {
    /// Input modes.
    #[prost(uint32, required, tag = "1")]
    pub c_iflag: u32,
    /// Output modes.
    #[prost(uint32, required, tag = "2")]
    pub c_oflag: u32,
    /// Control modes.
    #[prost(uint32, required, tag = "3")]
    pub c_cflag: u32,
    /// Local modes.
    #[prost(uint32, required, tag = "4")]
    pub c_lflag: u32,
    /// Line discipline.
    #[prost(uint32, required, tag = "5")]
    pub c_line: u32,
    /// Input speed.
    #[prost(uint32, required, tag = "6")]
    pub c_ispeed: u32,
    /// Output speed.
    #[prost(uint32, required, tag = "7")]
    pub c_ospeed: u32,
    /// Control characters, one to an entry.
    #[prost(uint32, repeated, packed = "false", tag = "8")]
    pub c_cc: Vec<u32>,
}

/// Window size, as `struct winsize`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WinsizeEntry {
    /// Rows.
    #[prost(uint32, required, tag = "1")]
    pub ws_row: u32,
    /// Columns.
    #[prost(uint32, required, tag = "2")]
    pub ws_col: u32,
    /// Width in pixels.
    #[prost(uint32, required, tag = "3")]
    pub ws_xpixel: u32,
    /// Height in pixels.
    #[prost(uint32, required, tag = "4")]
    pub ws_ypixel: u32,
}

/// What a pseudoterminal has of its own.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TtyPtyEntry {
    /// Number of the pair, as in `/dev/pts/N`.
    #[prost(uint32, required, tag = "1")]
    pub index: u32,
}

/// What waits in a terminal's queue, in `tty-data.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TtyDataEntry {
    /// Which terminal.
    #[prost(uint32, required, tag = "1")]
    pub tty_id: u32,
    /// The bytes.
    #[prost(bytes = "vec", required, tag = "2")]
    pub data: Vec<u8>,
}
