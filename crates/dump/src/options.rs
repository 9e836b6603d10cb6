//! What the caller of a dump chooses.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use crate::{Cancel, CgroupSelection, External, MountChoices, PreCopy};

/// What happens to the tree once its images are complete.
///
/// A dump that fails always lets the tree run on, whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It runs on as if nothing had happened.
    #[default]
    Resume,
    /// It stays stopped, as SIGSTOP would leave it, until somebody sends SIGCONT.
    Stop,
    /// It is killed with SIGKILL.
    Kill,
}

/// How the packets of saved TCP connections are held back (CRIU's `--network-lock`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkLock {
    /// Rules of iptables: what CRIU's restore takes down when it is told nothing else.
    #[default]
    Iptables,
    /// Rules of nftables.
    Nftables,
    /// The caller has locked the network already.
    Skip,
}

impl NetworkLock {
    /// What is taken where nothing is said. It is looked for once, and late: that takes longer than to
    /// dump a small table of descriptors, and most trees have nothing to lock.
    pub(crate) fn installed() -> Self {
        static INSTALLED: LazyLock<NetworkLock> = LazyLock::new(|| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let mut dirs = std::env::split_paths(&path);
            match dirs.any(|dir| dir.join("iptables-restore").exists()) {
                true => NetworkLock::Iptables,
                false => NetworkLock::Nftables,
            }
        });
        *INSTALLED
    }
}

/// Where a `criu page-server` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageServerAddress {
    /// It listens.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A descriptor of ours is a socket that is connected to it.
    Socket(i32),
}

/// Where to begin saving the control groups of a hierarchy (CRIU's `--cgroup-root`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupRoot {
    /// The hierarchy, as `/proc/PID/cgroup` has it; every one if none.
    pub hierarchy: Option<String>,
    /// The group, from the hierarchy's root.
    pub group: String,
}

impl FromStr for CgroupRoot {
    type Err = &'static str;

    /// `[HIERARCHY:]/GROUP`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let slash = text.find('/').ok_or("it is [CONTROLLER:]/GROUP")?;
        let (hierarchy, group) = text.split_at(slash);
        let hierarchy = match hierarchy {
            "" => None,
            _ => Some(
                hierarchy
                    .strip_suffix(':')
                    .ok_or("it is [CONTROLLER:]/GROUP")?,
            ),
        };
        Ok(Self {
            hierarchy: hierarchy.map(str::to_owned),
            group: group.to_owned(),
        })
    }
}

