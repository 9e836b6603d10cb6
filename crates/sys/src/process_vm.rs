//! Reading and writing another process's memory: process_vm_readv(2).

use linux_raw_sys::general::{__NR_process_vm_readv, __NR_process_vm_writev};

use crate::{Errno, Error, Pid, RemoteAddr, RemoteRange, Result, raw};

/// `struct iovec` (readv(2)): an address and a length in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Iovec {
    base: u64,
    len: u64,
}

/// Fills `buf` from the target's memory at `addr`.
///
/// # Errors
///
/// EFAULT where a part of the range is not mapped or not readable, EPERM
/// without the right to ptrace the task, ESRCH when it is gone.
pub fn read(pid: Pid, addr: RemoteAddr, buf: &mut [u8]) -> Result<()> {
    let local = Iovec {
        base: buf.as_mut_ptr() as u64,
        len: buf.len() as u64,
    };
    // SAFETY: process_vm_readv(2) writes only to the local iovec, which is
    // exactly `buf`, exclusively borrowed for the call.
    let done = unsafe { transfer(__NR_process_vm_readv, pid, local, &[remote(addr, local)]) };
    complete("process_vm_readv", pid, done, buf.len())
}

/// Ranges of the target's memory that one call reads, in the order of the call.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    ranges: Vec<Iovec>,
    bytes: usize,
}

impl Batch {
    /// The most ranges that one call takes (IOV_MAX, readv(2)).
    pub const MAX_RANGES: usize = 1024;

    /// Puts a range behind the others, or gives `false` when the batch is full.
    #[must_use]
    pub fn push(&mut self, range: RemoteRange) -> bool {
        if self.ranges.len() == Self::MAX_RANGES {
            return false;
        }
        self.ranges.push(Iovec {
            base: range.start().get(),
            len: range.len(),
        });
        self.bytes += range.len() as usize;
        true
    }

    /// The sum of the ranges' lengths, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Forgets all ranges and keeps the allocation.
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.bytes = 0;
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = RemoteRange> {
        let range = |iov: &Iovec| RemoteRange::new(iov.base, iov.base + iov.len);
        self.ranges
            .iter()
            .map(move |iov| range(iov).expect("pushed as a range"))
    }
}

/// Fills the start of `buf` from the ranges of `batch`, one behind the other,
/// in one call.
///
/// # Errors
///
/// As [`read`]; also EINVAL where `buf` is smaller than the batch.
pub fn read_batch(pid: Pid, batch: &Batch, buf: &mut [u8]) -> Result<()> {
    let Some(buf) = buf.get_mut(..batch.bytes) else {
        return Err(Error::new("process_vm_readv", pid.get(), Errno::INVAL));
    };
    let local = Iovec {
        base: buf.as_mut_ptr() as u64,
        len: buf.len() as u64,
    };
    // SAFETY: process_vm_readv(2) writes only to the local iovec, which is
    // exactly `buf`, exclusively borrowed for the call.
    let done = unsafe { transfer(__NR_process_vm_readv, pid, local, &batch.ranges) };
    complete("process_vm_readv", pid, done, batch.bytes)
}

/// Copies `bytes` into the target's memory at `addr`.
///
/// # Errors
///
/// As [`read`]; EFAULT also where the range is not writable: page protections
/// hold for this call, so it can never change a text page.
pub fn write(pid: Pid, addr: RemoteAddr, bytes: &[u8]) -> Result<()> {
    let local = Iovec {
        base: bytes.as_ptr() as u64,
        len: bytes.len() as u64,
    };
    // SAFETY: process_vm_writev(2) only reads the local iovec, which is
    // exactly `bytes`, borrowed for the call.
    let done = unsafe { transfer(__NR_process_vm_writev, pid, local, &[remote(addr, local)]) };
    complete("process_vm_writev", pid, done, bytes.len())
}

/// As much of the target at `addr` as `local` is long.
fn remote(addr: RemoteAddr, local: Iovec) -> Iovec {
    Iovec {
        base: addr.get(),
        len: local.len,
    }
}

/// One transfer between one local range and the remote ranges.
///
/// # Safety
///
/// `local` must be memory of ours that may be read (`writev`) or written
/// (`readv`) for the length of the call.
unsafe fn transfer(nr: u32, pid: Pid, local: Iovec, remote: &[Iovec]) -> Result<u64, Errno> {
    let args = [
        pid.get() as u64,
        &raw const local as u64,
        1,
        remote.as_ptr() as u64,
        remote.len() as u64,
        0,
    ];
    // SAFETY: `local` is on this frame and `remote` a borrowed slice; what
    // `local` points to is the caller's promise; what `remote` has in it are
    // no addresses of ours.
    unsafe { raw::syscall(nr, args) }
}

/// A transfer is all or an error: a short one met an unmapped page.
fn complete(call: &'static str, pid: Pid, done: Result<u64, Errno>, len: usize) -> Result<()> {
    let errno = match done {
        Ok(n) if n == len as u64 => return Ok(()),
        Ok(_) => Errno::FAULT,
        Err(errno) => errno,
    };
    Err(Error::new(call, pid.get(), errno))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn range_of(bytes: &[u8]) -> RemoteRange {
        let start = bytes.as_ptr() as u64;
        RemoteRange::new(start, start + bytes.len() as u64).expect("in order")
    }

    #[test]
    fn a_batch_reads_its_ranges_in_order() {
        let pid = Pid::new(std::process::id() as i32).expect("a process id is positive");
        let (one, two) = (*b"second half", *b"first half, ");
        let mut batch = Batch::default();
        assert!(batch.push(range_of(&two)) && batch.push(range_of(&one)));
        let mut text = [0u8; 30];
        read_batch(pid, &batch, &mut text).expect("own memory");
        assert_eq!(&text[..batch.bytes()], b"first half, second half");
        let short = read_batch(pid, &batch, &mut text[..5]).expect_err("too small");
        assert_eq!(short.errno, Errno::INVAL);
    }

    #[test]
    fn a_hole_in_a_batch_is_an_error() {
        let pid = Pid::new(std::process::id() as i32).expect("a process id is positive");
        let mut batch = Batch::default();
        assert!(batch.push(range_of(b"mapped")));
        assert!(batch.push(RemoteRange::new(0, 8).expect("in order")));
        let error = read_batch(pid, &batch, &mut [0; 64]).expect_err("nothing is mapped at 0");
        assert_eq!(error.errno, Errno::FAULT);
    }
}
