//! Killing a dumper without being its tracer: programs in the kernel count its system call stops, and
//! send it a signal at one of them.
//!
//! At the entry of a call the signal comes too late to keep it from being made, unless the call waits for
//! something: the dumper dies at its exit, and what it is killed between is two calls all the same.

mod bpf;
mod program;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};

use rustix::fs::{major, minor, stat};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

use super::killer::{End, shell};
use crate::harness::process;

/// The programs, which run as long as this is not dropped.
pub struct Counter {
    slot: OwnedFd,
    /// Nobody's.
    idle: Slot,
    _attached: [OwnedFd; 3],
}

/// What we and the programs tell each other: the only value of a map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Our pid namespace, by which the pids are meant: the device and inode of its file.
    device: u64,
    inode: u64,
    /// The task that is counted once it has become another program, or 0.
    awaited: u64,
    /// The task whose stops are counted, or 0.
    counted: u64,
    /// How many there were.
    stops: u64,
    /// At which of them it gets a signal.
    point: u64,
    signal: u64,
}

impl Counter {
    /// Loads the programs.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_BPF and CAP_PERFMON, EINVAL before Linux 5.12.
    pub fn load() -> io::Result<Self> {
        let namespace = stat("/proc/self/ns/pid")?;
        let device = namespace.st_dev;
        let idle = Slot {
            // As the kernel writes it inside, not as stat(2) does (include/linux/kdev_t.h).
            device: u64::from(major(device)) << 20 | u64::from(minor(device)),
            inode: namespace.st_ino,
            ..Slot::default()
        };
        let slot = bpf::slot(&idle)?;
        let begin = bpf::load(&program::begin(slot.as_fd()))?;
        let count = bpf::load(&program::count(slot.as_fd()))?;
        let attached = [
            bpf::attach(c"sched_process_exec", &begin)?,
            bpf::attach(c"sys_enter", &count)?,
            bpf::attach(c"sys_exit", &count)?,
        ];
        Ok(Self {
            slot,
            idle,
            _attached: attached,
        })
    }

    /// Runs a dumper, and sends it a signal at a stop.
    pub(super) fn run(&mut self, dumper: &Command, point: usize, signal: Signal) -> End {
        let mut child = shell("kill -s STOP $$", dumper).spawn().expect("sh starts");
        wait_until_stopped(&child);
        self.set(Slot {
            awaited: child.id().into(),
            point: point as u64,
            signal: signal.as_raw() as u64,
            ..self.idle
        });
        process::signal(child.id(), Signal::CONT);
        wait_until_dead(&child);
        let stops = bpf::get(&self.slot).expect("the slot is there").stops as usize;
        // Its pid is somebody else's as soon as its status has been collected.
        self.set(self.idle);
        let status = child.wait().expect("it is our child");
        if stops >= point {
            End::Signalled
        } else {
            let status = std::os::unix::process::ExitStatusExt::into_raw(status);
            End::Finished { stops, status }
        }
    }

    fn set(&self, slot: Slot) {
        bpf::set(&self.slot, &slot).expect("the slot is there");
    }
}

fn wait_until_stopped(child: &Child) {
    let end = waitpid(Some(Pid::from_child(child)), WaitOptions::UNTRACED);
    let (_, status) = end.expect("it is our child").expect("we wait");
    assert!(status.stopped(), "the shell ended: {status:?}");
}

fn wait_until_dead(child: &Child) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), options).expect("it is our child");
}
