//! `/proc/PID/status`: what a task or thread is, and its credentials.

use commensal_sys::{Pid, Tid};

use super::{path, read, unexpected};
use crate::Result;
use crate::userns::{Gid, Uid};

/// What `status` says of a task (its leader) or of a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The name of the task or thread: up to 15 bytes that it chose itself.
    pub comm: Vec<u8>,
    /// The state's letter: `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`.
    pub state: u8,
    /// The thread group; `None` only in the default value.
    pub tgid: Option<Pid>,
    /// The parent; `None` where it is outside of our pid namespace, or none.
    pub ppid: Option<Pid>,
    /// Who traces it.
    pub tracer: Option<Pid>,
    /// Real, effective, saved and file system user.
    pub uid: [Uid; 4],
    /// Real, effective, saved and file system group.
    pub gid: [Gid; 4],
    /// Supplementary groups.
    pub groups: Vec<Gid>,
    /// In how many nested pid namespaces it is.
    pub pid_namespaces: usize,
    /// What it is called in the innermost of them.
    pub inside: Inside,
    /// The process group, and 0 where its leader is in no namespace of ours.
    pub pgid: i32,
    /// The session, with the same meaning of 0.
    pub sid: i32,
    /// Whether it is a kernel thread; `None` before Linux 6.8, which does not tell.
    pub kernel_thread: Option<bool>,
    /// Whether it is writing a core file.
    pub core_dumping: bool,
    /// How many numbers its descriptor table has room for.
    pub fd_size: u32,
    /// The file mode mask; 0 of a zombie.
    pub umask: u32,
    /// The signals that are pending for the thread, bit n for signal n + 1.
    pub pending: u64,
    /// Those that are pending for the whole task.
    pub shared_pending: u64,
    /// The signals that are ignored (`SIG_IGN`).
    pub ignored: u64,
    /// Those that have a handler.
    pub caught: u64,
    /// Inheritable capabilities, bit n for capability n.
    pub cap_inheritable: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Effective capabilities.
    pub cap_effective: u64,
    /// The bounding set.
    pub cap_bounding: u64,
    /// Ambient capabilities.
    pub cap_ambient: u64,
    /// PR_GET_NO_NEW_PRIVS.
    pub no_new_privs: bool,
    /// The seccomp mode: 0 none, 1 strict, 2 filter.
    pub seccomp: u32,
    /// What is said of speculation (prctl(2), PR_SET_SPECULATION_CTRL), for people: a line for each kind.
    pub speculation: Vec<String>,
    /// What PR_GET_THP_DISABLE gives (since Linux 5.0; `false` before).
    pub huge_pages_are_disabled: bool,
}

/// The ids of a task or thread in the innermost of its pid namespaces; 0 for what is outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Of the thread that the status is of.
    pub pid: i32,
    /// Of its process group.
    pub pgid: i32,
    /// Of its session.
    pub sid: i32,
}

impl Status {
    /// The status of the task's leader.
    ///
    /// # Errors
    ///
    /// As [`read`], and when the text has another form than proc(5) gives.
    pub fn of_task(pid: Pid) -> Result<Self> {
        Self::from_file(pid, "status")
    }

    /// The status of one thread of a task.
    ///
    /// # Errors
    ///
    /// As [`Status::of_task`].
    pub fn of_thread(pid: Pid, tid: Tid) -> Result<Self> {
        Self::from_file(pid, &format!("task/{tid}/status"))
    }

    fn from_file(pid: Pid, name: &str) -> Result<Self> {
        let text = read(pid, name)?;
        Self::parse(&text).map_err(|line| unexpected(path(pid, name), line))
    }

    /// Takes the text apart; an error is the line that is not understood.
    pub fn parse(text: &[u8]) -> Result<Self, &[u8]> {
        let mut status = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            status.line(line).ok_or(line)?;
        }
        match status.tgid {
            Some(_) => Ok(status),
            None => Err(text),
        }
    }

    /// One line; `None` where its value is not as proc(5) says.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return line.is_empty().then_some(());
        };
        let (key, value) = (&line[..colon], &line[colon + 1..]);
        // The only value that is not ASCII.
        if key == b"Name" {
            self.comm = unescape(value.strip_prefix(b"\t")?);
            return Some(());
        }
        let value = str::from_utf8(value).ok()?.trim();
        match key {
            b"State" => self.state = *value.as_bytes().first()?,
            b"Tgid" => self.tgid = Some(Pid::new(value.parse().ok()?)?),
            b"PPid" => self.ppid = Pid::new(value.parse().ok()?),
            b"TracerPid" => self.tracer = Pid::new(value.parse().ok()?),
            b"Uid" => self.uid = four(value)?.map(Uid::told),
            b"Gid" => self.gid = four(value)?.map(Gid::told),
            b"Groups" => self.groups = numbers(value)?.into_iter().map(Gid::told).collect(),
            b"NSpid" => {
                self.pid_namespaces = value.split_whitespace().count();
                self.inside.pid = innermost(value)?;
            }
            b"NSpgid" => (self.pgid, self.inside.pgid) = (outermost(value)?, innermost(value)?),
            b"NSsid" => (self.sid, self.inside.sid) = (outermost(value)?, innermost(value)?),
            b"Kthread" => self.kernel_thread = Some(value == "1"),
            b"CoreDumping" => self.core_dumping = value == "1",
            b"FDSize" => self.fd_size = value.parse().ok()?,
            b"Umask" => self.umask = u32::from_str_radix(value, 8).ok()?,
            b"SigPnd" => self.pending = set(value)?,
            b"ShdPnd" => self.shared_pending = set(value)?,
            b"SigIgn" => self.ignored = set(value)?,
            b"SigCgt" => self.caught = set(value)?,
            b"CapInh" => self.cap_inheritable = set(value)?,
            b"CapPrm" => self.cap_permitted = set(value)?,
            b"CapEff" => self.cap_effective = set(value)?,
            b"CapBnd" => self.cap_bounding = set(value)?,
            b"CapAmb" => self.cap_ambient = set(value)?,
            b"NoNewPrivs" => self.no_new_privs = value == "1",
            b"Seccomp" => self.seccomp = value.parse().ok()?,
            _ if key.starts_with(b"Speculation") => {
                let key = str::from_utf8(key).ok()?;
                self.speculation.push(format!("{key}: {value}"));
            }
            b"THP_enabled" => self.huge_pages_are_disabled = value == "0",
            _ => {}
        }
        Some(())
    }
}

