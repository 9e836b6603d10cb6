//! Ways to find out what a kernel can do, all without privileges of their own and without
//! leaving anything behind.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use commensal_sys::{Pid, kcmp as sys_kcmp};
use rustix::fs::{
    CWD, FlockOperation, MemfdFlags, Mode, OFlags, ResolveFlags, major, makedev, minor,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink, sockopt};
use rustix::time::{TimerfdClockId, TimerfdFlags};

/// One condition of a feature.
#[derive(Clone, Copy)]
pub enum Probe {
    /// The kernel is of this release or a later one.
    Kernel(u32, u32),
    /// There is such a file.
    Exists(&'static str),
    /// There is one of these files.
    OneOf(&'static [&'static str]),
    /// The file can be opened for reading and writing.
    Opens(&'static str),
    /// The file contains the text.
    Says(&'static str, &'static str),
    /// We have the capability of this number.
    Capability(u32, &'static str),
    /// Trying it works.
    Try(fn() -> io::Result<()>),
}

/// Why one of the conditions does not hold.
pub fn all(probes: &[Probe]) -> Result<(), String> {
    probes.iter().try_for_each(|probe| probe.check())
}

impl Probe {
    fn check(self) -> Result<(), String> {
        match self {
            Self::Kernel(major, minor) => match kernel_release() >= (major, minor) {
                true => Ok(()),
                false => Err(format!("it needs Linux {major}.{minor} or newer")),
            },
            Self::Exists(path) => match Path::new(path).exists() {
                true => Ok(()),
                false => Err(format!("there is no {path}")),
            },
            Self::OneOf(paths) => match paths.iter().any(|path| Path::new(path).exists()) {
                true => Ok(()),
                false => Err(format!("there is none of {}", paths.join(", "))),
            },
            Self::Opens(path) => match File::options().read(true).write(true).open(path) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{path}: {error}")),
            },
            Self::Says(path, text) => match fs::read_to_string(path) {
                Ok(content) if content.contains(text) => Ok(()),
                Ok(_) => Err(format!("{path} does not say {text:?}")),
                Err(error) => Err(format!("{path}: {error}")),
            },
            Self::Capability(number, name) => match capabilities() >> number & 1 {
                1 => Ok(()),
                _ => Err(format!("it needs {name}")),
            },
            Self::Try(attempt) => attempt().map_err(|error| error.to_string()),
        }
    }
}

/// The first two numbers of the release; zeros if it has no such form.
fn kernel_release() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    }
}

/// Our effective capabilities, a bit each.
fn capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default()
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what)
}

pub fn memfd() -> io::Result<()> {
    Ok(rustix::fs::memfd_create("probe", MemfdFlags::CLOEXEC).map(drop)?)
}

pub fn memfd_hugetlb() -> io::Result<()> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB;
    Ok(rustix::fs::memfd_create("probe", flags).map(drop)?)
}

pub fn openat2() -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(rustix::fs::openat2(CWD, ".", flags, Mode::empty(), ResolveFlags::empty()).map(drop)?)
}

pub fn ipv6_freebind() -> io::Result<()> {
    let socket = rustix::net::socket(AddressFamily::INET6, SocketType::STREAM, None)?;
    Ok(sockopt::set_ipv6_freebind(socket, true)?)
}

pub fn timerfd() -> io::Result<()> {
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    fdinfo_says(&timer, "ticks:")
}

pub fn fdinfo_lock() -> io::Result<()> {
    let file = rustix::fs::memfd_create("probe", MemfdFlags::CLOEXEC)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    fdinfo_says(&file, "lock:")
}

fn fdinfo_says(fd: impl AsFd, text: &str) -> io::Result<()> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    match fs::read_to_string(path)?.contains(text) {
        true => Ok(()),
        false => Err(missing(&format!("fdinfo does not say {text:?}"))),
    }
}

pub fn kcmp() -> io::Result<()> {
    let own = Pid::new(rustix::process::getpid().as_raw_nonzero().get())
        .ok_or_else(|| missing("no process id"))?;
    match sys_kcmp::tasks(own, own, sys_kcmp::Resource::Files) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.errno.into()),
    }
}

/// Whether a page that was written after `clear_refs` is marked (bit 55 of pagemap(5)).
pub fn soft_dirty() -> io::Result<()> {
    let mut page = vec![0u8; 8192];
    fs::write("/proc/self/clear_refs", "4")?;
    page[4096] = std::hint::black_box(1);
    let number = (std::ptr::from_ref(&page[4096]).addr() / 4096) as u64;
    let mut entry = [0; 8];
    File::open("/proc/self/pagemap")?.read_exact_at(&mut entry, number * 8)?;
    match u64::from_ne_bytes(entry) >> 55 & 1 {
        1 => Ok(()),
        _ => Err(missing("it needs CONFIG_MEM_SOFT_DIRTY")),
    }
}

