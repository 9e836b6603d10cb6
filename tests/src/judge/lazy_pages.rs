//! `criu lazy-pages`.

use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use tempfile::TempDir;

use super::{Judge, JudgeError, Restored};
use crate::harness::wait_for;

/// What fetches the pages of one restore; killed when dropped.
#[derive(Debug)]
pub struct LazyPages {
    child: Child,
    work: TempDir,
}

impl Judge {
    /// Start what fetches the pages of the dump in `images` from a port of 127.0.0.1; it waits for
    /// the restore.
    pub fn lazy_pages(&self, images: &Path, port: u16) -> LazyPages {
        let work = tempfile::tempdir().expect("a temporary directory");
        let child = self
            .command("usr/sbin/criu")
            .args(["lazy-pages", "--no-default-config", "--page-server"])
            .args(["--address", "127.0.0.1", "--port", &port.to_string()])
            .args(["-v4", "-o", "lazy-pages.log", "--images-dir"])
            .arg(images)
            .arg("--work-dir")
            .arg(work.path())
            .stdin(Stdio::null())
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
