//! Helpers of the benches: processes to bench on.
#![forbid(unsafe_code)]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use commensal_seized::Pid;

/// A child that is killed and reaped at the end.
#[derive(Debug)]
pub struct Target(Child);

impl Target {
    /// `cat`, blocked in a read: about as small as a process gets.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn cat() -> Self {
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let target = Self(child.expect("cat can be started"));
        target.wait_for_read();
        target
    }

    /// A process with this much random data, in pages of 4 KiB; `program` is this package's
    /// `bench-target`.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn memory(program: &Path, mebibytes: u64) -> Self {
        let child = Command::new(program)
            .args(["memory", &mebibytes.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut target = Self(child.expect("the bench's target can be started"));
        let mut ready = [0; b"ready\n".len()];
        let stdout = target.0.stdout.as_mut().expect("it is piped");
        stdout
            .read_exact(&mut ready)
            .expect("the target gets ready");
        target
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// Never: the kernel gives positive ids.
    pub fn pid(&self) -> Pid {
        Pid::new(self.0.id() as i32).expect("ids are positive")
    }

    /// Waits until the process is blocked in read(2) of its standard input.
    fn wait_for_read(&self) {
        let blocked = || {
            std::fs::read_to_string(format!("/proc/{}/syscall", self.0.id()))
                .is_ok_and(|call| call.starts_with("0 0x0 "))
        };
        while !blocked() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // As the tracer we may have reaped it already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
