//! What signals do to us: rt_sigaction(2).

use linux_raw_sys::general::__NR_rt_sigaction;

use crate::{Error, Result, raw};

/// `SIG_IGN` (sigaction(2)).
const SIG_IGN: u64 = 1;

/// `struct sigaction` as the kernel has it (arch/x86/include/uapi/asm/signal.h).
#[repr(C)]
#[derive(Debug, Default)]
struct Action {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

/// Whether the calling process ignores a signal.
///
/// # Errors
///
/// EINVAL where there is no such signal.
pub fn is_ignored(signal: i32) -> Result<bool> {
    let mut action = Action::default();
    let args = [signal as u64, 0, &raw mut action as u64, 8, 0, 0];
    // SAFETY: with a null pointer to a new action rt_sigaction(2) changes nothing, and writes one `struct sigaction`,
    // whose mask has 8 bytes, to `action`, which is exclusively ours.
    let done = unsafe { raw::syscall(__NR_rt_sigaction, args) };
    let own = std::process::id() as i32;
    done.map_err(|errno| Error::new("rt_sigaction", own, errno))?;
    Ok(action.handler == SIG_IGN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn a_rust_program_ignores_broken_pipes_and_no_ctrl_c() {
        assert!(is_ignored(13).unwrap());
        assert!(!is_ignored(2).unwrap());
        assert_eq!(is_ignored(1000).unwrap_err().errno, Errno::INVAL);
    }
}
