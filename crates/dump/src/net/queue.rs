//! What waits in a socket to be read, with the descriptors that are in flight
//! with it. Nothing is taken out.

use std::os::fd::OwnedFd;

use commensal_sys::Errno;
use commensal_sys::peek::{self, Peeked};
use commensal_sys::sockopt::{self, SockOpt};
use linux_raw_sys::net::*;

use super::changes::{Change, Changes};
use super::opts::option;
use crate::Result;
use crate::files::OpenFile;

const PEEK_OFF: SockOpt = SockOpt::new(SOL_SOCKET, SO_PEEK_OFF);
/// A first guess at the longest message, in bytes: the default send buffer.
const BUFFER: usize = 212_992;

/// A message, or a piece of a stream.
#[derive(Debug)]
pub struct Packet {
    /// The bytes.
    pub data: Vec<u8>,
    /// Duplicates of the descriptors in flight with them.
    pub rights: Vec<OwnedFd>,
    /// Who has sent it, as `sun_path` holds it; of a datagram.
    pub sender: Vec<u8>,
}

/// A socket's queue as it is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// Whether messages have boundaries.
    pub is_stream: bool,
    /// Whether reading 0 bytes means the end and not an empty message.
    pub ends: bool,
    /// The bytes in all of it, where the kernel counts them.
    pub len: Option<usize>,
}

impl Queue {
    /// Reads the whole queue.
    pub fn read(self, file: &OpenFile, changes: &mut Changes) -> Result<Vec<Packet>> {
        let offset: i32 = option!(file, SOL_SOCKET, SO_PEEK_OFF)?;
        if let Some(packet) = self.in_one_piece(file, offset)? {
            return Ok(vec![packet]);
        }
        // The offset makes each peek begin behind the last. It is a property
        // of the socket, so it has to go back to what it was.
        let change = Change {
            opt: PEEK_OFF,
            during: Some(0),
            after: offset,
        };
        let packets = changes.during(file, &[change], |file| self.walk(file))?;
        let total: usize = packets.iter().map(|packet| packet.data.len()).sum();
        match self.len {
            Some(len) if len != total => Err(file.refuse(
                "a socket with out-of-band data in its queue",
                format!("its queue gives {total} of {len} bytes"),
                "let the program read its out-of-band data first",
            )),
            _ => Ok(packets),
        }
    }

    /// A stream without descriptors in flight can be peeked at once, without
    /// changing the socket.
    fn in_one_piece(self, file: &OpenFile, offset: i32) -> Result<Option<Packet>> {
        let Some(len) = self.len.filter(|_| self.is_stream && offset < 0) else {
            return Ok(None);
        };
        let mut data = vec![0; len + 1];
        let peeked = self.peek(file, &mut data)?;
        let whole = |peeked: &Peeked| peeked.len == len && peeked.rights.is_empty();
        data.truncate(len);
        Ok(peeked.filter(whole).map(|_| Packet {
            data,
            rights: Vec::new(),
            sender: Vec::new(),
        }))
    }

    /// Reads message after message; the peek offset is at the first.
    fn walk(self, file: &OpenFile) -> Result<Vec<Packet>> {
        let mut packets = Vec::new();
        let mut buffer = vec![0; self.len.unwrap_or(0).max(BUFFER)];
        let mut offset = 0;
        while let Some(peeked) = self.peek(file, &mut buffer)? {
            if peeked.truncated {
                buffer.resize(buffer.len() * 2, 0);
                seek(file, offset)?;
                continue;
            }
            if peeked.len == 0 && self.ends {
                break;
            }
            offset += peeked.len as i32;
            // Of a stream, bytes without descriptors come together with the
            // first ones that have some; where those begin cannot be told.
            packets.push(Packet {
                data: buffer[..peeked.len].to_vec(),
                rights: peeked.rights,
                sender: peeked.sender,
            });
        }
        Ok(packets)
    }

