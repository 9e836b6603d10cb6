//! A sample program for a first dump.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::run::{Error, target};

/// The running sample program: it counts up, in a file, twice a second.
pub struct Demo {
    child: Child,
    dir: PathBuf,
}

impl Demo {
    /// Start it in a session of its own, so that no terminal is part of the dump.
    pub fn start() -> Result<Self, Error> {
        let dir = target().join("demo");
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(Error::file(&dir))?;
        }
        fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
        let child = Self::spawn(&dir)?;
        let demo = Self { child, dir };
        while fs::read(demo.count()).is_ok_and(|count| count.is_empty()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(demo)
    }

    fn spawn(dir: &Path) -> Result<Child, Error> {
        let count = dir.join("count");
        let output = File::create(&count).map_err(Error::file(&count))?;
        let program = std::env::current_exe().map_err(Error::file(Path::new("/proc/self/exe")))?;
        // A copy: building again must not change the file that the restored program runs from.
        let copy = dir.join("counter");
        fs::copy(program, &copy).map_err(Error::file(&copy))?;
        let mut command = Command::new("setsid");
        command
            .arg(&copy)
            .arg("count-up")
            .current_dir(dir)
            .stdin(Stdio::null());
        command
            .stderr(output.try_clone().map_err(Error::file(&count))?)
            .stdout(output);
        command.spawn().map_err(|source| Error::Start {
            program: "setsid".into(),
            source,
        })
    }

    /// The sample program's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its images go.
    pub fn images(&self) -> PathBuf {
        self.dir.join("images")
    }

    /// End it.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn count(&self) -> PathBuf {
        self.dir.join("count")
    }

    /// Say what to try next.
    pub fn explain(&self) {
        let (pid, images, count) = (self.pid(), self.images(), self.count());
        println!(
            "
The sample program, process {pid}, counts on as if nothing had happened:
    tail -f {count}
Kill it, and let CRIU (4.2 or newer, as root) bring it back where it was:
    kill -9 {pid}; sleep 1
    criu restore -d -D {images}
Look inside the images with CRIU's own tool:
    crit show {images}/pstree.img
Dump a program of yours:
    cargo xtask dump PID",
            count = count.display(),
            images = images.display(),
        );
    }
}

/// The sample program itself.
pub fn count_up() -> Result<(), Error> {
    for number in 1_u64.. {
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{number}").and_then(|()| stdout.flush());
        written.map_err(Error::file(Path::new("stdout")))?;
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