/// Unsets our own login uid and sets it again, as a restore would have to.
pub fn loginuid() -> io::Result<()> {
    const PATH: &str = "/proc/self/loginuid";
    let own = fs::read(PATH)?;
    let set = |uid: &[u8]| File::options().write(true).open(PATH)?.write_all(uid);
    set(u32::MAX.to_string().as_bytes())?;
    set(&own)
}

/// Whether iptables has a variant for the old interface.
pub fn legacy_iptables() -> io::Result<()> {
    for program in ["iptables-legacy", "iptables"] {
        let Ok(output) = Command::new(program).arg("-V").output() else {
            continue;
        };
        if output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("nf_tables")
        {
            return Ok(());
        }
    }
    Err(missing(
        "no iptables with the legacy interface is installed",
    ))
}

/// Whether files of an overlay have the same device and inode number in maps as in stat(2).
///
/// Our own program tells if it is on an overlay; otherwise Linux 6.17 is known to be right.
pub fn overlayfs_maps() -> io::Result<()> {
    let program = env::current_exe()?;
    if !on_overlay(&program)? {
        return Probe::Kernel(6, 17).check().map_err(io::Error::other);
    }
    let stat = fs::metadata(&program)?;
    let device = makedev(major(stat.dev()), minor(stat.dev()));
    let maps = fs::read_to_string("/proc/self/maps")?;
    let same = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let (Some(dev), Some(inode), Some(path)) = (fields.get(3), fields.get(4), fields.get(5))
        else {
            return false;
        };
        let dev = dev.split_once(':').and_then(|(major, minor)| {
            let number = |text| u32::from_str_radix(text, 16).ok();
            Some(makedev(number(major)?, number(minor)?))
        });
        OsStr::new(path) == program && dev == Some(device) && inode.parse() == Ok(stat.ino())
    };
    match maps.lines().any(same) {
        true => Ok(()),
        false => Err(missing(
            "maps shows other numbers than stat(2) for files of an overlay",
        )),
    }
}

fn on_overlay(path: &Path) -> io::Result<bool> {
    /// `OVERLAYFS_SUPER_MAGIC` (include/uapi/linux/magic.h).
    const OVERLAY: u64 = 0x794c_7630;
    Ok(u64::try_from(rustix::fs::statfs(path)?.f_type).is_ok_and(|magic| magic == OVERLAY))
}

/// `SOCK_DIAG_BY_FAMILY` (include/uapi/linux/sock_diag.h).
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `NLM_F_DUMP` (include/uapi/linux/netlink.h).
const NLM_F_DUMP: u16 = 0x300;

/// Asks for all unix sockets (`struct unix_diag_req`).
pub fn unix_diag() -> io::Result<()> {
    let mut request = [0; 24];
    request[0] = AddressFamily::UNIX.as_raw() as u8;
    request[4..8].fill(0xff);
    ask(
        netlink::SOCK_DIAG,
        SOCK_DIAG_BY_FAMILY,
        NLM_F_DUMP,
        &request,
    )
}

/// Asks for all raw internet sockets (`struct inet_diag_req_v2`).
pub fn raw_diag() -> io::Result<()> {
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let mut request = [0; 56];
        request[0] = family.as_raw() as u8;
        request[1] = rustix::net::ipproto::RAW.as_raw().get() as u8;
        request[4..8].fill(0xff);
        ask(
            netlink::SOCK_DIAG,
            SOCK_DIAG_BY_FAMILY,
            NLM_F_DUMP,
            &request,
        )?;
    }
    Ok(())
}

/// Asks nftables for its generation (`NFT_MSG_GETGEN`), which takes CAP_NET_ADMIN as rules do.
pub fn nftables() -> io::Result<()> {
    const NFT_MSG_GETGEN: u16 = 10 << 8 | 16;
    ask(netlink::NETFILTER, NFT_MSG_GETGEN, 0, &[0; 4])
}

/// Sends one request to the kernel and looks at the head of the answer.
fn ask(protocol: rustix::net::Protocol, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    const NLM_F_REQUEST: u16 = 1;
    const NLMSG_ERROR: u16 = 2;
    const HEADER: usize = 16;
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, Some(protocol))?;
    let length = (HEADER + body.len()) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((flags | NLM_F_REQUEST).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    rustix::net::send(&socket, &message, SendFlags::empty())?;

    let mut answer = [0; HEADER + 4];
    rustix::net::recv(&socket, answer.as_mut_slice(), RecvFlags::empty())?;
    let (header, error) = answer.split_at(HEADER);
    let error = i32::from_ne_bytes(error.try_into().expect("four bytes"));
    match header[4..6] == NLMSG_ERROR.to_ne_bytes() && error != 0 {
        true => Err(io::Error::from_raw_os_error(-error)),
        false => Ok(()),
    }
}
