//! Descriptors.

use core::mem::offset_of;

use super::{
    Field, LOAD_32, LOAD_64, MOVE_CONSTANT, Piece, R1, R2, R6, R7, R8, R10, STORE_64, instruction,
    visit,
};
use crate::task_iter::FileRecord;
use crate::task_iter::btf::Btf;

/// Copies a descriptor: in `bpf_iter__task_file` come `bpf_iter_meta`, the
/// task, the descriptor's number and a pointer to its file.
pub fn program(btf: &Btf) -> Option<Vec<u64>> {
    const FD: i16 = 16;
    const FILE: i16 = 24;
    let mut piece = Piece::new(size_of::<FileRecord>());
    let owner = match btf.pointer("file", "f_owner") {
        Some(place) => instruction(LOAD_64, R2, R7, place, 0),
        None => instruction(MOVE_CONSTANT, R2, 0, 0, 1),
    };
    let (owner_at, description, fd) = (
        piece.at(offset_of!(FileRecord, owner)),
        piece.at(offset_of!(FileRecord, description)),
        piece.at(offset_of!(FileRecord, fd)),
    );
    piece.body.extend([
        owner,
        instruction(STORE_64, R10, R2, owner_at, 0),
        instruction(STORE_64, R10, R7, description, 0),
        instruction(LOAD_32, R1, R6, FD, 0),
        // The upper half is zero, where the flags go then.
        instruction(STORE_64, R10, R1, fd, 0),
    ]);
    let file = |field| btf.field("file", field);
    let own = [
        ("f_flags", offset_of!(FileRecord, flags), 4),
        ("f_path", offset_of!(FileRecord, path), 16),
    ];
    for (field, to, len) in own {
        let from = file(field)?;
        piece.copy(R7, &Field { from, to, len });
    }
    piece.follow(R7, file("f_inode")?);
    let from = btf.field("inode", "i_flctx")?;
    let (to, len) = (offset_of!(FileRecord, locks), 8);
    piece.copy(R8, &Field { from, to, len });
    Some(visit(FILE, vec![piece]))
}
