//! What the caretaker finds when we are dead: a few pages that both of us have.
//!
//! Only we write there, and each entry becomes valid by the store of one word:
//! we may die between any two instructions.

use core::ffi::CStr;

use crate::{Errno, SharedPages, Tid};

/// How many stops can be under way at once; those beyond it are not looked after.
pub(super) const STOPS: u32 = 1 << 16;
/// How many commands there can be at once.
pub(super) const COMMANDS: u32 = 4;
/// The longest command, in bytes, with the zero at its end.
pub(super) const COMMAND_LEN: usize = 16 * 1024;

/// How many of the stops have ever been used.
const USED: usize = 0;
const FIRST_STOP: usize = size_of::<u32>();
const FIRST_COMMAND: usize = FIRST_STOP + STOPS as usize * size_of::<u32>();
/// Its length, which is 0 where there is none, and its bytes.
const COMMAND_ROOM: usize = size_of::<u32>() + COMMAND_LEN;
const LEN: usize = FIRST_COMMAND + COMMANDS as usize * COMMAND_ROOM;

/// Marks a thread that has seccomp filters; thread ids are below it (`PID_MAX_LIMIT`).
const FILTERED: u32 = 1 << 31;

/// A thread that was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopping {
    pub(super) tid: Tid,
    /// Whether a seccomp filter decides on its calls.
    pub(super) filtered: bool,
}

/// The pages.
#[derive(Debug)]
pub(super) struct Board(SharedPages);

impl Board {
    pub(super) fn new() -> Result<Self, Errno> {
        SharedPages::anonymous(LEN).map(Self)
    }

    /// Notes a stop in `slot`; one beyond [`STOPS`] is left out.
    pub(super) fn note(&self, slot: u32, stopping: Stopping) {
        if slot >= STOPS {
            return;
        }
        let mark = if stopping.filtered { FILTERED } else { 0 };
        self.store(stop(slot), stopping.tid.get() as u32 | mark);
        if self.load(USED) <= slot {
            self.store(USED, slot + 1);
        }
    }

    /// The stop in `slot` is over.
    pub(super) fn clear(&self, slot: u32) {
        if slot < STOPS {
            self.store(stop(slot), 0);
        }
    }

    /// No stop is under way, or those that are get a tracer that lives.
    pub(super) fn clear_all(&self) {
        self.store(USED, 0);
    }

    /// The stops that are under way.
    pub(super) fn stops(&self) -> impl Iterator<Item = Stopping> + '_ {
        let words = (0..self.load(USED).min(STOPS)).map(|slot| self.load(stop(slot)));
        words.filter_map(|word| {
            Some(Stopping {
                tid: Tid::new((word & !FILTERED) as i32)?,
                filtered: word & FILTERED != 0,
            })
        })
    }

    /// Writes a command down, in a slot that has none.
    pub(super) fn set_command(&self, slot: u32, command: &CStr) -> Result<(), Errno> {
        let bytes = command.to_bytes_with_nul();
        if slot >= COMMANDS || bytes.len() > COMMAND_LEN {
            return Err(Errno::TOOBIG);
        }
        let room = command_room(slot);
        let text = room + size_of::<u32>();
        self.0.write(text, bytes).map_err(|_| Errno::TOOBIG)?;
        self.store(room, bytes.len() as u32);
        Ok(())
    }

    pub(super) fn clear_command(&self, slot: u32) {
        if slot < COMMANDS {
            self.store(command_room(slot), 0);
        }
    }

    /// The command in `slot`, copied to `text`.
    pub(super) fn command<'t>(
        &self,
        slot: u32,
        text: &'t mut [u8; COMMAND_LEN],
    ) -> Option<&'t CStr> {
        let room = command_room(slot);
        let text = text.get_mut(..self.load(room) as usize)?;
        self.0.read(room + size_of::<u32>(), text).ok()?;
        CStr::from_bytes_with_nul(text).ok()
    }

    fn load(&self, offset: usize) -> u32 {
        self.0.load(offset).expect("all offsets are below LEN")
    }

    fn store(&self, offset: usize, value: u32) {
        self.0
            .store(offset, value)
            .expect("all offsets are below LEN");
    }
}

const fn stop(slot: u32) -> usize {
    FIRST_STOP + slot as usize * size_of::<u32>()
}

const fn command_room(slot: u32) -> usize {
    FIRST_COMMAND + slot as usize * COMMAND_ROOM
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopping(tid: i32, filtered: bool) -> Stopping {
        let tid = Tid::new(tid).unwrap();
        Stopping { tid, filtered }
    }

    #[test]
    fn stops_are_there_until_they_are_over() {
        let board = Board::new().unwrap();
        board.note(0, stopping(7, false));
        board.note(1, stopping(4_194_304, true));
        board.note(STOPS, stopping(9, false));
        let all: Vec<_> = board.stops().collect();
        assert_eq!(all, [stopping(7, false), stopping(4_194_304, true)]);
        board.clear(0);
        let left: Vec<_> = board.stops().collect();
        assert_eq!(left, [stopping(4_194_304, true)]);
        board.clear_all();
        assert_eq!(board.stops().count(), 0);
    }

    #[test]
    fn a_command_is_there_until_it_is_cleared() {
        let board = Board::new().unwrap();
        let mut text = [0; COMMAND_LEN];
        assert_eq!(board.command(3, &mut text), None);
        board.set_command(3, c"echo hello").unwrap();
        assert_eq!(board.command(3, &mut text), Some(c"echo hello"));
        board.clear_command(3);
        assert_eq!(board.command(3, &mut text), None);
        assert!(board.set_command(COMMANDS, c"true").is_err());
    }
}