/// The choices of one dump. Everything but the directory has a default.
///
/// The defaults are those of `commensal dump`; CRIU's differ in `then` (kill),
/// `images_dir_may_be_used` and `accept_loss` (true).
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the images. It is made, with mode 0700, where it does not exist; its
    /// parent must exist.
    pub images_dir: PathBuf,
    /// Whether `images_dir` may hold files before the dump. Images of an earlier dump are then
    /// overwritten, and its inventory is removed first.
    pub images_dir_may_be_used: bool,
    /// Where `stats-dump` goes; `images_dir` if none.
    pub work_dir: Option<PathBuf>,
    /// What happens to the tree afterwards.
    pub then: Then,
    /// How long stopping the tree may take before the dump is given up; no limit if none.
    pub timeout: Option<Duration>,
    /// The directory of a control group whose freezer stops the tree: all tasks of the group
    /// stand still for the dump, and none is born meanwhile. A group that was frozen before is
    /// frozen again afterwards.
    pub freeze_cgroup: Option<PathBuf>,

    /// Dump a session whose leader is outside of the tree, and its terminal.
    pub shell_job: bool,
    /// Dump the file locks (flock, POSIX, leases) of the tree. Only right where no task outside
    /// of the tree holds a lock on the same files.
    pub file_locks: bool,
    /// Give a name to open files that have lost theirs but have other links. The directory of
    /// such a file gets an entry `link_remap.N`.
    pub link_remap: bool,
    /// Save no watch of inotify or fanotify by its file handle alone: a name must be found.
    pub force_irmap: bool,
    /// Directories below which the names of watched inodes are looked for whose handles lead to
    /// none.
    pub irmap_scan_paths: Vec<PathBuf>,
    /// The largest deleted file, in bytes on disk, whose contents go into the images.
    pub ghost_limit: u64,
    /// Save the ELF build id of mapped and open files next to their size, so that a restore can
    /// tell another version of the file.
    pub build_ids: bool,
    /// Use any path to the same device where a device file's own path does not lead to it.
    pub evasive_devices: bool,

    /// Dump established TCP connections.
    pub tcp_established: bool,
    /// Dump TCP connections as closed ones.
    pub tcp_close: bool,
    /// Leave out TCP connections that are not established yet, instead of refusing them.
    pub skip_in_flight: bool,
    /// How packets are held back while a TCP connection is being saved, and afterwards: if nothing is said,
    /// by iptables, which every CRIU's restore knows, where its programs are installed, else by nftables.
    pub network_lock: Option<NetworkLock>,
    /// Save nothing of a network namespace of the tree's own but its connection tracking: the
    /// restore is given one that others fill.
    pub empty_network: bool,
    /// Dump unix sockets whose peer is outside of the tree.
    pub external_unix: bool,

    /// Things that are not dumped because the restore will provide them.
    pub external: Vec<External>,
    /// How the mounts of a mount namespace of the tree's own are saved.
    pub mounts: MountChoices,
    /// Dump which control groups the tasks are in, and those groups.
    pub cgroups: bool,
    /// Groups that are saved with all below them, instead of those that tasks are in.
    pub cgroup_roots: Vec<CgroupRoot>,
    /// Which of their files are saved, and of which hierarchies.
    pub cgroup_selection: CgroupSelection,
    /// A directory with a directory for each hierarchy of control groups, for who may not mount
    /// them: its controllers with commas between, its name, or `unified`.
    pub cgroup_yard: Option<PathBuf>,
    /// Describe the processor, for a restore to compare.
    pub cpu_info: bool,
    /// Dump a task that has a mapping of uprobes; such probes are not restored.
    pub allow_uprobes: bool,
    /// With [`Then::Stop`]: the tree's connections wait for a restore, as CRIU leaves them, and not
    /// for the tree to go on (SIGCONT).
    pub stop_for_restore: bool,
    /// Dump, with a warning, what the images can hold only in part, instead of refusing it, as
    /// CRIU does: eventfds that count as semaphores or beyond 32 bits, urgent data and the senders
    /// of unread datagrams of unix sockets, watches on symbolic links, multicast groups, exclusive
    /// terminals, files whose signals go to a thread, some settings of tun devices, of interfaces and
    /// of network namespaces, extended attributes in a tmpfs, groups without an id in a user
    /// namespace, protection keys of memory. docs/coverage.md has the list.
    pub accept_loss: bool,

    /// Copy most pages while the tree runs, in rounds, into the directories `round-1`,
    /// `round-2`... of `images_dir`; the images refer to them by a link `parent`, as those of
    /// CRIU's incremental dumps do. Needs Linux 6.7.
    pub pre_copy: Option<PreCopy>,
    /// Leave out pages that an earlier dump or [`pre_dump`](crate::pre_dump()) has just so: its
    /// directory, relative to `images_dir`, to which a link `parent` will lead. All memory is
    /// read and compared while the tree stands still: it makes the images smaller, and not the
    /// dump faster. Not with `pre_copy`, whose rounds take its place.
    pub prev_images: Option<PathBuf>,

    /// A server that takes all pages and their pagemaps, which then are not in `images_dir`.
    pub page_server: Option<PageServerAddress>,
    /// Leave the private memory of the tree where it is, out of the images, and give it to one client
    /// (`criu lazy-pages`) when they are complete: the tree stands still until that needs no more.
    /// Here it is the address to listen at. Not with `pre_copy`, `prev_images` or `page_server`.
    pub lazy_pages: Option<PageServerAddress>,
    /// When the images are complete, give back the disk space of pages in those that they build
    /// on, where they have the pages themselves. The earlier images are of no use alone then.
    pub auto_dedup: bool,

    /// Read what the kernel has written down of the tasks, by programs of BPF, where we may: that halves
    /// the time for which a tree stands still. Otherwise each task is asked.
    pub bpf: bool,
    /// Set by the caller to give the dump up at the next step.
    pub cancel: Cancel,
}

impl Options {
    /// The defaults, with images in `images_dir`.
    pub fn new(images_dir: impl Into<PathBuf>) -> Self {
        Self {
            images_dir: images_dir.into(),
            ..Self::default()
        }
    }

    /// The chosen lock, or what there is.
    pub(crate) fn network_lock(&self) -> NetworkLock {
        self.network_lock.unwrap_or_else(NetworkLock::installed)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            images_dir: PathBuf::from("."),
            images_dir_may_be_used: false,
            work_dir: None,
            then: Then::Resume,
            timeout: Some(Duration::from_secs(10)),
            freeze_cgroup: None,
            shell_job: false,
            file_locks: false,
            link_remap: false,
            force_irmap: false,
            irmap_scan_paths: Vec::new(),
            ghost_limit: 1 << 20,
            build_ids: true,
            evasive_devices: false,
            tcp_established: false,
            tcp_close: false,
            skip_in_flight: false,
            network_lock: None,
            empty_network: false,
            external_unix: false,
            external: Vec::new(),
            mounts: MountChoices::default(),
            cgroups: true,
            cgroup_roots: Vec::new(),
            cgroup_selection: CgroupSelection::default(),
            cgroup_yard: None,
            cpu_info: false,
            allow_uprobes: false,
            stop_for_restore: false,
            accept_loss: false,
            pre_copy: None,
            prev_images: None,
            page_server: None,
            lazy_pages: None,
            auto_dedup: false,
            bpf: true,
            cancel: Cancel::default(),
        }
    }
}
