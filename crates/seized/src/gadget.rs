//! Code of the target's own that makes a system call.
//!
//! No text of the target is ever written, so the instructions that injection
//! needs must be there already: `syscall; ret` (every C library and Go's
//! runtime have it), and a way to call rt_sigreturn(2). That is a signal
//! restorer, `mov $15, %eax; syscall`, which whatever installs signal handlers
//! must have; or else, in a small static program, `pop %rax; ret`, which two
//! bytes are enough for, with the number on the stack.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use commensal_sys::{Pid, RemoteAddr, process_vm};
use memchr::memmem;

use crate::maps::{Mapping, Maps};

const SYSCALL_RET: &[u8] = &[0x0f, 0x05, 0xc3];
/// `mov $15, %rax; syscall` and `mov $15, %eax; syscall`.
const RESTORERS: [&[u8]; 2] = [
    &[0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
    &[0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
];

const POP_RAX_RET: &[u8] = &[0x58, 0xc3];

/// Where the two pieces of code are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gadgets {
    /// A `syscall; ret`.
    pub(crate) syscall: RemoteAddr,
    pub(crate) way: Way,
}

/// What calls rt_sigreturn(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A `mov $15, %eax; syscall`.
    Restorer(RemoteAddr),
    /// A `pop %rax; ret`, before a `syscall`.
    Pop {
        pop: RemoteAddr,
        syscall: RemoteAddr,
    },
}

/// Offsets of these in one mapped file, remembered over tasks: the same part
/// of the same file has the same code, and what is used is checked again.
#[derive(Clone, Copy, Default)]
struct Offsets {
    syscall: Option<u64>,
    restorer: Option<u64>,
    pop: Option<u64>,
}

static KNOWN: Mutex<Option<HashMap<Vec<u8>, Offsets>>> = Mutex::new(None);

/// No mapping's text is searched further than this, in bytes.
const SEARCH_LIMIT: u64 = 64 << 20;

/// Bytes that are read at a time: a C library has both pieces in its first part, and small buffers are
/// there already.
const PIECE: usize = 32 << 10;

impl Gadgets {
    /// Looks for both in the target's executable mappings.
    pub(crate) fn find(pid: Pid, maps: &Maps) -> Option<Self> {
        let (mut syscall, mut restorer, mut pop) = (None, None, None);
        // Libraries come last in the list, and have both.
        let text = |m: &&Mapping| m.executable && m.readable && !m.writable;
        for mapping in maps.mappings.iter().filter(text).rev() {
            let found = offsets(pid, mapping);
            let at = |offset: u64| mapping.range.start().checked_add(offset);
            syscall = syscall.or_else(|| found.syscall.and_then(at));
            restorer = restorer.or_else(|| found.restorer.and_then(at));
            pop = pop.or_else(|| found.pop.and_then(at));
            if syscall.is_some() && restorer.is_some() {
                break;
            }
        }
        let syscall = syscall?;
        let way = match restorer {
            Some(restorer) => Way::Restorer(restorer),
            None => Way::Pop { pop: pop?, syscall },
        };
        Some(Self { syscall, way })
    }

    /// Whether the code is still there; asked while the target is stopped.
    pub(crate) fn hold(&self, pid: Pid) -> bool {
        let way = match self.way {
            Way::Restorer(at) => RESTORERS.iter().any(|code| holds(pid, at, code)),
            Way::Pop { pop, .. } => holds(pid, pop, POP_RAX_RET),
        };
        way && holds(pid, self.syscall, SYSCALL_RET)
    }
}

fn holds(pid: Pid, at: RemoteAddr, code: &[u8]) -> bool {
    let mut found = [0u8; 16];
    let found = &mut found[..code.len()];
    process_vm::read(pid, at, found).is_ok() && found == code
}

/// Searches one mapping, or remembers having searched it.
fn offsets(pid: Pid, mapping: &Mapping) -> Offsets {
    let known = |found: Option<Offsets>| {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let map = known.get_or_insert_default();
        match found {
            Some(found) => map.insert(mapping.file.clone(), found),
            None => map.get(&mapping.file).copied(),
        }
    };
    if !mapping.anonymous
        && let Some(found) = known(None)
    {
        return found;
    }
    // What could not be read, because the task just ended, is not known.
    let Some(found) = search(pid, mapping) else {
        return Offsets::default();
    };
    if !mapping.anonymous {
        known(Some(found));
    }
    found
}

/// `None` where the text cannot be read. No other way is looked for where there is a restorer.
fn search(pid: Pid, mapping: &Mapping) -> Option<Offsets> {
    // What begins in one piece and ends in the next is found in that.
    const SHARED: usize = 16;
    let len = mapping.range.len().min(SEARCH_LIMIT) as usize;
    let mut text = vec![0u8; PIECE.min(len)];
    let mut found = Offsets::default();
    for start in (0..len).step_by(PIECE - SHARED) {
        let piece = &mut text[..PIECE.min(len - start)];
        let at = mapping.range.start().checked_add(start as u64)?;
        process_vm::read(pid, at, piece).ok()?;
        let find = |code: &[u8]| memmem::find(piece, code).map(|at| (start + at) as u64);
        found.syscall = found.syscall.or_else(|| find(SYSCALL_RET));
        let restorer = || RESTORERS.iter().find_map(|code| find(code));
        found.restorer = found.restorer.or_else(restorer);
        found.pop = found.pop.or_else(|| find(POP_RAX_RET));
        if found.syscall.is_some() && found.restorer.is_some() {
            break;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use commensal_sys::RemoteRange;

    use super::*;

    #[test]
    fn code_on_the_edge_of_a_piece_is_found() {
        let code = RESTORERS[0];
        for at in [PIECE - 20, PIECE - 10, PIECE - 1, PIECE, 2 * PIECE - 25] {
            let mut text = vec![0u8; 2 * PIECE];
            text[at..at + code.len()].copy_from_slice(code);
            let start = text.as_ptr() as u64;
            let mapping = Mapping {
                range: RemoteRange::new(start, start + text.len() as u64).unwrap(),
                readable: true,
                writable: false,
                executable: true,
                file: Vec::new(),
                anonymous: true,
                is_stack: false,
            };
            let pid = Pid::new(std::process::id() as i32).unwrap();
            let found = search(pid, &mapping).unwrap();
            assert_eq!((found.restorer, found.syscall), (Some(at as u64), None));
        }
    }

    #[test]
    fn this_process_has_both() {
        let pid = Pid::new(std::process::id() as i32).unwrap();
        let gadgets = Gadgets::find(pid, &Maps::read(pid).unwrap()).unwrap();
        assert!(gadgets.hold(pid));
        let Way::Restorer(restorer) = gadgets.way else {
            panic!("a program with a C library has a restorer");
        };
        let elsewhere = Gadgets {
            syscall: restorer,
            ..gadgets
        };
        assert!(!elsewhere.hold(pid));
    }
}
