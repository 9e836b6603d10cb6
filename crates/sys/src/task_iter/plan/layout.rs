//! Where everything is in the room of a program, and in a record.

use super::{Step, Structure, VISITED, What};

/// How many bytes that nobody asked for are copied rather than copying twice.
const GAP: usize = 256;

/// Some bytes of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    of: Structure,
    /// Where in the room the address of the structure is.
    pub address: usize,
    /// Where in the structure they begin.
    pub from: i16,
    /// How many they are.
    pub len: usize,
    /// Where in the room they go.
    pub at: usize,
}

/// A field in the room, and where it goes in the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub at: usize,
    pub to: usize,
    pub what: What,
    /// Where in the room the address of its structure is, and where it is in that.
    pub address: (usize, i16),
}

/// Where everything is in the room of a program.
#[derive(Debug)]
pub struct Layout {
    /// The room's size, in bytes.
    pub len: usize,
    /// What is copied into it, in this order: of a structure only when its address is there.
    pub pieces: Vec<Piece>,
    pub(super) places: Vec<Place>,
    pub(super) numbers: Vec<(u8, usize)>,
}

impl Layout {
    /// Adds the pieces of a structure that have these fields.
    pub(super) fn pieces_of(
        &mut self,
        of: Structure,
        address: usize,
        mut fields: Vec<(i16, usize)>,
    ) {
        fields.sort_unstable();
        let first = self.pieces.len();
        for (from, len) in fields {
            let end = from as usize + len;
            match self.pieces[first..].last_mut() {
                Some(piece) if from as usize <= piece.from as usize + piece.len + GAP => {
                    piece.len = piece.len.max(end - piece.from as usize);
                }
                _ => self.pieces.push(Piece {
                    of,
                    address,
                    // A pointer in the room begins where a pointer may.
                    from: from & !7,
                    len: end - (from & !7) as usize,
                    at: 0,
                }),
            }
        }
        for piece in &mut self.pieces[first..] {
            piece.at = self.len;
            self.len += piece.len.next_multiple_of(8);
        }
    }

    pub(super) fn at(&self, of: Structure, from: i16) -> usize {
        let has = |piece: &&Piece| {
            let end = piece.from as usize + piece.len;
            piece.of == of && (piece.from as usize..end).contains(&(from as usize))
        };
        let piece = self.pieces.iter().find(has).expect("it was wanted");
        piece.at + (from - piece.from) as usize
    }

    pub(super) fn place(&self, step: &Step) -> Place {
        let of = |piece: &&Piece| piece.of == step.of;
        let piece = self.pieces.iter().find(of).expect("it was wanted");
        Place {
            at: self.at(step.of, step.from),
            to: step.to,
            what: step.what,
            address: (piece.address, step.from),
        }
    }

    /// Whether nothing was visited.
    pub fn is_empty(&self, room: &[u8]) -> bool {
        pointer(room, VISITED) == 0
    }

    /// Makes a record, which is all zeros, of a room.
    pub fn fill(&self, room: &[u8], record: &mut [u8]) {
        for &(number, to) in &self.numbers {
            record[to] = number;
        }
        for place in &self.places {
            let &Place { at, to, .. } = place;
            match place.what {
                What::Bytes(len) => record[to..to + len].copy_from_slice(&room[at..at + len]),
                What::Bit(bit) => record[to] = room[at] >> bit & 1,
                What::List(flag) if place.has_something(room) => record[to] |= flag,
                What::List(_) => {}
            }
        }
    }
}

impl Place {
    /// Whether something is in the list at this place.
    fn has_something(&self, room: &[u8]) -> bool {
        let (structure, from) = self.address;
        let list = pointer(room, structure).wrapping_add(from as u64);
        pointer(room, structure) != 0 && pointer(room, self.at) != list
    }
}

fn pointer(room: &[u8], at: usize) -> u64 {
    let bytes = room[at..].first_chunk().expect("a pointer");
    u64::from_ne_bytes(*bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{NUMBER, Plan};
    use super::*;

    /// A structure with a field, a list, one bit far away, and a pointer to another.
    fn plan() -> Plan {
        let mut plan = Plan::new();
        plan.header = vec![(NUMBER, (0, 4))];
        plan.copy(Structure::VISITED, 12, (4, 4));
        plan.list(Structure::VISITED, 32, 8, 2);
        plan.want(Structure::VISITED, 1001, 9, What::Bit(3));
        let other = plan.behind(Structure::VISITED, 40);
        plan.copy(other, 4, (10, 2));
        assert_eq!(plan.behind(Structure::VISITED, 40), other);
        plan.number(12, 7);
        plan
    }

    /// A room as the program fills it from `visited`, at this address, and what its pointer leads to.
    fn fill(layout: &Layout, address: u64, visited: &[u8], other: &[u8]) -> Vec<u8> {
        let mut room = vec![0; layout.len];
        room[VISITED..][..8].copy_from_slice(&address.to_ne_bytes());
        room[NUMBER..][..4].copy_from_slice(&99u32.to_ne_bytes());
        for piece in &layout.pieces {
            let from = if piece.of == Structure::VISITED {
                visited
            } else {
                other
            };
            let bytes = &from[piece.from as usize..][..piece.len];
            room[piece.at..][..piece.len].copy_from_slice(bytes);
        }
        room
    }

    #[test]
    fn a_record_is_made_of_few_pieces() {
        let layout = plan().lay_out();
        let pieces: Vec<_> = layout.pieces.iter().map(|p| (p.from, p.len)).collect();
        assert_eq!(pieces, [(8, 40), (1000, 2), (0, 6)]);
        // The address of the other structure is where the first piece puts the pointer.
        assert_eq!(layout.pieces[2].address, layout.pieces[0].at + 40 - 8);
        let (address, mut visited) = (0x1000u64, [0; 1024]);
        visited[12..16].copy_from_slice(b"name");
        visited[32..40].copy_from_slice(&(address + 32).to_ne_bytes());
        visited[1001] = 1 << 3;
        let other = *b"----ab";
        let record = |visited: &[u8]| {
            let mut record = [0; 13];
            layout.fill(&fill(&layout, address, visited, &other), &mut record);
            record
        };
        assert_eq!(record(&visited), *b"\x63\0\0\0name\0\x01ab\x07");
        // Something is in the list.
        visited[32..40].copy_from_slice(&0x2000u64.to_ne_bytes());
        assert_eq!(record(&visited)[8], 2);
    }

    #[test]
    fn nothing_is_made_of_a_room_that_was_not_filled() {
        let layout = plan().lay_out();
        assert!(layout.is_empty(&vec![0; layout.len]));
        assert!(!layout.is_empty(&fill(&layout, 1, &[0; 1024], &[0; 8])));
    }
}
