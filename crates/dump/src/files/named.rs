//! Files whose name is known to lead to them: what the kernel says was opened by the same path is not asked
//! for it again.

use std::collections::HashMap;
use std::sync::Arc;

use commensal_sys::task_iter::FileRecord;

use super::{OpenFile, Stat};

/// A file whose name leads to it.
#[derive(Debug)]
pub struct Named {
    /// What stat(2) says.
    pub stat: Stat,
    /// The type of its file system (statfs(2)).
    pub fs_magic: u64,
    /// The name.
    pub name: Vec<u8>,
}

/// What the kernel has written down of a descriptor, and what is known by that.
#[derive(Clone, Debug)]
pub struct Told {
    /// The kernel's record.
    pub record: FileRecord,
    /// The file, where it was met before.
    pub named: Option<Arc<Named>>,
}

/// The files of a tree that stands still, by what the kernel has for their paths.
#[derive(Debug, Default)]
pub struct NamedFiles(HashMap<[u64; 2], Arc<Named>>);

impl NamedFiles {
    /// What is known of a descriptor by its record.
    pub fn by(&self, record: &FileRecord) -> Told {
        Told {
            record: *record,
            named: self.0.get(&record.path).map(Arc::clone),
        }
    }

    /// Remembers a file whose name leads to it, if the kernel has told what it has for that.
    pub fn remember(&mut self, file: &OpenFile, name: &[u8]) {
        let named = |told: &Told| {
            let named = Named {
                stat: file.stat.clone(),
                fs_magic: file.fs_magic,
                name: name.to_vec(),
            };
            (told.record.path, Arc::new(named))
        };
        self.0.extend(file.told.as_ref().map(named));
    }
}
