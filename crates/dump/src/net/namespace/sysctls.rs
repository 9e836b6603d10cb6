//! The settings of a network namespace that the images have no place for: all but those of
//! `settings`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use commensal_seized::later;

use super::fresh;

const ROOT: &str = "/proc/sys/net";

/// What is in the images, is another name of what is, or is chosen at random.
const LEFT_OUT: [&str; 8] = [
    "ipv4/conf",
    "ipv6/conf",
    "ipv4/ip_forward",
    "ipv4/ping_group_range",
    "unix/max_dgram_qlen",
    "ipv4/tcp_fastopen_key",
    // Those of one interface; a new namespace has only the loopback one's.
    "ipv4/neigh",
    "ipv6/neigh",
];

type Values = BTreeMap<String, String>;

/// Warns of the settings of our thread's namespace that are not those of a new one, and so are
/// not what a restore would give it.
pub fn warn() {
    let here = read().unwrap_or_default();
    let usual = match fresh::inside(read) {
        Ok(usual) => usual,
        Err(error) => {
            later(move || tracing::warn!("settings of the network namespace may be lost: {error}"));
            return;
        }
    };
    let set = here.iter().filter(|(name, value)| {
        let other = usual.get(*name);
        other.is_some_and(|other| other != *value)
    });
    let set: Vec<String> = set.map(|(name, value)| format!("{name}={value}")).collect();
    let set = set.join(", ");
    if !set.is_empty() {
        later(move || {
            tracing::warn!(
                "the images have no place for these settings of the network namespace; the restore \
                 must set them again (--action-script): {set}"
            )
        });
    }
}

/// All that can be set, by their names as sysctl(8) has them.
fn read() -> io::Result<Values> {
    let mut values = Values::new();
    collect(Path::new(ROOT), "", &mut values)?;
    Ok(values)
}

fn collect(folder: &Path, below: &str, values: &mut Values) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{name}/"), values)?;
        } else if metadata.permissions().mode() & 0o600 == 0o600
            // What cannot be read is no setting but a switch.
            && let Ok(value) = fs::read_to_string(entry.path())
        {
            let name = format!("net.{}", name.replace('/', "."));
            let words: Vec<_> = value.split_whitespace().collect();
            values.insert(name, words.join(" "));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_names_of_sysctl() {
        let values = read().unwrap();
        assert!(values.contains_key("net.core.somaxconn"));
        assert!(values.keys().all(|name| !name.contains(".conf.")));
    }
}
