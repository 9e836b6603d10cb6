//! What CRIU's command line says of mounts.

use std::ffi::OsStr;

use commensal_dump::External;

use super::settings::{Invalid, Settings};
use super::value::text;

impl Settings {
    /// `MOUNTPOINT:NAME` or `auto`.
    pub(super) fn add_mount(&mut self, value: &OsStr) -> Invalid {
        match text(value)? {
            "auto" => self.dump.mounts.find_external = true,
            map => {
                let (point, name) = map.split_once(':').ok_or("it is MOUNTPOINT:NAME or auto")?;
                self.dump.external.push(External::Mount {
                    point: point.into(),
                    name: name.into(),
                });
            }
        }
        Ok(())
    }

    /// `mnt[]`, with `:m` for slaves, `:s` for shared mounts or `:ms` for both behind it.
    pub(super) fn find_mounts(&mut self, flags: &str) -> Invalid {
        let mounts = &mut self.dump.mounts;
        for flag in flags.strip_prefix(':').unwrap_or(flags).chars() {
            match flag {
                'm' => mounts.external_masters = true,
                's' => mounts.external_sharing = true,
                _ => return Err("mnt[] takes m and s".into()),
            }
        }
        mounts.find_external = true;
        Ok(())
    }

    /// A mount point that is left out.
    pub(super) fn skip_mount(&mut self, value: &OsStr) -> Invalid {
        self.dump.mounts.skip.push(text(value)?.to_owned());
        Ok(())
    }

    /// A list of file systems, or `all`.
    pub(super) fn allow_file_systems(&mut self, value: &OsStr) -> Invalid {
        let names = text(value)?.split(',').map(str::to_owned);
        self.dump.mounts.file_systems.extend(names);
        Ok(())
    }
}
