//! Sockets that cannot be dumped, each by its name.

use commensal_sys::Errno;
use commensal_sys::sockopt::{self, SockOpt};
use linux_raw_sys::net::*;

use super::Policy;
use super::tcp::{Info, State};
use crate::files::OpenFile;
use crate::{Error, Result};

const TCP: u32 = IPPROTO_TCP as u32;
const UDP: u32 = IPPROTO_UDP as u32;
const UDPLITE: u32 = IPPROTO_UDPLITE as u32;
const ICMP: u32 = IPPROTO_ICMP as u32;
const ICMPV6: u32 = IPPROTO_ICMPV6;

/// A socket of a family that CRIU's images have no place for.
pub fn family(file: &OpenFile, family: u32) -> Error {
    let name = match family {
        AF_VSOCK => "a vsock socket (AF_VSOCK)",
        AF_ALG => "a kernel crypto socket (AF_ALG)",
        AF_XDP => "an XDP socket (AF_XDP)",
        AF_BLUETOOTH => "a Bluetooth socket (AF_BLUETOOTH)",
        AF_CAN => "a CAN bus socket (AF_CAN)",
        AF_TIPC => "a TIPC socket (AF_TIPC)",
        AF_KEY => "an IPsec key socket (AF_KEY)",
        AF_RDS => "an RDS socket (AF_RDS)",
        AF_SMC => "an SMC socket (AF_SMC)",
        AF_QIPCRTR => "a Qualcomm router socket (AF_QIPCRTR)",
        _ => "",
    };
    let name = match name {
        "" => format!("a socket of family {family}"),
        name => name.to_owned(),
    };
    file.refuse(
        name,
        "CRIU's images have no place for this family",
        "close the socket before the dump",
    )
}

/// Refuses protocols of the internet families that cannot be saved.
pub fn inet_protocol(file: &OpenFile, kind: u32, protocol: u32) -> Result<()> {
    let (name, remedy) = match (kind, protocol) {
        // A raw socket may carry any protocol.
        (SOCK_RAW, _) | (SOCK_STREAM, 0 | TCP) => return Ok(()),
        (SOCK_DGRAM, 0 | UDP | UDPLITE | ICMP | ICMPV6) => return Ok(()),
        (_, 262) => (
            "a multipath TCP socket (IPPROTO_MPTCP)".to_owned(),
            "make it a plain TCP socket; for Go programs set GODEBUG=multipathtcp=0",
        ),
        (_, 132) => (
            "an SCTP socket".to_owned(),
            "close the socket before the dump",
        ),
        (_, 33) => (
            "a DCCP socket".to_owned(),
            "close the socket before the dump",
        ),
        (_, 256) => ("an SMC socket".to_owned(), "use plain TCP (AF_INET)"),
        _ => (
            format!("an internet socket of type {kind} and protocol {protocol}"),
            "close the socket before the dump",
        ),
    };
    Err(file.refuse(name, "its state cannot be read or restored", remedy))
}

/// Refuses TCP states that cannot be saved, or only if asked to.
pub fn tcp_state(file: &OpenFile, info: &Info, policy: &Policy) -> Result<()> {
    use State::*;
    match info.state() {
        Some(Close | Listen) => Ok(()),
        Some(Established | FinWait1 | FinWait2 | CloseWait | LastAck | Closing | SynSent) => {
            if policy.tcp_established || policy.tcp_close {
                return Ok(());
            }
            Err(file.refuse(
                "a connected TCP socket",
                "saving it holds its packets back until it is restored, so it has to be asked for",
                "save it with --tcp-established, or dump it as closed with --tcp-close",
            ))
        }
        _ => Err(file.refuse(
            format!("a TCP socket in state {}", info.raw_state()),
            "this state cannot be restored",
            "wait until the connection is established or closed",
        )),
    }
}

/// Refuses connections that wait to be accepted, unless they may be left out.
/// Of a tree that runs this says nothing: they come and go.
pub fn in_flight(file: &OpenFile, info: &Info, policy: &Policy) -> Result<()> {
    if info.state() != Some(State::Listen) || info.unacked == 0 || policy.skip_in_flight {
        return Ok(());
    }
    Err(file.refuse(
        format!(
            "a listening TCP socket with {} connections in flight",
            info.unacked
        ),
        "connections that were not accepted yet cannot be restored",
        "let the program accept them, or leave them out with --skip-in-flight",
    ))
}

/// Refuses TCP with a protocol on top inside the kernel, as kernel TLS.
pub fn tcp_layers(file: &OpenFile) -> Result<()> {
    let mut name = [0; 16];
    let opt = SockOpt::new(SOL_TCP, TCP_ULP);
    match sockopt::get_bytes(file.fd(), opt, &mut name) {
        Ok(0) | Err(Errno::NOPROTOOPT) => Ok(()),
        Err(errno) => Err(file.error("getsockopt(TCP_ULP)", errno)),
        Ok(len) => {
            let name = name[..len]
                .split(|byte| *byte == 0)
                .next()
                .unwrap_or_default();
            Err(file.refuse(
                format!(
                    "a TCP socket with the kernel's {} on it",
                    String::from_utf8_lossy(name)
                ),
                "the keys and records inside the kernel cannot be read",
                "turn kernel TLS off in the program",
            ))
        }
    }
}

/// A datagram that is still being put together.
pub fn corked(file: &OpenFile) -> Error {
    file.refuse(
        "a corked UDP socket (UDP_CORK)",
        "the datagram it is putting together cannot be read",
        "let the program uncork the socket first",
    )
}

/// A link-local address on no interface.
pub fn no_interface(file: &OpenFile) -> Error {
    file.refuse(
        "a socket bound to a link-local address without an interface",
        "a restore could not tell on which interface to bind it",
        "bind it with a scope id or SO_BINDTODEVICE",
    )
}
