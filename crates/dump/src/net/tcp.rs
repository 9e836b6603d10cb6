//! The state of a TCP connection, read in repair mode (`TCP_REPAIR`, tcp(7)).
//!
//! Repair mode is the only way to the sequence numbers and the send queue. It
//! is a property of the socket: a connection that stays in it is stuck. So it
//! is on for as long as the reads below take, one socket at a time, and the
//! caretaker turns it off should we die in between.

use commensal_images::messages::TcpStreamEntry;
use commensal_sys::sockopt::{self, SockOpt};
use commensal_sys::{Errno, peek, sockio};
use linux_raw_sys::net::*;
use zerocopy::{FromBytes, IntoBytes};

use super::changes::{Change, Changes};
use super::opts::option;
use crate::Result;
use crate::files::OpenFile;

/// Repair mode itself.
pub const REPAIR: SockOpt = SockOpt::new(SOL_TCP, TCP_REPAIR);
/// `SO_REUSEADDR`: repair mode changes it, and forgets what it was.
const REUSE: SockOpt = SockOpt::new(SOL_SOCKET, SO_REUSEADDR);
const PEEK_OFF: SockOpt = SockOpt::new(SOL_SOCKET, SO_PEEK_OFF);

/// The states of tcp(7), as the kernel numbers them (include/net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Both ways open.
    Established = 1,
    /// connect(2) was called, nobody answered yet.
    SynSent = 2,
    /// Being accepted.
    SynRecv = 3,
    /// We closed; our FIN is not acknowledged.
    FinWait1 = 4,
    /// We closed; the other end is still open.
    FinWait2 = 5,
    /// Closed, waiting for stray packets.
    TimeWait = 6,
    /// Not connected.
    Close = 7,
    /// The other end closed.
    CloseWait = 8,
    /// Both closed; our FIN is not acknowledged.
    LastAck = 9,
    /// listen(2) was called.
    Listen = 10,
    /// Both closed at once.
    Closing = 11,
}

impl State {
    fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            _ => return None,
        })
    }

    /// Whether a FIN of ours is in the send queue, where it counts as a byte.
    fn has_sent_fin(self) -> bool {
        use State::*;
        matches!(self, FinWait1 | FinWait2 | Closing | LastAck | Close)
    }
}

/// The part of `struct tcp_info` (include/uapi/linux/tcp.h) that is needed.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes)]
#[repr(C)]
pub struct Info {
    state: u8,
    skipped: [u8; 4],
    options: u8,
    /// The other end's window scale in the low half, ours in the high one.
    window_scales: u8,
    flags: u8,
    times: [u32; 4],
    /// Of a listening socket: connections to be accepted.
    pub unacked: u32,
    /// Of a listening socket: its backlog.
    pub sacked: u32,
}

impl Info {
    /// Asks for it.
    pub fn of(file: &OpenFile) -> Result<Self> {
        option!(file, SOL_TCP, TCP_INFO)
    }

    /// The connection's state, `None` for one this kernel has and we do not know.
    pub fn state(&self) -> Option<State> {
        State::from_raw(self.state)
    }

    /// The state's number.
    pub fn raw_state(&self) -> u8 {
        self.state
    }
}

/// `struct tcp_repair_window` (include/uapi/linux/tcp.h).
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Window {
    snd_wl1: u32,
    snd_wnd: u32,
    max_window: u32,
    rcv_wnd: u32,
    rcv_wup: u32,
}

/// A saved connection: an entry, and the bytes of both queues behind it.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The entry of the stream's image.
    pub entry: TcpStreamEntry,
    /// Received and not yet read.
    pub received: Vec<u8>,
    /// Written and not yet acknowledged.
    pub sent: Vec<u8>,
}

/// What repair mode changes in a socket, and what each is to be afterwards.
pub fn repair_changes(file: &OpenFile) -> Result<Vec<Change>> {
    let reuse: i32 = option!(file, SOL_SOCKET, SO_REUSEADDR)?;
    Ok(vec![
        // Off without a window probe: nothing of this is seen on the wire.
        Change {
            opt: REPAIR,
            during: Some(1),
            after: TCP_REPAIR_OFF_NO_WP,
        },
        Change {
            opt: REUSE,
            during: None,
            after: reuse,
        },
    ])
}

