//! Whether a thread's seccomp filters let it go home.
//!
//! While we live, its filters are suspended (PTRACE_O_SUSPEND_SECCOMP). They
//! apply again the moment that we die, to whatever call the thread is about to
//! make for us and to those of its way home. So before a thread is entered its
//! filters are asked what they would answer.

use commensal_sys::{Errno, Tid, seccomp};

use crate::Error;
use crate::bpf::{self, Data, Instruction};
use crate::status::Seccomp;

/// `AUDIT_ARCH_X86_64` (linux/audit.h).
const ARCH_X86_64: u32 = 0xc000_003e;

/// The part of an answer that says what to do (`SECCOMP_RET_ACTION_FULL`).
const ACTION: u32 = 0xffff_0000;
const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// A call that a thread makes for us: its name, number and first argument,
/// where that is known.
pub type Call = (&'static str, u32, Option<u32>);

/// The calls of the way home, which must succeed.
const HOME: [Call; 3] = [
    ("rt_sigreturn", 15, None),
    ("munmap", 11, None),
    ("close", 3, None),
];

/// A thread's filters, the first installed first.
#[derive(Debug)]
pub(crate) struct Filters {
    tid: Tid,
    programs: Vec<Vec<Instruction>>,
}

impl Filters {
    /// Reads the filters of a stopped thread; `mode` is what /proc said of it.
    ///
    /// # Errors
    ///
    /// [`Error::Seccomp`] where no call is allowed, or we may not know.
    pub(crate) fn read(tid: Tid, mode: Seccomp) -> Result<Self, Error> {
        let mut programs = Vec::new();
        if mode == Seccomp::Strict {
            return refuse(tid, "munmap", "SIGKILL (strict mode)");
        }
        loop {
            match seccomp::filter(tid, programs.len() as u64) {
                Ok(Some(program)) => {
                    programs.push(bpf::parse(&program));
                }
                Ok(None) => break,
                // Not in filter mode.
                Err(error) if error.errno == Errno::INVAL && programs.is_empty() => break,
                Err(error) if error.errno == Errno::ACCESS && mode == Seccomp::Off => break,
                Err(error) if error.errno == Errno::ACCESS => {
                    return refuse(
                        tid,
                        "munmap",
                        "what only CAP_SYS_ADMIN may know, and suspend",
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { tid, programs })
    }

    /// Whether the thread gets home.
    pub(crate) fn check_home(&self) -> Result<(), Error> {
        for call in HOME {
            if !self.let_pass(call) {
                return refuse(self.tid, call.0, "a refusal");
            }
        }
        Ok(())
    }

    /// Whether the thread can make a call.
    pub(crate) fn let_pass(&self, call: Call) -> bool {
        self.always(call, |action| matches!(action, ALLOW | LOG))
    }

    /// Whether the thread survives a call that we would like it to make: to
    /// fail is no harm.
    pub(crate) fn check(&self, call: Call) -> Result<(), Error> {
        let harmless = |action| matches!(action, ALLOW | LOG | ERRNO | TRACE);
        if !self.always(call, harmless) {
            return refuse(self.tid, call.0, "a signal or a supervisor");
        }
        Ok(())
    }

    /// Whether each filter's answers to a call are all good, wherever it is
    /// made from.
    fn always(&self, (_, nr, first): Call, good: impl Fn(u32) -> bool) -> bool {
        let mut data: Data = [None; 16];
        data[0] = Some(nr);
        data[1] = Some(ARCH_X86_64);
        data[4] = first;
        data[5] = first.map(|_| 0);
        self.programs
            .iter()
            .all(|program| bpf::always(program, &data, |answer| good(answer & ACTION)))
    }
}

fn refuse<T>(tid: Tid, call: &'static str, answer: &'static str) -> Result<T, Error> {
    Err(Error::Seccomp { tid, call, answer })
}
