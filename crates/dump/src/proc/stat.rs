//! `/proc/PID/stat`: one line of numbers.

use commensal_sys::Pid;

use super::{path, read, unexpected};
use crate::Result;

/// The fields of `/proc/PID/stat` that a dump asks for; proc_pid_stat(5) says
/// what each is. Addresses are zero without the right to ptrace the task.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Stat {
    /// The thread's name: at most 15 bytes of any value, parentheses and newlines included.
    pub comm: Vec<u8>,
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X` …
    pub state: u8,
    pub ppid: i32,
    pub pgrp: i32,
    pub session: i32,
    /// The controlling terminal, 0 if there is none.
    pub tty_nr: i32,
    /// `PF_*` (include/linux/sched.h): 0x200000 is a kernel thread.
    pub flags: u32,
    pub nice: i32,
    pub num_threads: i32,
    /// Clock ticks after the boot, with the task's time namespace in it.
    pub start_time: u64,
    pub start_code: u64,
    pub end_code: u64,
    pub start_stack: u64,
    pub exit_signal: i32,
    pub start_data: u64,
    pub end_data: u64,
    pub start_brk: u64,
    pub arg_start: u64,
    pub arg_end: u64,
    pub env_start: u64,
    pub env_end: u64,
    /// The wait status (wait(2)).
    pub exit_code: i32,
}

impl Stat {
    /// Reads the stat of a task.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`](crate::Error::Gone) when the task is,
    /// [`Error::Parse`](crate::Error::Parse) for an unexpected text.
    pub fn read(pid: Pid) -> Result<Self> {
        Self::read_from(pid, "stat")
    }

    /// Reads the stat of one thread: `task/TID/stat`.
    ///
    /// # Errors
    ///
    /// As [`Stat::read`].
    pub fn read_from(pid: Pid, name: &str) -> Result<Self> {
        let text = read(pid, name)?;
        Self::parse(&text).ok_or_else(|| unexpected(path(pid, name), &text))
    }

    /// The fields, or `None` where the text is not as proc(5) says.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // The name may hold anything; no number holds a parenthesis.
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let comm = text.get(open + 1..close)?.to_vec();
        let fields = Fields(
            text[close + 1..]
                .split(u8::is_ascii_whitespace)
                .filter(|f| !f.is_empty())
                .collect(),
        );
        Some(Self {
            comm,
            state: *fields.0.first()?.first()?,
            ppid: fields.get(4)?,
            pgrp: fields.get(5)?,
            session: fields.get(6)?,
            tty_nr: fields.get(7)?,
            flags: fields.get(9)?,
            nice: fields.get(19)?,
            num_threads: fields.get(20)?,
            start_time: fields.get(22)?,
            start_code: fields.get(26)?,
            end_code: fields.get(27)?,
            start_stack: fields.get(28)?,
            exit_signal: fields.get(38)?,
            start_data: fields.get(45)?,
            end_data: fields.get(46)?,
            start_brk: fields.get(47)?,
            arg_start: fields.get(48)?,
            arg_end: fields.get(49)?,
            env_start: fields.get(50)?,
            env_end: fields.get(51)?,
            exit_code: fields.get(52)?,
        })
    }
}

/// What follows the name: field 3 of proc_pid_stat(5) comes first.
struct Fields<'a>(Vec<&'a [u8]>);

impl Fields<'_> {
    /// The field with this number of proc_pid_stat(5).
    fn get<T: core::str::FromStr>(&self, number: usize) -> Option<T> {
        let text = self.0.get(number - 3)?;
        core::str::from_utf8(text).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(comm: &[u8]) -> Vec<u8> {
        // Field n has the value n, so that a field out of place is seen.
        let fields: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        [b"77 (", comm, b") S ", fields.join(" ").as_bytes(), b"\n"].concat()
    }

    #[test]
    fn every_field_is_in_its_place() {
        let stat = Stat::parse(&text(b"cat")).expect("as proc(5) says");
        assert_eq!((stat.comm.as_slice(), stat.state), (&b"cat"[..], b'S'));
        assert_eq!((stat.ppid, stat.session, stat.flags), (4, 6, 9));
        assert_eq!((stat.start_time, stat.start_stack), (22, 28));
        assert_eq!((stat.env_end, stat.exit_code), (51, 52));
    }

    #[test]
    fn a_short_text_is_not_parsed() {
        assert_eq!(Stat::parse(b"77 (cat) S 1 2 3"), None);
        assert_eq!(Stat::parse(b"77 )cat( S"), None);
    }

    #[test]
    fn our_own_stat_is_understood() {
        let pid = Pid::new(std::process::id() as i32).expect("a process id is positive");
        let stat = Stat::read(pid).expect("own stat");
        assert_eq!(stat.ppid, std::os::unix::process::parent_id() as i32);
        assert!(stat.arg_start < stat.arg_end);
    }

    proptest! {
        #[test]
        fn a_name_cannot_forge_fields(comm in proptest::collection::vec(any::<u8>(), 0..16)) {
            let stat = Stat::parse(&text(&comm)).expect("as proc(5) says");
            prop_assert_eq!(&stat.comm, &comm);
            prop_assert_eq!(stat.ppid, 4);
        }

        #[test]
        fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Stat::parse(&text);
        }
    }
}