/// Saves a connection whose packets are held back.
pub fn save(file: &OpenFile, changes: &mut Changes) -> Result<(Info, Stream)> {
    let mut wanted = repair_changes(file)?;
    // A peek offset would hide the head of the queue (since Linux 6.9).
    let offset: i32 = option!(file, SOL_SOCKET, SO_PEEK_OFF).unwrap_or(-1);
    if offset >= 0 {
        wanted.push(Change {
            opt: PEEK_OFF,
            during: Some(-1),
            after: offset,
        });
    }
    changes.during(file, &wanted, read)
}

fn read(file: &OpenFile) -> Result<(Info, Stream)> {
    let info = Info::of(file)?;
    let Some(state) = info.state() else {
        return Err(file.error("getsockopt(TCP_INFO)", Errno::RANGE));
    };
    let lengths = Lengths::of(file, state)?;
    let window: Window = option!(file, SOL_TCP, TCP_REPAIR_WINDOW)?;
    let mss_clamp = option!(file, SOL_TCP, TCP_MAXSEG)?;
    let timestamp = match u32::from(info.options) & TCPI_OPT_TIMESTAMPS {
        0 => None,
        _ => Some(option!(file, SOL_TCP, TCP_TIMESTAMP)?),
    };
    let scaled = u32::from(info.options) & TCPI_OPT_WSCALE != 0;
    let (inq_seq, received) = queue(file, TCP_RECV_QUEUE as i32, lengths.received)?;
    let (outq_seq, sent) = queue(file, TCP_SEND_QUEUE as i32, lengths.sent)?;
    let entry = TcpStreamEntry {
        inq_len: lengths.received,
        inq_seq,
        outq_len: lengths.sent,
        outq_seq,
        unsq_len: Some(lengths.unsent),
        opt_mask: info.options.into(),
        snd_wscale: if scaled {
            u32::from(info.window_scales & 0xf)
        } else {
            0
        },
        rcv_wscale: scaled.then_some(u32::from(info.window_scales >> 4)),
        mss_clamp,
        timestamp,
        snd_wl1: Some(window.snd_wl1),
        snd_wnd: Some(window.snd_wnd),
        max_window: Some(window.max_window),
        rcv_wnd: Some(window.rcv_wnd),
        rcv_wup: Some(window.rcv_wup),
        ..TcpStreamEntry::default()
    };
    Ok((
        info,
        Stream {
            entry,
            received,
            sent,
        },
    ))
}

/// How many bytes of data the queues hold.
struct Lengths {
    received: u32,
    sent: u32,
    unsent: u32,
}

impl Lengths {
    fn of(file: &OpenFile, state: State) -> Result<Self> {
        let mut lengths = Self {
            received: file.ask("ioctl(SIOCINQ)", |fd| sockio::receive_queue(fd))?,
            sent: file.ask("ioctl(SIOCOUTQ)", |fd| sockio::send_queue(fd))?,
            unsent: file.ask("ioctl(SIOCOUTQNSD)", |fd| sockio::unsent(fd))?,
        };
        if state == State::Close {
            // Reset: what was not acknowledged by then will never be.
            (lengths.sent, lengths.unsent) = (0, 0);
        } else if state.has_sent_fin() {
            lengths.sent = lengths.sent.saturating_sub(1);
            lengths.unsent = lengths.unsent.saturating_sub(1);
        }
        Ok(lengths)
    }
}

/// The sequence number behind a queue's last byte, and the queue's bytes.
fn queue(file: &OpenFile, queue: i32, len: u32) -> Result<(u32, Vec<u8>)> {
    let select = SockOpt::new(SOL_TCP, TCP_REPAIR_QUEUE);
    file.ask("setsockopt(TCP_REPAIR_QUEUE)", |fd| {
        sockopt::set(fd, select, &queue)
    })?;
    let sequence = option!(file, SOL_TCP, TCP_QUEUE_SEQ)?;
    if len == 0 {
        return Ok((sequence, Vec::new()));
    }
    // One byte more than there should be, to see that there are no more.
    let mut bytes = vec![0; len as usize + 1];
    let got = file.ask("recvmsg(MSG_PEEK)", |fd| peek::peek(fd, &mut bytes))?;
    if got.len != len as usize {
        return Err(file.refuse(
            "a TCP socket with urgent data",
            format!("its queue gives {} of {len} bytes without a break", got.len),
            "let the program read its urgent data first",
        ));
    }
    bytes.truncate(got.len);
    Ok((sequence, bytes))
}

#[cfg(test)]
mod tests;
