//! Requests to the kernel over a netlink socket (netlink(7)).

use std::io;

use netlink_packet_core::{
    Emitable, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
};
use netlink_sys::Socket;

/// Room for one answer; the kernel fills at most 32 KiB at a time
/// (`NLMSG_GOODSIZE` and the growing of netlink_dump, net/netlink/af_netlink.c).
const BUFFER: usize = 64 << 10;
/// The length of `struct nlmsghdr`, in bytes.
const HEADER: usize = 16;

/// A socket of one netlink protocol.
pub struct Requests {
    socket: Socket,
    sequence: u32,
}

impl Requests {
    /// Opens a socket of `protocol` (`NETLINK_SOCK_DIAG`, …) in our network
    /// namespace.
    pub fn open(protocol: u32) -> io::Result<Self> {
        let mut socket = Socket::new(protocol as isize)?;
        socket.bind_auto()?;
        socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Asks for all objects that match; gives the payload of each answer.
    pub fn dump(&mut self, message_type: u16, payload: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let request = self.message(message_type, NLM_F_REQUEST | NLM_F_DUMP, payload);
        self.socket.send(&request, 0)?;
        let mut answers = Vec::new();
        while self.receive(|payload| answers.push(payload.to_vec()))? {}
        Ok(answers)
    }

    /// Asks for one object; gives the payload of the answer.
    pub fn get(&mut self, message_type: u16, payload: &[u8]) -> io::Result<Vec<u8>> {
        let request = self.message(message_type, NLM_F_REQUEST, payload);
        self.socket.send(&request, 0)?;
        let mut answer = None;
        self.receive(|payload| answer = Some(payload.to_vec()))?;
        answer.ok_or_else(|| invalid("an answer without an object"))
    }

    /// Makes one message, with the next sequence number.
    pub fn message(&mut self, message_type: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        message(message_type, flags, self.sequence, payload)
    }

    /// Sends messages as one datagram and waits until the last, which must ask
    /// for it, is acknowledged.
    pub fn send_acknowledged(&mut self, messages: &[u8]) -> io::Result<()> {
        self.socket.send(messages, 0)?;
        while self.receive(|_| ())? {}
        Ok(())
    }

    /// Receives one datagram; whether more is to come.
    fn receive(&self, mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        let mut buffer = Vec::with_capacity(BUFFER);
        self.socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkBuffer::new_checked(rest).map_err(invalid)?;
            let length = message.length() as usize;
            match message.message_type() {
                NLMSG_DONE | NLMSG_ERROR => return status(message.payload()).map(|()| false),
                _ => each(message.payload()),
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(true)
    }
}

/// A whole message, padded to where the next one may begin.
pub fn message(message_type: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.length = (HEADER + payload.len()) as u32;
    header.message_type = message_type;
    header.flags = flags;
    header.sequence_number = sequence;
    let mut bytes = vec![0; HEADER];
    header.emit(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute, padded to where the next one may begin.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The errno that both `NLMSG_DONE` and `NLMSG_ERROR` begin with.
fn status(payload: &[u8]) -> io::Result<()> {
    let code = payload
        .first_chunk()
        .map(|code| i32::from_ne_bytes(*code))
        .ok_or_else(|| invalid("an answer without a status"))?;
    match code {
        0.. => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
    }
}

/// An answer that is not what netlink(7) says.
pub fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
