//! prctl(2), as far as rustix has it not.

use linux_raw_sys::general::__NR_prctl;

use crate::raw;

/// include/uapi/linux/prctl.h
const PR_GET_MDWE: u64 = 66;

/// Whether our process gives itself no memory that is both writable and executable (`PR_SET_MDWE`,
/// since Linux 6.3; `false` before).
pub fn denies_write_execute() -> bool {
    // SAFETY: PR_GET_MDWE takes no pointer and changes nothing.
    let mdwe = unsafe { raw::syscall(__NR_prctl, [PR_GET_MDWE, 0, 0, 0, 0, 0]) };
    mdwe.is_ok_and(|mdwe| mdwe != 0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Sets it, if the kernel has it, and runs a program.
    const PROGRAM: &str = "
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0:
    os.execv(sys.argv[1], sys.argv[1:])";

    #[test]
    fn what_is_set_is_said() {
        let is_set = "COMMENSAL_TEST_IS_SET";
        if std::env::var_os(is_set).is_some() {
            assert!(denies_write_execute());
            return;
        }
        assert!(!denies_write_execute());
        let test = "prctl::tests::what_is_set_is_said";
        let mut again = Command::new("python3");
        again.args(["-c", PROGRAM]);
        again.arg(std::env::current_exe().unwrap());
        again.args(["--exact", test]).env(is_set, "1");
        assert!(again.status().unwrap().success());
    }
}
