//! `criu lazy-pages`.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use tempfile::TempDir;

use super::{Judge, JudgeError, Restored};
use crate::harness::wait_for;

/// Where the pages of a dump come from.
#[derive(Debug)]
pub enum PagesFrom {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A socket that is connected to the dump.
    Socket(OwnedFd),
}

/// What fetches the pages of one restore; killed when dropped.
#[derive(Debug)]
pub struct LazyPages {
    child: Child,
    work: TempDir,
}

impl Judge {
    /// Start what fetches the pages of the dump in `images`; it waits for the restore.
    pub fn lazy_pages(&self, images: &Path, from: PagesFrom) -> LazyPages {
        let work = tempfile::tempdir().expect("a temporary directory");
        let mut command = self.command("usr/sbin/criu");
        command.args(["lazy-pages", "--no-default-config", "--page-server"]);
        match from {
            PagesFrom::Port(port) => command
                .args(["--address", "127.0.0.1", "--port", &port.to_string()])
                .stdin(Stdio::null()),
            PagesFrom::Socket(socket) => command.args(["--ps-socket", "0"]).stdin(socket),
        };
        let child = command
            .args(["-v4", "-o", "lazy-pages.log", "--images-dir"])
            .arg(images)
            .arg("--work-dir")
            .arg(work.path())
            .spawn();
        let lazy = LazyPages {
            child: child.expect("the judge starts"),
            work,
        };
        let socket = lazy.work.path().join("lazy-pages.socket");
        wait_for("criu lazy-pages", || socket.exists().then_some(()));
        lazy
    }

    /// Restore a dump of a tree in a pid namespace of its own, which runs before its pages are there.
    pub fn restore_lazily(
        &self,
        images: &Path,
        pages: &LazyPages,
        arguments: &[&str],
    ) -> Result<Restored, JudgeError> {
        let arguments = [&["--lazy-pages"], arguments].concat();
        let places = (images, pages.work.path());
        let criu = self.command("usr/sbin/criu");
        self.restore_at_work(criu, places, &arguments, Stdio::null())
    }

    /// The same of a tree in a mount namespace of its own, [below a mount](Self::restore_below_mount).
    pub fn restore_lazily_below_mount(
        &self,
        images: &Path,
        pages: &LazyPages,
    ) -> Result<Restored, JudgeError> {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (criu, root) = self.criu_below_mount(root.path());
        let places = (images, pages.work.path());
        let arguments = ["--lazy-pages", "--root", &root];
        self.restore_at_work(criu, places, &arguments, Stdio::null())
    }
}

impl LazyPages {
    /// Wait until all pages are there.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

impl Drop for LazyPages {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
