//! The label that a security module gives to a thread (proc_pid_attr(5)).

use std::io::ErrorKind;
use std::path::Path;

use commensal_images::messages::{CredsEntry, LsmType};
use commensal_sys::{Pid, Tid};

use crate::{Error, Result, proc};

/// The security module that labels tasks on this machine.
pub fn module() -> LsmType {
    if Path::new("/sys/kernel/security/apparmor").exists() {
        LsmType::Apparmor
    } else if Path::new("/sys/fs/selinux/enforce").exists() {
        LsmType::Selinux
    } else {
        LsmType::NoLsm
    }
}

/// Puts the labels of a thread into its credentials.
///
/// # Errors
///
/// When the thread is gone.
pub fn fill(creds: &mut CredsEntry, pid: Pid, tid: Tid, module: LsmType) -> Result<()> {
    match module {
        LsmType::NoLsm => {}
        LsmType::Apparmor => {
            let label = match attribute(pid, tid, "apparmor/current")? {
                Some(label) => Some(label),
                None => attribute(pid, tid, "current")?,
            };
            creds.lsm_profile = label.and_then(|label| profile(&label));
        }
        LsmType::Selinux => {
            creds.lsm_profile = attribute(pid, tid, "current")?;
            creds.lsm_sockcreate = attribute(pid, tid, "sockcreate")?;
        }
    }
    Ok(())
}

/// An attribute without the byte that ends it; `None` where it is empty or the
/// kernel has no such file.
fn attribute(pid: Pid, tid: Tid, name: &str) -> Result<Option<Vec<u8>>> {
    let text = match proc::read(pid, &format!("task/{tid}/attr/{name}")) {
        Ok(text) => text,
        Err(Error::Proc { source, .. })
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let end = text.iter().position(|&byte| byte == 0 || byte == b'\n');
    let text = &text[..end.unwrap_or(text.len())];
    Ok((!text.is_empty()).then(|| text.to_vec()))
}

/// The name of an AppArmor profile, without its mode: `NAME (enforce)`; `None`
/// of an unconfined thread.
fn profile(label: &[u8]) -> Option<Vec<u8>> {
    let name = label.split(|&byte| byte == b' ').next()?;
    (name != b"unconfined").then(|| name.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_named_without_its_mode() {
        let named = |label: &str| profile(label.as_bytes());
        assert_eq!(named("unconfined"), None);
        assert_eq!(
            named("/usr/sbin/x (enforce)"),
            Some(b"/usr/sbin/x".to_vec())
        );
        assert_eq!(named("docker-default"), Some(b"docker-default".to_vec()));
    }
}
