//! What CRIU's options say, with CRIU's defaults.

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use commensal_dump::{External, NetworkLock, Options, PageServerAddress, Then};
use commensal_sys::Pid;

use super::check::Feature;
use super::value::{leading_number, number, path, text};

/// Everything a command needs to know.
pub struct Settings {
    /// `-t`.
    pub tree: Option<Pid>,
    /// What goes to the library as it is; its `images_dir` is `-D`.
    pub dump: Options,
    /// `-o`, relative to the work directory.
    pub log_file: Option<OsString>,
    /// `-v`: 0 to 4 and more.
    pub verbosity: u32,
    /// `--display-stats`.
    pub display_stats: bool,
    /// `--action-script`, each.
    pub scripts: Vec<PathBuf>,
    /// `--unprivileged`.
    pub unprivileged: bool,
    /// `--libdir`.
    pub libdir: Option<PathBuf>,
    /// `--lsm-profile`.
    pub lsm_profile: Option<String>,
    /// `--restore-detached` and `--restore-sibling`.
    pub detached: bool,
    /// See [`Settings::detached`].
    pub sibling: bool,
    /// `--page-server`.
    pub page_server: bool,
    /// `--lazy-pages`.
    pub lazy_pages: bool,
    /// `--status-fd`.
    pub status_fd: Option<i32>,
    /// `--address`.
    pub address: Option<String>,
    /// `--port`.
    pub port: u16,
    /// `--ps-socket`.
    pub page_server_socket: Option<i32>,
    /// `--tls`.
    pub tls: bool,
    /// `--close`: descriptors that we inherited.
    pub close: Vec<u32>,
    /// `--cgroup-props`.
    pub cgroup_props: Option<String>,
    /// `--cgroup-props-file`.
    pub cgroup_props_file: Option<PathBuf>,
    /// Options for `restore` only, which CRIU refuses with other commands.
    pub restore_only: Vec<&'static str>,
    /// `--feature`.
    pub feature: Option<&'static Feature>,
    /// `--extra`.
    pub extra: bool,
    /// `--experimental`.
    pub experimental: bool,
    /// Options that commensal does not support yet, and why.
    pub missing: Vec<(&'static str, &'static str)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tree: None,
            dump: Options {
                then: Then::Kill,
                images_dir_may_be_used: true,
                accept_loss: true,
                stop_for_restore: true,
                network_lock: Some(NetworkLock::Iptables),
                ..Options::new(".")
            },
            log_file: None,
            verbosity: 2,
            display_stats: false,
            scripts: Vec::new(),
            unprivileged: false,
            libdir: None,
            lsm_profile: None,
            detached: false,
            sibling: false,
            page_server: false,
            lazy_pages: false,
            status_fd: None,
            address: None,
            port: 0,
            page_server_socket: None,
            tls: false,
            close: Vec::new(),
            cgroup_props: None,
            cgroup_props_file: None,
            restore_only: Vec::new(),
            feature: None,
            extra: false,
            experimental: false,
            missing: Vec::new(),
        }
    }
}

/// Why a value is wrong.
pub type Invalid = Result<(), String>;

impl Settings {
    pub(super) fn set_tree(&mut self, value: &OsStr) -> Invalid {
        let pid = number(value)?;
        self.tree = Some(Pid::new(pid).ok_or("not a process id")?);
        Ok(())
    }

    /// `-v` raises, `-v4` and `-vvv` set and raise further.
    pub(super) fn set_verbosity(&mut self, value: Option<&OsStr>) -> Invalid {
        match value.map(OsStr::as_encoded_bytes) {
            None | Some([]) => self.verbosity += 1,
            Some(more @ [b'v', ..]) => {
                self.verbosity += u32::try_from(more.len() + 1).unwrap_or(u32::MAX);
            }
            // CRIU reads what is no number as zero, and its test suite relies on it with
            // `-verbosity=0`.
            Some(level) => self.verbosity = leading_number(level),
        }
        Ok(())
    }

    pub(super) fn set_timeout(&mut self, value: &OsStr) -> Invalid {
        let seconds: u32 = number(value)?;
        self.dump.timeout = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        Ok(())
    }

    pub(super) fn set_ghost_limit(&mut self, value: &OsStr) -> Invalid {
        let text = text(value)?;
        let (digits, unit) = match text.char_indices().next_back() {
            Some((at, 'K')) => (&text[..at], 1 << 10),
            Some((at, 'M')) => (&text[..at], 1 << 20),
            Some((at, 'G')) => (&text[..at], 1 << 30),
            _ => (text, 1),
        };
        let count: u64 = number(OsStr::new(digits))?;
        self.dump.ghost_limit = count.checked_mul(unit).ok_or("too large")?;
        Ok(())
    }