    /// The next message; `None` at the end of the queue.
    fn peek(self, file: &OpenFile, buffer: &mut [u8]) -> Result<Option<Peeked>> {
        let peeked = match peek::peek(file.fd(), buffer) {
            Ok(peeked) => peeked,
            Err(Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(file.error("recvmsg(MSG_PEEK)", errno)),
        };
        match peeked.other_control.first() {
            None => Ok(Some(peeked)),
            Some(&(level, kind)) => Err(unsupported_control(file, level, kind)),
        }
    }
}

/// Makes the next peek begin so many bytes behind the head of the queue.
fn seek(file: &OpenFile, offset: i32) -> Result<()> {
    file.ask("setsockopt(SO_PEEK_OFF)", |fd| {
        sockopt::set(fd, PEEK_OFF, &offset)
    })
}

fn unsupported_control(file: &OpenFile, level: u32, kind: u32) -> crate::Error {
    let what = match (level, kind) {
        (SOL_SOCKET, 2) => "the sender's credentials (SCM_CREDENTIALS)".to_owned(),
        (SOL_SOCKET, 3) => "the sender's security label (SCM_SECURITY)".to_owned(),
        (SOL_SOCKET, 4) => "the sender's pidfd (SCM_PIDFD)".to_owned(),
        _ => format!("control data of level {level} and type {kind}"),
    };
    file.refuse(
        format!("a socket whose unread data carries {what}"),
        "a restore could only send the data as another sender",
        "let the program read what it was sent, or turn the option (SO_PASSCRED) off first",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Write};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use commensal_sys::pidfd::PidFd;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;
    use crate::files::own_pid;

    fn open(socket: &impl AsRawFd) -> OpenFile {
        let task = PidFd::open(own_pid()).unwrap();
        OpenFile::of_task(
            &task,
            socket.as_raw_fd(),
            None,
            (&crate::pidns::Pids::OURS, &crate::userns::Users::OURS),
        )
        .unwrap()
    }

    fn send_with_rights(socket: &impl AsFd, data: &[u8]) {
        let mut space = [MaybeUninit::uninit(); 64];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [socket.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(
            socket,
            &[IoSlice::new(data)],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
    }

    fn shape(packets: &[Packet]) -> Vec<(&[u8], usize)> {
        let packets = packets.iter();
        packets
            .map(|packet| (packet.data.as_slice(), packet.rights.len()))
            .collect()
    }

    #[test]
    fn rights_stay_in_their_order_among_the_bytes() {
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(b"before").unwrap();
        send_with_rights(&left, b"with");
        left.write_all(b"between").unwrap();
        send_with_rights(&left, b"w");
        left.write_all(b"after").unwrap();
        let queue = Queue {
            is_stream: true,
            ends: true,
            len: Some(23),
        };
        for _ in 0..2 {
            let packets = queue.read(&open(&right), &mut Changes::default()).unwrap();
            let wanted: [(&[u8], usize); 3] = [(b"beforewith", 1), (b"betweenw", 1), (b"after", 0)];
            assert_eq!(shape(&packets), wanted);
            assert_eq!(sockopt::get(&right, PEEK_OFF), Ok(-1i32));
        }
    }

    #[test]
    fn messages_longer_than_the_first_guess_are_whole() {
        let (left, right) = UnixDatagram::pair().unwrap();
        let long = SockOpt::new(SOL_SOCKET, SO_SNDBUFFORCE);
        sockopt::set(&left, long, &2_000_000i32).unwrap();
        let message = vec![7; BUFFER * 3];
        for data in [b"one".as_slice(), &message, b"", b"two"] {
            left.send(data).unwrap();
        }
        let queue = Queue {
            is_stream: false,
            ends: false,
            len: None,
        };
        let packets = queue.read(&open(&right), &mut Changes::default()).unwrap();
        let wanted = [(b"one".as_slice(), 0), (&message, 0), (b"", 0), (b"two", 0)];
        assert_eq!(shape(&packets), wanted);
    }
}
