//! The kinds of image files: their names, and what each starts with.

use crate::framing::Framing::{self, Common, Inventory, Raw, Service};

/// One row of the table: the name as a printf pattern, and the framing.
struct Row {
    pattern: &'static str,
    framing: Framing,
}

impl Row {
    /// What stands before the number, its radix if there is one, and what stands after it.
    fn split(&self) -> (&'static str, Option<u32>, &'static str) {
        for (conversion, radix) in [("%lu", 10), ("%u", 10), ("%x", 16)] {
            if let Some((prefix, suffix)) = self.pattern.split_once(conversion) {
                return (prefix, Some(radix), suffix);
            }
        }
        (self.pattern, None, "")
    }

    /// The number that `name` has in the place of the conversion.
    fn number(&self, name: &str) -> Option<u64> {
        let (prefix, radix, suffix) = self.split();
        let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
        u64::from_str_radix(digits, radix?).ok()
    }
}

macro_rules! images {
    (
        single { $($(#[$one_doc:meta])* $one:ident = $name:literal, $one_framing:expr;)* }
        numbered { $($(#[$many_doc:meta])* $many:ident($id:ty) = $pattern:literal, $many_framing:expr;)* }
    ) => {
        /// One image file of a set. The number in a name is a pid, a namespace id, or another id
        /// that a message in another image gives.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Image {
            $($(#[$one_doc])* $one,)*
            $($(#[$many_doc])* $many($id),)*
        }

        impl Image {
            fn row(self) -> Row {
                match self {
                    $(Image::$one => Row { pattern: $name, framing: $one_framing },)*
                    $(Image::$many(_) => Row { pattern: $pattern, framing: $many_framing },)*
                }
            }

            fn id(self) -> u64 {
                match self {
                    $(Image::$one => 0,)*
                    $(Image::$many(id) => id.into(),)*
                }
            }

            /// The image that has this file name, if any kind has.
            pub fn from_file_name(name: &str) -> Option<Image> {
                $(if name == $name {
                    return Some(Image::$one);
                })*
                $(let image = Image::$many(0);
                if let Some(id) = image.row().number(name).and_then(|id| <$id>::try_from(id).ok()) {
                    let image = Image::$many(id);
                    // Only the canonical spelling: no sign, no leading zero, no capitals.
                    return (image.file_name() == name).then_some(image);
                })*
                None
            }

            /// Every kind once, a numbered one with the number `id`.
            pub(crate) fn all(id: u32) -> Vec<Image> {
                vec![$(Image::$one,)* $(Image::$many(id.into()),)*]
            }
        }
    };
}

impl Image {
    /// What its file starts with.
    pub fn framing(self) -> Framing {
        self.row().framing
    }

    /// Its file name in the images directory.
    pub fn file_name(self) -> String {
        let (prefix, radix, suffix) = self.row().split();
        match radix {
            None => prefix.to_owned(),
            Some(16) => format!("{prefix}{:x}{suffix}", self.id()),
            Some(_) => format!("{prefix}{}{suffix}", self.id()),
        }
    }

    /// Whether it is written apart from the image set, which is complete without it.
    pub fn is_service(self) -> bool {
        matches!(self.framing(), Framing::Service(_))
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file_name())
    }
}

images! {
    single {
        /// What the whole set is; written last.
        Inventory = "inventory.img", Inventory(0x5831_3116);
        /// Regular files, before [`Image::Files`] took their place.
        RegFiles = "reg-files.img", Common(0x5036_3636);
        /// Files that a plugin saves, before [`Image::Files`].
        ExtFiles = "ext-files.img", Common(0x5925_5641);
        /// Namespace files, before [`Image::Files`].
        NsFiles = "ns-files.img", Common(0x6139_4011);
        /// eventfd(2) files, before [`Image::Files`].
        EventfdFile = "eventfd.img", Common(0x4452_3722);
        /// epoll(7) files, before [`Image::Files`].
        EventpollFile = "eventpoll.img", Common(0x4502_3858);
        /// What epoll files watch, before [`Image::Files`].
        EventpollTfd = "eventpoll-tfd.img", Common(0x4443_3746);
        /// signalfd(2) files, before [`Image::Files`].
        Signalfd = "signalfd.img", Common(0x5732_3820);
        /// inotify(7) files, before [`Image::Files`].
        InotifyFile = "inotify.img", Common(0x4842_4431);
        /// inotify watches, before [`Image::Files`].
        InotifyWd = "inotify-wd.img", Common(0x5456_2009);
        /// fanotify(7) files, before [`Image::Files`].
        FanotifyFile = "fanotify.img", Common(0x5509_6122);
        /// fanotify marks, before [`Image::Files`].
        FanotifyMark = "fanotify-mark.img", Common(0x5650_6035);
        /// Pipe ends, before [`Image::Files`].
        Pipes = "pipes.img", Common(0x5651_3555);
        /// What is in the pipes.
        PipesData = "pipes-data.img", Common(0x5645_3709);
        /// Named pipes, before [`Image::Files`].
        Fifo = "fifo.img", Common(0x5836_4939);
        /// What is in the named pipes.
        FifoData = "fifo-data.img", Common(0x5933_3054);
        /// The tasks, their parents, groups, sessions and threads.
        Pstree = "pstree.img", Common(0x5027_3030);
        /// unix(7) sockets, before [`Image::Files`].
        Unixsk = "unixsk.img", Common(0x5437_3943);
        /// ip(7) and ipv6(7) sockets, before [`Image::Files`].
        Inetsk = "inetsk.img", Common(0x5644_3851);
        /// packet(7) sockets, before [`Image::Files`].
        Packetsk = "packetsk.img", Common(0x6045_4618);
        /// netlink(7) sockets, before [`Image::Files`].
        NetlinkSk = "netlinksk.img", Common(0x5800_5614);
        /// Packets that wait in socket queues.
        SkQueues = "sk-queues.img", Common(0x5626_4026);
        /// Which file stands in for a path that is gone.
        RemapFpath = "remap-fpath.img", Common(0x5913_3954);
        /// The inodes of memfd_create(2).
        MemfdInode = "memfd.img", Common(0x4845_3499);
        /// Registrations in binfmt_misc.
        BinfmtMisc = "binfmt-misc.img", Common(0x6734_3323);
        /// Terminal files, before [`Image::Files`].
        TtyFiles = "tty.img", Common(0x5943_3025);
        /// Terminals.
        TtyInfo = "tty-info.img", Common(0x5945_3036);
        /// What waits in terminal queues.
        TtyData = "tty-data.img", Common(0x5941_3026);
        /// File locks of all tasks.
        FileLocks = "filelocks.img", Common(0x5432_3616);
        /// TUN/TAP files, before [`Image::Files`].
        Tunfile = "tunfile.img", Common(0x5714_3751);
        /// Control groups and their properties.
        Cgroup = "cgroup.img", Common(0x5938_3330);
        /// timerfd_create(2) files, before [`Image::Files`].
        Timerfd = "timerfd.img", Common(0x5049_3712);
        /// What the dumping machine's processor can do.
        Cpuinfo = "cpuinfo.img", Common(0x6140_4013);
        /// seccomp(2) filters of all threads.
        Seccomp = "seccomp.img", Common(0x6441_3049);
        /// Open files of every kind, one entry each.
        Files = "files.img", Common(0x5630_3138);
        /// BPF maps, before [`Image::Files`].
        BpfmapFile = "bpfmap-file.img", Common(0x5750_6142);
        /// Keys and values of BPF maps.
        BpfmapData = "bpfmap-data.img", Common(0x6432_4033);
        /// AppArmor policies.
        Apparmor = "apparmor.img", Common(0x5942_3047);
        /// pidfd_open(2) files, before [`Image::Files`].
        Pidfd = "pidfd.img", Common(0x5443_5556);
        /// Times and counts of the dump.
        StatsDump = "stats-dump", Service(0x5709_3306);
        /// Paths found by inode number, kept between runs.
        IrmapCache = "irmap-cache", Service(0x5700_4059);
    }
    numbered {
        /// The descriptor table with this id (`files_id` of a task).
        Fdinfo(u32) = "fdinfo-%u.img", Common(0x5621_3732);
        /// Which pages of the task with this pid are in which pages image.
        Pagemap(u64) = "pagemap-%lu.img", Common(0x5608_4025);
        /// The same for shared memory, by its `shmid`.
        ShmemPagemap(u64) = "pagemap-shmem-%lu.img", Common(0x5608_4025);
        /// Registers and per-thread state of the thread with this tid.
        Core(u32) = "core-%u.img", Common(0x5505_3847);
        /// Identities of the kernel objects that the task with this pid uses.
        Ids(u32) = "ids-%u.img", Common(0x5443_2030);
        /// The address space of the task with this pid.
        Mm(u32) = "mm-%u.img", Common(0x5749_2820);
        /// Mappings of the task with this pid, before they moved into [`Image::Mm`].
        Vmas(u32) = "vmas-%u.img", Common(0x5412_3737);
        /// Signal actions of the task with this pid, before they moved into [`Image::Core`].
        Sigact(u32) = "sigacts-%u.img", Common(0x5534_4201);
        /// Interval timers of this pid, before they moved into [`Image::Core`].
        Itimers(u32) = "itimers-%u.img", Common(0x5746_4056);
        /// POSIX timers of this pid, before they moved into [`Image::Core`].
        PosixTimers(u32) = "posix-timers-%u.img", Common(0x5260_3957);
        /// Credentials of this pid, before they moved into [`Image::Core`].
        Creds(u32) = "creds-%u.img", Common(0x5402_3547);
        /// The UTS namespace with this id.
        Utsns(u32) = "utsns-%u.img", Common(0x5447_3203);
        /// The limits of the IPC namespace with this id.
        IpcVar(u32) = "ipcns-var-%u.img", Common(0x5311_5007);
        /// System V shared memory of the IPC namespace with this id.
        IpcnsShm(u32) = "ipcns-shm-%u.img", Common(0x4628_3044);
        /// System V message queues of the IPC namespace with this id.
        IpcnsMsg(u32) = "ipcns-msg-%u.img", Common(0x5545_3737);
        /// System V semaphores of the IPC namespace with this id.
        IpcnsSem(u32) = "ipcns-sem-%u.img", Common(0x5957_3019);
        /// Working and root directory of the task with this pid.
        Fs(u32) = "fs-%u.img", Common(0x5140_3912);
        /// A deleted file, by its ghost id.
        GhostFile(u32) = "ghost-file-%x.img", Common(0x5258_3605);
        /// A TCP connection and its queues, by the socket's inode.
        TcpStream(u32) = "tcp-stream-%x.img", Common(0x5146_5506);
        /// Mount points of the mount namespace with this id.
        Mnts(u32) = "mountpoints-%u.img", Common(0x5556_3928);
        /// Network devices of the network namespace with this id.
        Netdev(u32) = "netdev-%u.img", Common(0x5737_3951);
        /// Settings of the network namespace with this id.
        Netns(u32) = "netns-%u.img", Common(0x5593_3752);
        /// Addresses of a network namespace, as `ip addr save` writes them.
        Ifaddr(u32) = "ifaddr-%u.img", Raw;
        /// IPv4 routes of a network namespace, as `ip route save` writes them.
        Route(u32) = "route-%u.img", Raw;
        /// IPv6 routes of a network namespace, as `ip -6 route save` writes them.
        Route6(u32) = "route6-%u.img", Raw;
        /// Routing rules of a network namespace, as `ip rule save` writes them.
        Rule(u32) = "rule-%u.img", Raw;
        /// IPv4 filters of a network namespace, as `iptables-save` writes them.
        Iptables(u32) = "iptables-%u.img", Raw;
        /// IPv6 filters of a network namespace, as `ip6tables-save` writes them.
        Ip6tables(u32) = "ip6tables-%u.img", Raw;
        /// nftables rules of a network namespace, as `nft list ruleset` writes them.
        Nftables(u32) = "nftables-%u.img", Raw;
        /// A tmpfs mount as tar.gz, by mount id.
        TmpfsImg(u32) = "tmpfs-%u.tar.gz.img", Raw;
        /// A tmpfs as tar.gz, by device number.
        TmpfsDev(u32) = "tmpfs-dev-%u.tar.gz.img", Raw;
        /// An autofs mount, by mount id.
        Autofs(u32) = "autofs-%u.img", Common(0x4935_3943);
        /// Resource limits of this pid, before they moved into [`Image::Core`].
        Rlimit(u32) = "rlimit-%u.img", Common(0x5711_3925);
        /// Memory pages, in the order of the pagemap that names this id.
        Pages(u32) = "pages-%u.img", Raw;
        /// Shared pending signals of this pid, before they moved into [`Image::Core`].
        Signal(u32) = "signal-s-%u.img", Common(0x5925_5647);
        /// A thread's pending signals, before they moved into [`Image::Core`].
        Psignal(u32) = "signal-p-%u.img", Common(0x5925_5647);
        /// The user namespace with this id.
        Userns(u32) = "userns-%u.img", Common(0x5547_4906);
        /// Connection tracking of a network namespace, as netlink messages.
        NetnfCt(u32) = "netns-ct-%u.img", Raw;
        /// Expected connections of a network namespace, as netlink messages.
        NetnfExp(u32) = "netns-exp-%u.img", Raw;
        /// The time namespace with this id.
        Timens(u32) = "timens-%u.img", Common(0x4311_4433);
        /// The PID namespace with this id.
        Pidns(u32) = "pidns-%u.img", Common(0x6115_7326);
    }
}

#[cfg(test)]
mod tests;
