//! The loop that serves commands from the socket.

use commensal_abi::{AREA_OFFSET, Area, Command, PROTOCOL_VERSION, Reply, Request};

use crate::commands;
use crate::syscall::syscall;

const SENDTO: u64 = 44;
const RECVFROM: u64 = 45;
const ENOSYS: i32 = 38;
/// A dumper that is gone must not give the target a SIGPIPE.
const MSG_NOSIGNAL: u64 = 0x4000;

/// Serves requests until the socket closes.
///
/// # Safety
///
/// `exchange` must be the exchange area, mapped for reading and writing, and
/// `socket` a connected SOCK_SEQPACKET socket.
pub unsafe extern "C" fn serve(exchange: *mut u8, socket: i32) {
    let area = exchange.wrapping_add(AREA_OFFSET).cast::<Area>();
    while let Some(request) = receive(socket) {
        // SAFETY: the area lies inside the exchange area (layout.rs
        // of the ABI), so it is mapped, too.
        let (status, value) = unsafe { obey(&request, area, socket) };
        let reply = Reply {
            command: request.command,
            sequence: request.sequence,
            status,
            value,
        };
        if !send(socket, &reply) {
            return;
        }
    }
}

/// Carries out one request; gives its status and value.
///
/// # Safety
///
/// `area` must be valid for reading and writing, and stay so.
unsafe fn obey(request: &Request, area: *mut Area, socket: i32) -> (i32, u32) {
    let status = match Command::from_raw(request.command) {
        Some(Command::Ping) => return (0, PROTOCOL_VERSION),
        // SAFETY: the caller's promise.
        Some(Command::Task) => unsafe { commands::task(area) },
        // SAFETY: the caller's promise.
        Some(Command::Thread) => unsafe { commands::thread(area) },
        // SAFETY: the caller's promise.
        Some(Command::PosixTimers) => unsafe { commands::posix_timers(area) },
        // SAFETY: the caller's promise.
        Some(Command::Descriptors) => unsafe { commands::descriptors(area, socket) },
        // SAFETY: the caller's promise.
        Some(Command::Survey) => unsafe { commands::survey(area, socket) },
        None => -ENOSYS,
    };
    (status, 0)
}

/// The next request; `None` when the dumper is gone.
fn receive(socket: i32) -> Option<Request> {
    let mut request = Request {
        command: 0,
        sequence: 0,
    };
    let (buffer, len) = (&raw mut request as u64, size_of::<Request>() as u64);
    // SAFETY: recvfrom(2) writes at most `len` bytes, the size of `request`,
    // whose every bit pattern is a value.
    let n = unsafe { syscall(RECVFROM, [socket as u64, buffer, len, 0, 0, 0]) };
    (n == len as i64).then_some(request)
}

/// Sends a reply; `false` when the dumper is gone.
fn send(socket: i32, reply: &Reply) -> bool {
    let (buffer, len) = (&raw const *reply as u64, size_of::<Reply>() as u64);
    // SAFETY: sendto(2) only reads `len` bytes, the size of `reply`.
    let n = unsafe { syscall(SENDTO, [socket as u64, buffer, len, MSG_NOSIGNAL, 0, 0]) };
    n == len as i64
}
