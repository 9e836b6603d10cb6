//! CRIU's features by name, and how to find out about each.

use super::probe::{self, Probe};
use Probe::{Capability, Exists, Kernel, OneOf, Opens, Says, Try};

/// Something a kernel may have that a dump or a restore may need.
pub struct Feature {
    /// CRIU's name of it.
    pub name: &'static str,
    /// When it is checked without being asked for.
    pub need: Need,
    /// All of these hold where it is there.
    probes: &'static [Probe],
}

/// Which of CRIU's lists a feature is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Checked with `--extra` and `--all`.
    Extra,
    /// Checked with `--experimental` and `--all`.
    Experimental,
    /// Checked by name only.
    Asked,
}

impl Feature {
    /// The feature that CRIU calls `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|feature| feature.name == name)
    }

    /// Why it is not there, if it is not.
    pub fn check(&self) -> Result<(), String> {
        probe::all(self.probes)
    }
}

/// There with CONFIG_CHECKPOINT_RESTORE only.
const CONFIG: Probe = Exists("/proc/sys/kernel/ns_last_pid");

/// What no dump or restore can do without.
pub const REQUIRED: &[(&str, &[Probe])] = &[
    ("CONFIG_CHECKPOINT_RESTORE", &[CONFIG]),
    ("/proc/PID/map_files", &[Exists("/proc/self/map_files")]),
    (
        "PTRACE_SEIZE, PTRACE_PEEKSIGINFO and kcmp",
        &[Kernel(3, 10)],
    ),
    ("process_vm_readv", &[Kernel(3, 2)]),
    ("memfd_create", &[Kernel(3, 17), Try(probe::memfd)]),
    ("pidfd_getfd", &[Kernel(5, 6)]),
    ("socket diagnostics", &[Try(probe::unix_diag)]),
    ("pseudo terminals", &[Opens("/dev/ptmx")]),
];

const fn extra(name: &'static str, probes: &'static [Probe]) -> Feature {
    let need = Need::Extra;
    Feature { name, need, probes }
}

const fn experimental(name: &'static str, probes: &'static [Probe]) -> Feature {
    let need = Need::Experimental;
    Feature { name, need, probes }
}

const fn asked(name: &'static str, probes: &'static [Probe]) -> Feature {
    let need = Need::Asked;
    Feature { name, need, probes }
}

/// `CAP_SYS_ADMIN` (include/uapi/linux/capability.h).
const SYS_ADMIN: Probe = Capability(21, "CAP_SYS_ADMIN");

impl Feature {
    /// Every feature that CRIU 4.2 knows, in its order.
    ///
    /// Where a feature came with a kernel and cannot be configured away, the release is asked;
    /// trying it out would take a child that is traced, or a new namespace.
    pub const ALL: &[Self] = &[
        extra("mnt_id", &[Says("/proc/self/fdinfo/0", "mnt_id:")]),
        extra("mem_dirty_track", &[Try(probe::soft_dirty)]),
        extra(
            "aio_remap",
            &[Kernel(3, 19), Exists("/proc/sys/fs/aio-max-nr")],
        ),
        extra("timerfd", &[Kernel(3, 17), CONFIG, Try(probe::timerfd)]),
        extra("tun", &[Kernel(3, 11), Opens("/dev/net/tun")]),
        asked("tun_ns", &[Kernel(4, 18), Opens("/dev/net/tun")]),
        extra(
            "userns",
            &[Kernel(3, 18), CONFIG, Exists("/proc/self/ns/user")],
        ),
        extra("fdinfo_lock", &[Try(probe::fdinfo_lock)]),
        extra(
            "seccomp_suspend",
            &[Kernel(4, 3), CONFIG, SECCOMP, SYS_ADMIN],
        ),
        extra(
            "seccomp_filters",
            &[Kernel(4, 4), CONFIG, SECCOMP, SYS_ADMIN],
        ),
        extra("loginuid", &[Try(probe::loginuid)]),
        extra("cgroupns", &[Exists("/proc/self/ns/cgroup")]),
        experimental(
            "autofs",
            &[Kernel(4, 1), Says("/proc/filesystems", "autofs")],
        ),
        extra("tcp_half_closed", &[Kernel(4, 10)]),
        experimental(
            "compat_cr",
            &[Kernel(4, 12), CONFIG, Exists("/proc/sys/abi/vsyscall32")],
        ),
        extra("uffd", &[USERFAULTFD]),
        extra("uffd-noncoop", &[Kernel(4, 11), USERFAULTFD]),
        extra("can_map_vdso", &[Kernel(4, 9), CONFIG]),
        extra("sk_ns", &[Kernel(4, 10)]),
        asked("sk_unix_file", &[Kernel(5, 4)]),
        extra("net_diag_raw", &[Try(probe::raw_diag)]),
        asked("nsid", &[Kernel(4, 0), Exists("/proc/self/ns/net")]),
        asked("link_nsid", &[Kernel(4, 20), Exists("/proc/self/ns/net")]),
        extra("kcmp_epoll", &[Kernel(4, 13), Try(probe::kcmp)]),
        extra("timens", &[Exists("/proc/self/ns/time")]),
        asked("external_net_ns", &[]),
        extra("clone3_set_tid", &[Kernel(5, 5)]),
        extra("newifindex", &[Kernel(5, 13)]),
        asked("nftables", &[Try(probe::nftables)]),
        asked("has_ipt_legacy", &[Try(probe::legacy_iptables)]),
        extra("pidfd_store", &[Kernel(5, 6)]),
        extra("ns_pid", &[Says("/proc/self/status", "NSpid:")]),
        asked("apparmor_stacking", &[Says(APPARMOR_STACK, "yes")]),
        extra(
            "network_lock_nftables",
            &[Kernel(5, 6), Try(probe::nftables)],
        ),
        extra("sockopt_buf_lock", &[Kernel(5, 14)]),
        extra("memfd_hugetlb", &[Try(probe::memfd_hugetlb)]),
        extra("move_mount_set_group", &[Kernel(5, 15)]),
        extra("openat2", &[Kernel(5, 6), Try(probe::openat2)]),
        extra("get_rseq_conf", &[Kernel(5, 13), CONFIG]),
        extra("ipv6_freebind", &[Try(probe::ipv6_freebind)]),
        extra(
            "pagemap_scan",
            &[Kernel(6, 7), Exists("/proc/self/pagemap")],
        ),
        extra("timer_cr_ids", &[Kernel(6, 15)]),
        extra("overlayfs_maps", &[Try(probe::overlayfs_maps)]),
        asked("breakpoints", &[Says("/proc/cpuinfo", " de ")]),
        extra(
            "pagemap_scan_guard_pages",
            &[Kernel(6, 15), Exists("/proc/self/pagemap")],
        ),
    ];
}

const SECCOMP: Probe = Exists("/proc/sys/kernel/seccomp/actions_avail");
const USERFAULTFD: Probe = OneOf(&["/dev/userfaultfd", "/proc/sys/vm/unprivileged_userfaultfd"]);
const APPARMOR_STACK: &str = "/sys/kernel/security/apparmor/features/domain/stack";
