//! What a system call that our stop interrupted resumes as.
//!
//! A thread that is stopped in a call has `orig_rax >= 0` and an internal
//! error in rax. Let go from an event stop with all registers as they were,
//! the kernel restarts the call by itself (`arch_do_signal_or_restart`,
//! arch/x86/kernel/signal.c), a timed one with the time that is left. Two
//! cases need more:
//!
//! - a call that returns EINTR on any stop is given the error of one that the
//!   kernel restarts if no handler runs: should a signal be on its way, the
//!   program sees EINTR as it would without us, and not otherwise;
//! - by rt_sigreturn(2), or from an image, or where a seccomp filter forbids
//!   restart_syscall(2), every interrupted call is made
//!   again, a timed one with its full time: that is late, but no error.

use commensal_sys::{NO_SYSCALL, Pid, Registers, RemoteAddr, Tid, process_vm, ptrace};

use crate::seccomp::Call;

const EINTR: i64 = 4;
/// include/linux/errno.h: restart always, unless SA_RESTART is off, if no
/// handler ran, and through the restart block.
const ERESTARTSYS: i64 = 512;
const ERESTARTNOINTR: i64 = 513;
const ERESTARTNOHAND: i64 = 514;
const ERESTART_RESTARTBLOCK: i64 = 516;

const RESTART_SYSCALL: u64 = 219;

/// The kernel's own call, by which a timed call goes on with the time left.
pub(crate) const RESTART: Call = ("restart_syscall", RESTART_SYSCALL as u32, None);

/// The length of the `syscall` instruction, in bytes.
const SYSCALL_LEN: u64 = 2;

/// Calls that answer any stop with EINTR although nothing happened yet
/// (signal(7), "Interruption of system calls and library functions by stop
/// signals", and socket calls with a timeout): made again, they are where they
/// were. A finite timeout starts anew.
const EINTR_CALLS: [u64; 26] = [
    0,   // read
    1,   // write
    19,  // readv
    20,  // writev
    42,  // connect
    43,  // accept
    44,  // sendto
    45,  // recvfrom
    46,  // sendmsg
    47,  // recvmsg
    65,  // semop
    128, // rt_sigtimedwait
    208, // io_getevents
    220, // semtimedop
    232, // epoll_wait
    281, // epoll_pwait
    288, // accept4
    295, // preadv
    296, // pwritev
    299, // recvmmsg
    307, // sendmmsg
    327, // preadv2
    328, // pwritev2
    333, // io_pgetevents
    426, // io_uring_enter
    441, // epoll_pwait2
];

/// Calls that restart through the restart block (grep `restart_block.fn`):
/// poll, nanosleep, futex, clock_nanosleep.
const RESTART_BLOCK_CALLS: [u64; 4] = [7, 35, 202, 230];

/// The registers to put back for letting go from an event stop.
pub(crate) fn landing(raw: &Registers) -> Registers {
    match (raw.syscall(), raw.rax as i64) {
        (Some(nr), error) if error == -EINTR && EINTR_CALLS.contains(&nr) => Registers {
            rax: -ERESTARTNOHAND as u64,
            ..*raw
        },
        _ => *raw,
    }
}

/// Puts the registers of a thread right that stands still for the calling thread, and is to be let go
/// at once; `filtered` if seccomp filters may decide on its calls. It allocates nothing, so that it
/// can be what a [caretaker](commensal_sys::caretaker) does if we die.
pub(crate) fn put_right(tid: Tid, filtered: bool) {
    // Of a thread that is gone there is nothing to put right.
    let Ok(raw) = ptrace::registers(tid) else {
        return;
    };
    let right = match raw.syscall() {
        Some(nr) if filtered && needs_restart_syscall(&raw) => again(&raw, nr),
        _ => landing(&raw),
    };
    if right != raw {
        let _ = ptrace::set_registers(tid, &right);
    }
}

/// Whether a thread that is let go makes restart_syscall(2), and did not
/// before: one that was in it is allowed to.
pub(crate) fn needs_restart_syscall(raw: &Registers) -> bool {
    let restarts = raw.rax as i64 == -ERESTART_RESTARTBLOCK;
    restarts && raw.syscall().is_some_and(|nr| nr != RESTART_SYSCALL)
}

/// The registers to resume with by rt_sigreturn(2) or from an image.
pub(crate) fn resume(pid: Pid, landing: &Registers) -> Registers {
    let Some(nr) = landing.syscall() else {
        return *landing;
    };
    match (landing.rax as i64).wrapping_neg() {
        ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => again(landing, nr),
        ERESTART_RESTARTBLOCK if nr != RESTART_SYSCALL => again(landing, nr),
        ERESTART_RESTARTBLOCK => match restarted_call(pid, landing) {
            Some(nr) => again(landing, nr),
            None => Registers {
                rax: -EINTR as u64,
                orig_rax: NO_SYSCALL,
                ..*landing
            },
        },
        _ => Registers {
            orig_rax: NO_SYSCALL,
            ..*landing
        },
    }
}

/// The registers in front of the `syscall` instruction.
fn again(regs: &Registers, nr: u64) -> Registers {
    Registers {
        rax: nr,
        rip: regs.rip.wrapping_sub(SYSCALL_LEN),
        orig_rax: NO_SYSCALL,
        ..*regs
    }
}

/// Which call restart_syscall(2) stands for: the kernel does not tell, but the
/// code in front does where it is `mov $nr, %eax; syscall`, as compilers and C
/// libraries write it.
fn restarted_call(pid: Pid, regs: &Registers) -> Option<u64> {
    let mut code = [0u8; 7];
    let start = RemoteAddr::new(regs.rip.checked_sub(code.len() as u64)?);
    process_vm::read(pid, start, &mut code).ok()?;
    match code {
        [0xb8, a, b, c, d, 0x0f, 0x05] => Some(u64::from(u32::from_le_bytes([a, b, c, d])))
            .filter(|nr| RESTART_BLOCK_CALLS.contains(nr)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(nr: u64, error: i64) -> Registers {
        Registers {
            orig_rax: nr,
            rax: -error as u64,
            rip: 0x1002,
            rdi: 7,
            ..Registers::default()
        }
    }

    #[test]
    fn the_kernel_restarts_what_it_can() {
        for error in [ERESTARTSYS, ERESTART_RESTARTBLOCK] {
            let raw = stopped(35, error);
            assert_eq!(landing(&raw), raw);
        }
    }

    #[test]
    fn an_epoll_wait_restarts_unless_a_handler_runs_but_a_finished_close_does_not() {
        let restarts = landing(&stopped(232, EINTR));
        assert_eq!(restarts.rax as i64, -ERESTARTNOHAND);
        assert_eq!((restarts.rip, restarts.syscall()), (0x1002, Some(232)));
        let close = stopped(3, EINTR);
        assert_eq!(landing(&close), close);
    }

    #[test]
    fn an_image_has_no_restart_left_to_the_kernel() {
        let pid = Pid::new(std::process::id() as i32).unwrap();
        let again = resume(pid, &stopped(35, ERESTART_RESTARTBLOCK));
        assert_eq!((again.rip, again.rax, again.rdi), (0x1000, 35, 7));
        let done = resume(pid, &stopped(0, -5));
        assert_eq!((done.rip, done.rax, done.syscall()), (0x1002, 5, None));
    }
}
