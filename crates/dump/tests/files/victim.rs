//! A process that waits, with descriptors of the test's making.

use std::collections::HashMap;
use std::io::{PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use commensal_dump::files::{Around, FilesDump, Finished, Images, Table, check};
use commensal_dump::tree::namespaces::IdsOfTree;
use commensal_dump::{Error, Options, Refusal};
use commensal_images::messages::{FdinfoEntry, FileEntry};
use commensal_images::{Existing, Image, ImageSet, ImagesDir, SavedImages};
use commensal_sys::Pid;
use commensal_sys::pidfd::PidFd;
use tempfile::TempDir;

/// A shell that reads a line which never ends, with the given output and error output. It ends
/// with the test.
pub struct Victim {
    child: Child,
    /// The end of what it reads, kept open so that it goes on waiting.
    _input: PipeWriter,
}

impl Victim {
    pub fn with(output: impl Into<OwnedFd>, error: impl Into<OwnedFd>) -> Self {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let capacity = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
        let child = Command::new("sh")
            .args(["-c", "read line"])
            .stdin(Stdio::from(reader))
            .stdout(Stdio::from(output.into()))
            .stderr(Stdio::from(error.into()))
            .spawn()
            .unwrap();
        // More than the pipe holds: this returns when the shell has begun to read, and so has
        // closed what it opened to start.
        writer.write_all(&vec![b'x'; capacity + 1]).unwrap();
        Self {
            child,
            _input: writer,
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::new(self.child.id() as i32).unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// `/dev/null`, for a descriptor that a test is not about.
pub fn null() -> OwnedFd {
    std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .unwrap()
        .into()
}

/// The images of a dump, read back.
pub struct Dumped {
    pub images: SavedImages,
    pub files: Vec<FileEntry>,
    dir: TempDir,
}

impl Dumped {
    /// The file that a descriptor of the `n`th task stands for.
    pub fn file(&self, n: usize, fd: u32) -> &FileEntry {
        let table: Vec<FdinfoEntry> = self.images.all(Image::Fdinfo(n as u32 + 1)).unwrap();
        let entry = table
            .iter()
            .find(|entry| entry.fd == fd)
            .expect("the descriptor is open");
        let file = self
            .files
            .iter()
            .find(|file| file.id == entry.id)
            .expect("its file is there");
        assert_eq!(file.r#type, entry.r#type);
        file
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Dumps the descriptors of victims that wait.
pub fn dump(victims: &[&Victim], options: &Options) -> Result<Dumped, Error> {
    dump_and_then(victims, options, |finished| {
        finished.links.keep();
        Ok(())
    })
}

/// As [`dump`], with a last step before the images are read.
pub fn dump_and_then(
    victims: &[&Victim],
    options: &Options,
    then: impl FnOnce(Finished<'_>) -> Result<(), Error>,
) -> Result<Dumped, Error> {
    let dir = TempDir::new().unwrap();
    let set = ImageSet::new(ImagesDir::create(dir.path(), Existing::Refuse).unwrap());
    let pids: Vec<_> = victims.iter().map(|victim| victim.pid()).collect();
    let (ids, users) = (
        commensal_dump::pidns::Pids::OURS,
        commensal_dump::userns::Users::OURS,
    );
    let namespaces = IdsOfTree::of(pids[0])?;
    let around = Around::of(&pids, (&ids, &namespaces), options)?;
    let mut files = FilesDump::new(Images::of(&set), (around, ids.clone()), options)?;
    files.begin(pids.clone(), ids, users);
    for (n, pid) in pids.iter().enumerate() {
        let task = PidFd::open(*pid).unwrap();
        files.table(&Table {
            records: &HashMap::new(),
            task: &task,
            files_id: n as u32 + 1,
            open: None,
        })?;
    }
    then(files.finish()?)?;
    set.flush().unwrap();
    let images = SavedImages::open(dir.path()).unwrap();
    let files = images.all(Image::Files).unwrap();
    Ok(Dumped { images, files, dir })
}

/// What a dump of a victim would refuse, asked while it runs, with these `zombies` in its tree.
pub fn asked(victim: &Victim, zombies: &[Pid], options: &Options) -> Vec<Refusal> {
    let live = [victim.pid()];
    let known = (
        &commensal_dump::pidns::Pids::OURS,
        &commensal_dump::userns::Users::OURS,
        &IdsOfTree::of(victim.pid()).unwrap(),
    );
    check(&live, zombies, known, options).unwrap().0
}

/// The first refusal of a dump of what may be another thing as long as the victim runs, so that
/// asking beforehand gives none.
pub fn refusal_of_frozen(victim: &Victim) -> Refusal {
    let options = Options::default();
    assert_eq!(asked(victim, &[], &options), []);
    match dump(&[victim], &options) {
        Err(Error::Refused(mut refused)) => refused.remove(0),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("nothing was refused"),
    }
}

/// The one refusal of a dump, which asking a running victim beforehand gives too.
pub fn refusal(victim: &Victim, options: &Options) -> Refusal {
    let asked = asked(victim, &[], options);
    match dump(&[victim], options) {
        Err(Error::Refused(refused)) => {
            assert_eq!(refused, asked);
            let [refusal] = <[Refusal; 1]>::try_from(refused).unwrap();
            refusal
        }
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("nothing was refused"),
    }
}
