//! An IPC namespace of the tree's own (ipc_namespaces(7)): its System V objects and its limits.
//!
//! - `table`: `/proc/sysvipc`, which lists the objects;
//! - `objects`: what is in them;
//! - `limits`: the settings.
//!
//! Everything is read by a thread inside of the namespace.

mod limits;
mod objects;
mod table;

use std::fs::File;

use commensal_images::messages::IpcShmEntry;
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::system_v::Attached;
use commensal_sys::{Error as SysError, Pid};

use crate::files::MemoryDevices;
use crate::mm::SharedMemory;
use crate::tree::namespaces::{self, tree_id};
use crate::userns::Users;
use crate::{Error, Result, proc};
use table::{Row, rows};

/// The shared memory of the namespace of a tree that stands still.
#[derive(Debug)]
pub struct Segments(Vec<Row>);

impl Segments {
    /// Lists the segments of a tree that is in another IPC namespace than we are.
    ///
    /// # Errors
    ///
    /// Where the namespace cannot be entered.
    pub fn list(root: Pid) -> Result<Self> {
        namespaces::inside(root, "ipc", || rows("shm")).map(Self)
    }

    /// Their ids, by which the images call their contents, too.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|row| row.id)
    }

    /// Writes the images of the namespace of the tree of `root`, which has these `users`; the contents of the segments are added to `memory`.
    ///
    /// # Errors
    ///
    /// Where an object cannot be read, or an image not be written.
    pub fn dump<S: ImageSink>(
        self,
        (root, users): (Pid, &Users),
        set: &ImageSet<S>,
        memory: &mut SharedMemory,
    ) -> Result<()> {
        namespaces::inside(root, "ipc", || {
            let id = tree_id("ipc");
            set.one(Image::IpcVar(id), &limits::read())?;
            self.segments(id, set, (root, users), memory)?;
            objects::queues(id, set, (root, users))?;
            objects::semaphores(id, set, (root, users))
        })
    }

    fn segments<S: ImageSink>(
        self,
        id: u32,
        set: &ImageSet<S>,
        of: (Pid, &Users),
        memory: &mut SharedMemory,
    ) -> Result<()> {
        /// Of shmget(2), for huge pages.
        const SHM_HUGETLB: u32 = 0o4000;
        const MFD_HUGETLB: u32 = 4;
        let devices =
            MemoryDevices::find().map_err(|errno| SysError::new("memfd_create", 0, errno))?;
        let mut images = set.entries(Image::IpcnsShm(id))?;
        for row in self.0 {
            let attached = Attached::attach(row.id)?;
            let file = open(&attached)?;
            let dev = rustix::fs::fstat(&file)
                .map_err(|e| failed(e.into()))?
                .st_dev;
            let huge = devices.hugetlb_flags(dev);
            images.entry(&IpcShmEntry {
                size: row.number("size")?,
                in_pagemaps: Some(true),
                hugetlb_flag: huge.map(|flags| flags & !MFD_HUGETLB | SHM_HUGETLB),
                desc: row.desc(of)?,
            })?;
            memory.add_segment(row.id, file);
        }
        Ok(images.finish()?)
    }
}

/// The file behind a segment.
fn open(attached: &Attached) -> Result<File> {
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(failed)?;
    let start = format!("{:x}-", attached.start());
    let line = maps.lines().find(|line| line.starts_with(&start));
    let range = line.and_then(|line| line.split(' ').next());
    let range = range.ok_or_else(|| proc::unexpected("/proc/self/maps", start.as_bytes()))?;
    let path = format!("/proc/self/map_files/{range}");
    File::open(&path).map_err(|source| Error::Proc { path, source })
}

fn failed(source: std::io::Error) -> Error {
    Error::Proc {
        path: "/proc/self/maps".into(),
        source,
    }
}
