//! A dump that leaves the memory in the target until it was fetched: it is killed while it gives pages,
//! too.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Subject;
use crate::harness::pages::{self, PageClient};
use crate::harness::paths;

/// The dumps of a sweep, and who fetches the pages of the present one.
#[derive(Default)]
pub struct LazyDump(RefCell<Option<Client>>);

impl LazyDump {
    /// The command of the next one. All pages are fetched, one at a time; the target runs on.
    ///
    /// # Panics
    ///
    /// Where there is no room for images.
    pub fn of(&self, target: &Subject) -> Command {
        // What was fetched from the dump before is not needed any more.
        drop(self.0.take());
        let images = target.images();
        fs::create_dir(&images).expect("a new directory");
        let mut command = Command::new(paths::commensal());
        command
            .args(["criu", "dump", "--no-default-config", "--lazy-pages"])
            .args(["--address", "127.0.0.1", "-o", "dump.log", "-v4"])
            .args(["--leave-running", "--tcp-established", "-D"])
            .arg(&images)
            .args(["-t", &target.pid().to_string()]);
        self.0.replace(Some(Client::start(images)));
        command
    }
}

/// A thread that fetches all pages of a dump, as far as that lives; it ends when this is dropped.
struct Client {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    fn start(images: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = thread::spawn(move || {
            // The dump may die at any time.
            let _ = fetch(&images, &told);
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn fetch(images: &Path, over: &AtomicBool) -> std::io::Result<()> {
    let port = loop {
        if over.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some(port) = pages::port(images) {
            break port;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let mut client = PageClient::connect(port)?;
    for id in pages::tasks(images)? {
        for address in pages::lazy(images, id) {
            client.ask(id, address)?;
        }
    }
    client.close()
}
