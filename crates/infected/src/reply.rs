//! Whether a reply is one to the question that was asked.

use commensal_abi::{Command, Reply, Request};
use commensal_seized::Pid;
use commensal_sys::Errno;
use zerocopy::FromBytes;

use crate::Error;

/// The largest errno that a system call can give (`MAX_ERRNO`, linux/err.h).
const MAX_ERRNO: i32 = 4095;

/// Checks what came out of the socket against the request it should answer;
/// gives the command's value.
///
/// # Errors
///
/// [`Error::HungUp`] where nothing came, [`Error::NoMemory`] where the request
/// came back, [`Error::Protocol`] where it is no answer to this request,
/// [`Error::Command`] where it tells of a failed call.
pub(crate) fn check(
    pid: Pid,
    command: Command,
    request: &Request,
    bytes: &[u8],
) -> Result<u32, Error> {
    let wrong = |what| Err(Error::Protocol { pid, what });
    if bytes.is_empty() {
        return Err(Error::HungUp(pid));
    }
    if bytes.len() == size_of::<Request>() {
        return Err(Error::NoMemory(pid));
    }
    let Ok(reply) = Reply::read_from_bytes(bytes) else {
        return wrong("its reply has another length");
    };
    if (reply.command, reply.sequence) != (request.command, request.sequence) {
        return wrong("it answers another question");
    }
    check_status(pid, command, reply.status)?;
    Ok(reply.value)
}

/// Checks what the parasite says of how a command went.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn check_status(pid: Pid, command: Command, status: i32) -> Result<(), Error> {
    match status {
        0 => Ok(()),
        status if (-MAX_ERRNO..0).contains(&status) => Err(Error::Command {
            pid,
            command: command.name(),
            errno: Errno::from_raw_os_error(-status),
        }),
        _ => Err(Error::Protocol {
            pid,
            what: "its status is no errno",
        }),
    }
}

/// Takes the bytes for the reply to a request, for the fuzz targets.
pub(crate) fn fuzz(bytes: &[u8]) {
    let pid = Pid::new(1).expect("ids are positive");
    let request = Request {
        command: Command::Ping as u32,
        sequence: 1,
    };
    if check(pid, Command::Ping, &request, bytes).is_ok() {
        let expected = [Command::Ping as u32, 1, 0].map(u32::to_le_bytes).concat();
        assert_eq!(bytes[..12], expected);
        assert_eq!(bytes.len(), size_of::<Reply>());
    }
}
