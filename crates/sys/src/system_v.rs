//! System V IPC objects of our thread's namespace (sysvipc(7)), read without changing them.

use linux_raw_sys::general::{__NR_msgctl, __NR_msgrcv, __NR_semctl, __NR_shmat, __NR_shmdt};

use crate::{Error, Result, raw};

// include/uapi/linux/ipc.h, sem.h, msg.h, shm.h
const IPC_STAT: u64 = 2;
const IPC_NOWAIT: u64 = 0o4000;
const GETALL: u64 = 13;
const MSG_COPY: u64 = 0o40000;
const SHM_RDONLY: u64 = 0o10000;

/// The values of a set of semaphores (semctl(2), GETALL).
///
/// # Errors
///
/// EINVAL where there is no such set.
pub fn semaphores(id: u32) -> Result<Vec<u16>> {
    /// `struct semid64_ds` of x86-64 is 104 bytes; `sem_nsems` is the eleventh of its words.
    const WORDS: usize = 13;
    const NSEMS: usize = 10;
    let mut state = [0u64; WORDS];
    let args = [u64::from(id), 0, IPC_STAT, state.as_mut_ptr() as u64, 0, 0];
    // SAFETY: IPC_STAT writes one `struct semid64_ds`, for which `state` has room.
    unsafe { raw::syscall(__NR_semctl, args) }.map_err(|errno| failed("semctl", id, errno))?;
    let mut values = vec![0u16; state[NSEMS] as usize];
    let args = [u64::from(id), 0, GETALL, values.as_mut_ptr() as u64, 0, 0];
    // SAFETY: GETALL writes a value for each semaphore, and their number is that of the set for
    // as long as it has this id.
    unsafe { raw::syscall(__NR_semctl, args) }.map_err(|errno| failed("semctl", id, errno))?;
    Ok(values)
}

/// How many bytes a message queue may hold (msgctl(2), `msg_qbytes`).
///
/// # Errors
///
/// EINVAL where there is no such queue.
pub fn queue_capacity(id: u32) -> Result<u64> {
    /// `struct msqid64_ds` is 120 bytes; `msg_qbytes` is the twelfth of its words.
    const WORDS: usize = 15;
    const QBYTES: usize = 11;
    let mut state = [0u64; WORDS];
    let args = [u64::from(id), IPC_STAT, state.as_mut_ptr() as u64, 0, 0, 0];
    // SAFETY: IPC_STAT writes one `struct msqid64_ds`, for which `state` has room.
    unsafe { raw::syscall(__NR_msgctl, args) }.map_err(|errno| failed("msgctl", id, errno))?;
    Ok(state[QBYTES])
}

/// The message at this place of a queue, which keeps it: its type and its text, of at most
/// `longest` bytes (msgrcv(2), MSG_COPY).
///
/// # Errors
///
/// ENOMSG where there are not so many, E2BIG where it is longer.
pub fn message(id: u32, index: u64, longest: usize) -> Result<(i64, Vec<u8>)> {
    const TYPE: usize = size_of::<i64>();
    let mut buf = vec![0u8; TYPE + longest];
    let flags = IPC_NOWAIT | MSG_COPY;
    let args = [
        u64::from(id),
        buf.as_mut_ptr() as u64,
        longest as u64,
        index,
        flags,
        0,
    ];
    // SAFETY: the kernel writes the type, and at most `longest` bytes behind it.
    let len = unsafe { raw::syscall(__NR_msgrcv, args) }.map_err(|e| failed("msgrcv", id, e))?;
    buf.truncate(TYPE + len as usize);
    let text = buf.split_off(TYPE);
    let kind = i64::from_ne_bytes(buf.try_into().expect("a word was left"));
    Ok((kind, text))
}

/// A segment of shared memory in our address space, read-only; detached when dropped.
#[derive(Debug)]
pub struct Attached(u64);

impl Attached {
    /// Attaches a segment (shmat(2)). Its time of attachment and its last user become ours.
    ///
    /// # Errors
    ///
    /// EINVAL where there is no such segment.
    pub fn attach(id: u32) -> Result<Self> {
        let args = [u64::from(id), 0, SHM_RDONLY, 0, 0, 0];
        // SAFETY: the kernel chooses an address that is free; nothing of ours is replaced.
        let address = unsafe { raw::syscall(__NR_shmat, args) };
        address.map(Self).map_err(|e| failed("shmat", id, e))
    }

    /// Where it is, for `/proc/self/maps`.
    pub const fn start(&self) -> u64 {
        self.0
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and no reference into it was ever given out.
        let _ = unsafe { raw::syscall(__NR_shmdt, [self.0, 0, 0, 0, 0, 0]) };
    }
}

fn failed(call: &'static str, id: u32, errno: crate::Errno) -> Error {
    Error::new(call, id as i32, errno)
}
