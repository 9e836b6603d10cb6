//! fifo(7): a named pipe, restored by opening its path.

use commensal_images::messages::{FdTypes, FifoEntry};

use super::kind::Kind;
use super::pipe::pipe_id;
use super::{FilesDump, OpenFile, regular};
use crate::Result;

/// Named pipes.
pub const KIND: Kind = Kind {
    fd_type: FdTypes::Fifo,
    dump,
};

fn dump(file: &OpenFile, id: u32, dump: &mut FilesDump<'_>) -> Result<()> {
    let path_id = dump.identities.fresh();
    regular::dump_path(file, path_id, dump)?;
    let entry = FifoEntry {
        id,
        pipe_id: pipe_id(file),
        regf_id: Some(path_id),
    };
    dump.write(FdTypes::Fifo, id, |to| to.fifo = Some(entry))?;
    let write = dump.writes();
    dump.pipes.fifo_data.dump(file, write)
}
