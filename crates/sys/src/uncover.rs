//! A mount that others lie over, taken out of a private copy of its mount namespace.
//!
//! In a copy that was made from another user namespace all mounts are locked together
//! (mount_namespaces(7)), and only a process of one thread may go into a user namespace. So this is the
//! work of a child process, which has our descriptors, and goes when we do.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use linux_raw_sys::general::{__NR_clone, __NR_exit_group, CLONE_FILES, CLONE_UNTRACED};
use rustix::fs::CWD;
use rustix::mount::{
    MountPropagationFlags, OpenTreeFlags, UnmountFlags, mount_change, open_tree, unmount,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Signal, WaitOptions, getpid, getppid, set_parent_process_death_signal, waitpid,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Errno, Error, Pid, Result, namespace, raw};

/// `__WALL` (wait(2)): children that send no signal at their end, too.
const WALL: u32 = 0x4000_0000;

/// The calls of the child, as it tells which one failed.
const CALLS: [&str; 6] = ["setns", "prctl", "unshare", "mount", "umount2", "open_tree"];

/// A mount and what to unmount to see it.
#[derive(Debug)]
pub struct Covered<'a> {
    /// A task that it is shown to, for errors.
    pub task: Pid,
    /// The user namespace that owns the mount namespace, if that is not ours.
    pub owner: Option<BorrowedFd<'a>>,
    /// Where to unmount, in this order. What is below goes with it.
    pub covers: &'a [CString],
    /// Where it is.
    pub point: &'a CStr,
}

/// What the child found out.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Report {
    /// Which of [`CALLS`] failed.
    call: u32,
    /// Why, or 0.
    errno: i32,
    /// The descriptor of the clone, if none failed.
    fd: i32,
}

impl Covered<'_> {
    /// Clones the mount, without what is mounted below it. The mount namespace is that of the calling
    /// thread, and is left as it is; in the copy of it nothing is unbindable.
    ///
    /// # Errors
    ///
    /// EINVAL where what is to be unmounted is locked, as it was mounted outside of the user namespace.
    pub fn clone_it(&self) -> Result<OwnedFd> {
        let error = |call, errno| Error::new(call, self.task.get(), errno);
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| error("pipe2", errno))?;
        let parent = getpid();
        let flags = u64::from(CLONE_FILES | CLONE_UNTRACED);
        // SAFETY: without CLONE_VM this is fork(2) with an exit signal of 0. The child makes only system
        // calls; it allocates nothing, takes no lock that another thread may have held, and never returns.
        let pid = unsafe { raw::syscall(__NR_clone, [flags, 0, 0, 0, 0, 0]) };
        let pid = pid.map_err(|errno| error("clone", errno))?;
        if pid == 0 {
            self.child(write.as_fd(), parent);
        }
        let child = rustix::process::Pid::from_raw(pid as i32);
        let options = WaitOptions::from_bits_retain(WALL);
        while let Err(Errno::INTR) = waitpid(child, options) {}
        drop(write);
        let mut report = [0; size_of::<Report>()];
        let length = rustix::io::read(&read, &mut report).map_err(|errno| error("read", errno))?;
        let report: Report = zerocopy::transmute!(report);
        match (length, report.errno) {
            (0, _) => Err(error("clone", Errno::CANCELED)),
            // SAFETY: the child opened it in the table that it had in common with us, for us alone.
            (_, 0) => Ok(unsafe { OwnedFd::from_raw_fd(report.fd) }),
            (_, errno) => {
                let call = CALLS.get(report.call as usize).copied();
                Err(error(
                    call.unwrap_or("clone"),
                    Errno::from_raw_os_error(errno),
                ))
            }
        }
    }

    /// All that the child does.
    fn child(&self, write: BorrowedFd<'_>, parent: rustix::process::Pid) -> ! {
        let report = match self.uncover(parent) {
            Ok(clone) => Report {
                call: 0,
                errno: 0,
                fd: clone.into_raw_fd(),
            },
            Err((call, errno)) => Report {
                call,
                errno: errno.raw_os_error(),
                fd: -1,
            },
        };
        let _ = rustix::io::write(write, report.as_bytes());
        loop {
            // SAFETY: exit_group(2) touches no memory and does not return.
            let _ = unsafe { raw::syscall(__NR_exit_group, [0; 6]) };
        }
    }

    fn uncover(&self, parent: rustix::process::Pid) -> std::result::Result<OwnedFd, (u32, Errno)> {
        let at = |call: u32| move |errno| (call, errno);
        if let Some(owner) = self.owner {
            let user = Some(LinkNameSpaceType::User);
            move_into_link_name_space(owner, user).map_err(at(0))?;
        }
        // Other credentials clear it.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(1))?;
        // Who died before that is not told of any more.
        if getppid() != Some(parent) {
            return Err((1, Errno::SRCH));
        }
        namespace::unshare_mounts().map_err(at(2))?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change(c"/", private).map_err(at(3))?;
        for cover in self.covers {
            let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
            unmount(cover.as_c_str(), flags).map_err(at(4))?;
        }
        // Nobody is asked to mount something there: who would do it may stand still.
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_NO_AUTOMOUNT;
        open_tree(CWD, self.point, flags).map_err(at(5))
    }
}
