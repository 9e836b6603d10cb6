//! The files of a control group that are saved: its settings, not its state.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use commensal_images::messages::{CgroupPerms, CgroupPropEntry};

/// Who is in a group: only its permissions are saved.
const MEMBERS: [&str; 2] = ["cgroup.procs", "tasks"];

/// The longest value of a setting, in bytes.
const VALUE_LEN: u64 = 4096;

/// Some files of one group.
///
/// # Errors
///
/// When a file is there and cannot be read.
pub fn read(group: &Path, names: &[&str]) -> io::Result<Vec<CgroupPropEntry>> {
    let mut entries = Vec::new();
    for name in names {
        match property(group, name) {
            Ok(entry) => entries.push(entry),
            // Not every kernel has every setting.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

fn property(group: &Path, name: &str) -> io::Result<CgroupPropEntry> {
    let path = group.join(name);
    let meta = fs::metadata(&path)?;
    let value = match MEMBERS.contains(&name) {
        true => Vec::new(),
        false => value(&path, name)?,
    };
    Ok(CgroupPropEntry {
        name: name.into(),
        value,
        perms: Some(permissions(&meta)),
    })
}

/// Owner and mode of a file or directory.
pub fn permissions(meta: &fs::Metadata) -> CgroupPerms {
    CgroupPerms {
        mode: meta.mode(),
        uid: meta.uid(),
        gid: meta.gid(),
    }
}

/// A setting as it has to be written to set it.
fn value(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    File::open(path)?.take(VALUE_LEN).read_to_end(&mut value)?;
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    Ok(as_written(name, value))
}

fn as_written(name: &str, value: Vec<u8>) -> Vec<u8> {
    let text = str::from_utf8(&value).unwrap_or_default();
    if name == "memory.oom_control" {
        // It reads as several lines, `oom_kill_disable 0` first, and takes the number.
        let first = text.lines().next().unwrap_or_default();
        return first.trim_start_matches("oom_kill_disable ").into();
    }
    // A limit beyond all memory reads as a number that cannot be written.
    match text.parse::<i64>() {
        Ok(i64::MAX) => b"-1".to_vec(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_they_are_written() {
        let written = |name, value: &str| as_written(name, value.into());
        let control = "oom_kill_disable 1\nunder_oom 0";
        assert_eq!(written("memory.oom_control", control), b"1");
        let endless = "9223372036854775807";
        assert_eq!(written("memory.limit_in_bytes", endless), b"-1");
        assert_eq!(written("pids.max", "max"), b"max");
    }
}