    pub(super) fn set_network_lock(&mut self, value: &OsStr) -> Invalid {
        self.dump.network_lock = Some(match text(value)? {
            "iptables" => NetworkLock::Iptables,
            "nftables" => NetworkLock::Nftables,
            "skip" | "none" => NetworkLock::Skip,
            _ => return Err("it is one of iptables, nftables and skip".into()),
        });
        Ok(())
    }

    pub(super) fn set_manage_cgroups(&mut self, value: Option<&OsStr>) -> Invalid {
        // Other modes differ for a restore only.
        self.dump.cgroup_selection.groups = match value.map(text).transpose()?.unwrap_or("soft") {
            "ignore" => false,
            "none" | "props" | "soft" | "full" | "strict" => true,
            _ => return Err("it is one of none, props, soft, full, strict and ignore".into()),
        };
        Ok(())
    }

    /// A list of `cpu`, `fpu`, `ins`, `all` and `none`; `^` turns one around. A dump describes
    /// the processor for all but `none`.
    pub(super) fn set_cpu_cap(&mut self, value: Option<&OsStr>) -> Invalid {
        let mut described = true;
        for word in value.map(text).transpose()?.unwrap_or("all").split(',') {
            let name = word.trim_start_matches('^');
            let inverted = (word.len() - name.len()) % 2 == 1;
            match name {
                "none" => described = inverted,
                "cpu" | "fpu" | "ins" | "all" => described = true,
                _ => return Err("it is a list of cpu, fpu, ins, all and none".into()),
            }
        }
        self.dump.cpu_info = described;
        Ok(())
    }

    pub(super) fn set_empty_namespace(&mut self, value: &OsStr) -> Invalid {
        match text(value)? {
            "net" => self.dump.empty_network = true,
            _ => return Err("it is net".into()),
        }
        Ok(())
    }

    /// Where the pages go, if not into the images directory.
    pub fn page_server(&self) -> Result<Option<PageServerAddress>, String> {
        let missing = "--page-server needs the server's --address";
        let address = || self.server_address(None).ok_or(missing);
        Ok(self.page_server.then(address).transpose()?)
    }

    /// Where the pages can be fetched that stay in the tree, if any do.
    pub fn lazy_pages(&self) -> Option<PageServerAddress> {
        let any = || self.server_address(Some(Ipv4Addr::UNSPECIFIED.to_string()));
        self.lazy_pages.then(any).flatten()
    }

    /// The socket or the address of a server, which is at a `usual` host if none is named.
    fn server_address(&self, usual: Option<String>) -> Option<PageServerAddress> {
        if let Some(socket) = self.page_server_socket {
            return Some(PageServerAddress::Socket(socket));
        }
        Some(PageServerAddress::Tcp {
            host: self.address.clone().or(usual)?,
            port: self.port,
        })
    }

    /// Remembers that an option is to be refused for a reason, or no longer.
    pub(super) fn set_missing(&mut self, long: &'static str, reason: Option<&'static str>) {
        self.missing.retain(|(name, _)| *name != long);
        self.missing.extend(reason.map(|reason| (long, reason)));
    }

    pub(super) fn set_file_validation(&mut self, value: &OsStr) -> Invalid {
        self.dump.build_ids = match text(value)? {
            "buildid" => true,
            "filesize" => false,
            _ => return Err("it is buildid or filesize".into()),
        };
        Ok(())
    }

    pub(super) fn add_external(&mut self, value: &OsStr) -> Invalid {
        let text = text(value)?;
        if let Some(flags) = text.strip_prefix("mnt[]") {
            return self.find_mounts(flags);
        }
        // CRIU takes any text, of which some is for a restore only.
        if !["file[", "tty[", "unix[", "net[", "mnt[", "dev["]
            .iter()
            .any(|kind| text.starts_with(kind))
        {
            return Ok(());
        }
        let external = text.parse().map_err(|error| format!("{error}"))?;
        self.dump.external.push(external);
        Ok(())
    }

    /// `-x` with or without a list of inode numbers.
    pub(super) fn set_external_unix(&mut self, value: Option<&OsStr>) -> Invalid {
        self.dump.external_unix = true;
        for inode in value.map(text).transpose()?.unwrap_or_default().split(',') {
            if !inode.is_empty() {
                let inode = number(OsStr::new(inode))?;
                self.dump.external.push(External::Unix { inode });
            }
        }
        Ok(())
    }

    pub(super) fn set_feature(&mut self, value: &OsStr) -> Invalid {
        let name = text(value)?;
        self.feature = Some(Feature::by_name(name).ok_or("Unknown feature")?);
        Ok(())
    }

    pub(super) fn add_script(&mut self, value: &OsStr) -> Invalid {
        self.scripts.push(path(value)?);
        Ok(())
    }
}