fn numbers(value: &str) -> Option<Vec<u32>> {
    value
        .split_whitespace()
        .map(|number| number.parse().ok())
        .collect()
}

fn four(value: &str) -> Option<[u32; 4]> {
    numbers(value)?.try_into().ok()
}

/// The first of one id for each nested namespace: the one in the namespace of
/// the /proc that is read.
fn outermost(value: &str) -> Option<i32> {
    value.split_whitespace().next()?.parse().ok()
}

fn innermost(value: &str) -> Option<i32> {
    value.split_whitespace().last()?.parse().ok()
}

fn set(value: &str) -> Option<u64> {
    u64::from_str_radix(value, 16).ok()
}

/// The kernel writes a newline and a backslash in a name as `\n` and `\\` (fs/proc/array.c).
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(&other) => other,
                None => byte,
            },
            _ => byte,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"Name:\ta\\nb\\\\\xff\nUmask:\t0027\nState:\tS (sleeping)\nTgid:\t7\nPid:\t9\n\
        PPid:\t1\nTracerPid:\t0\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t4 24 \n\
        NSpid:\t9\t2\nNSpgid:\t7\t1\nNSsid:\t3\t0\nKthread:\t0\n\
        SigPnd:\t0000000000000001\nShdPnd:\t0000000000040000\nCapInh:\t0000000000000001\n\
        CapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n\
        THP_enabled:\t0\n";

    #[test]
    fn every_line_is_understood() {
        let status = Status::parse(TEXT).unwrap();
        assert_eq!(status.comm, b"a\nb\\\xff");
        assert_eq!(status.state, b'S');
        assert_eq!(status.tgid, Pid::new(7));
        assert_eq!(status.ppid, Pid::new(1));
        assert_eq!(status.tracer, None);
        assert_eq!(status.umask, 0o27);
        assert_eq!(status.uid, [1, 2, 3, 4].map(Uid::told));
        assert_eq!(status.gid, [5, 6, 7, 8].map(Gid::told));
        assert_eq!(status.groups, [4, 24].map(Gid::told));
        assert_eq!(status.pid_namespaces, 2);
        assert_eq!((status.pgid, status.sid), (7, 3));
        let inside = Inside {
            pid: 2,
            pgid: 1,
            sid: 0,
        };
        assert_eq!(status.inside, inside);
        assert_eq!((status.pending, status.shared_pending), (1, 1 << 18));
        assert_eq!(status.cap_inheritable, 1);
        assert_eq!(status.cap_bounding, (1 << 41) - 1);
        assert!(status.no_new_privs);
        assert_eq!(status.kernel_thread, Some(false));
        assert_eq!(status.seccomp, 2);
        assert!(status.huge_pages_are_disabled);
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        assert_eq!(Status::parse(b"Tgid:\t-1\n"), Err(&b"Tgid:\t-1"[..]));
        assert_eq!(Status::parse(b"Uid:\t1\t2\n"), Err(&b"Uid:\t1\t2"[..]));
        assert_eq!(Status::parse(b"rubbish"), Err(&b"rubbish"[..]));
        assert!(Status::parse(b"Name:\tx\n").is_err());
    }

    #[test]
    fn we_know_ourselves() {
        let own = Pid::new(std::process::id() as i32).unwrap();
        let status = Status::of_task(own).unwrap();
        assert_eq!(status.tgid, Some(own));
        assert_eq!(status.uid[0], Uid::told(rustix::process::getuid().as_raw()));
        // Not getsid(2) of rustix: it panics where the session's leader lives
        // outside of our pid namespace, which the kernel tells as 0.
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let after_comm = stat.rsplit_once(')').unwrap().1;
        let session = after_comm.split_ascii_whitespace().nth(3).unwrap();
        assert_eq!(status.sid.to_string(), session);
    }
}
