//! Writes that no page table sees.
//!
//! A device writes into pages that the kernel has pinned for it, past their
//! write protection: a page that is protected and copied while a read with
//! `O_DIRECT` into it is under way (open(2), io_submit(2)) would be taken for
//! unchanged. The memory of a task that may do that is copied while it stands
//! still, when such reads are over.

use commensal_sys::Pid;

use crate::{Result, proc};

/// `O_DIRECT` (asm-generic/fcntl.h), in the flags of fdinfo (proc_pid_fdinfo(5)).
const O_DIRECT: u32 = 0o40000;

/// Whether a descriptor of the task is open with `O_DIRECT`.
///
/// # Errors
///
/// [`Error::Gone`](crate::Error::Gone) when the task is.
pub fn may_be_under_way(pid: Pid) -> Result<bool> {
    let dir = proc::path(pid, "fdinfo");
    let entries = std::fs::read_dir(&dir).map_err(|error| proc::error(pid, dir, error))?;
    let direct = |entry: std::fs::DirEntry| {
        // One that was closed meanwhile has nothing under way.
        let text = std::fs::read(entry.path()).unwrap_or_default();
        flags(&text).is_some_and(|flags| flags & O_DIRECT != 0)
    };
    Ok(entries.flatten().any(direct))
}

fn flags(fdinfo: &[u8]) -> Option<u32> {
    let mut lines = fdinfo.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"flags:"))?;
    let text = core::str::from_utf8(value).ok()?;
    u32::from_str_radix(text.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn a_file_opened_past_the_cache_is_found() {
        let this_task = Pid::new(std::process::id() as i32).expect("a process id is positive");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("data");
        std::fs::write(&path, "data").expect("a file");
        let open = |flags: u32| {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).custom_flags(flags as i32).open(&path)
        };
        let text = |file: &std::fs::File| {
            use std::os::fd::AsRawFd;
            let path = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
            flags(&std::fs::read(path).expect("own fdinfo")).expect("has flags")
        };
        let plain = open(0).expect("the file");
        assert_eq!(text(&plain) & O_DIRECT, 0);
        // A file system may be without it.
        if let Ok(direct) = open(O_DIRECT) {
            assert_eq!(text(&direct) & O_DIRECT, O_DIRECT);
            assert!(may_be_under_way(this_task).expect("own descriptors"));
        }
    }
}
