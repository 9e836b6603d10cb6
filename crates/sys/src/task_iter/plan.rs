//! What of the kernel's structures a record is made of.
//!
//! The kernel looks at each instruction of a program before it lets it run: some microseconds for each call.
//! So a program copies few long pieces of structures into its room, fields and what lies between them, and
//! the record is made of those here.

/// The place of a field in a part of a record, and its size.
macro_rules! place {
    ($part:ty, $field:ident) => {
        (
            core::mem::offset_of!($part, $field),
            super::size_of_field(|part: &$part| &part.$field),
        )
    };
}

pub mod files;
mod layout;
mod objects;
mod plain;
pub mod task;
pub mod threads;

use super::KernelTypes;
use layout::Place;

pub use layout::{Layout, Piece};

/// Where in the room the address of what is visited is.
pub const VISITED: usize = 0;

/// Where in the room the number is that the context has beside it.
pub const NUMBER: usize = 8;

/// Where the pieces begin.
const PIECES: usize = 16;

/// A structure of the kernel's, by its place in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure(usize);

impl Structure {
    /// What is visited: a task or a file.
    const VISITED: Self = Self(0);
}

/// A structure, and what is wanted of it.
#[derive(Debug)]
struct Wanted {
    /// The structure that a pointer to it is in, and where; of what is visited, none.
    pointer: Option<(Structure, i16)>,
    /// Where each field begins, and its length.
    fields: Vec<(i16, usize)>,
}

/// What a record has of a field.
#[derive(Clone, Copy, Debug)]
enum What {
    /// So many bytes of it.
    Bytes(usize),
    /// One bit of its first byte, as 0 or 1.
    Bit(u8),
    /// With this flag: whether something is in a list. The `list_head` of an empty one leads to itself.
    List(u8),
}

/// A field and where it goes to in the record.
#[derive(Clone, Copy, Debug)]
struct Step {
    of: Structure,
    from: i16,
    to: usize,
    what: What,
}

/// Which fields of which structures a record is made of.
#[derive(Debug)]
pub struct Plan {
    structures: Vec<Wanted>,
    steps: Vec<Step>,
    /// Numbers that are the same in each record, and where.
    numbers: Vec<(u8, usize)>,
    /// Where the address of what is visited, and the number beside it, go to.
    header: Vec<(usize, (usize, usize))>,
    /// Where the part of the record begins whose fields come next.
    part: usize,
}

impl Plan {
    fn new() -> Self {
        Self {
            structures: vec![Wanted {
                pointer: None,
                fields: Vec::new(),
            }],
            steps: Vec::new(),
            numbers: Vec::new(),
            header: Vec::new(),
            part: 0,
        }
    }

    /// From here on, places are those in a part of the record.
    fn part(&mut self, start: usize) {
        self.part = start;
    }

    /// The structure that a pointer leads to. What is copied of a null pointer's is zeros.
    fn behind(&mut self, of: Structure, pointer: i16) -> Structure {
        let found = Some((of, pointer));
        let known = self.structures.iter().position(|s| s.pointer == found);
        Structure(known.unwrap_or_else(|| {
            self.structures[of.0].fields.push((pointer, 8));
            self.structures.push(Wanted {
                pointer: found,
                fields: Vec::new(),
            });
            self.structures.len() - 1
        }))
    }

    /// The same of a pointer in the task that is visited.
    fn behind_task(&mut self, types: &KernelTypes, pointer: &str) -> Option<Structure> {
        let pointer = types.field("task_struct", pointer)?;
        Some(self.behind(Structure::VISITED, pointer))
    }

    fn want(&mut self, of: Structure, from: i16, to: usize, what: What) {
        let len = match what {
            What::Bytes(len) => len,
            What::Bit(_) => 1,
            What::List(_) => 8,
        };
        self.structures[of.0].fields.push((from, len));
        self.steps.push(Step {
            of,
            from,
            to: self.part + to,
            what,
        });
    }

    /// Copies a field.
    fn copy(&mut self, of: Structure, from: i16, (to, len): (usize, usize)) {
        self.want(of, from, to, What::Bytes(len));
    }

    /// Copies a field of the task.
    fn of_task(&mut self, types: &KernelTypes, field: &str, to: (usize, usize)) -> Option<()> {
        self.copy(Structure::VISITED, types.field("task_struct", field)?, to);
        Some(())
    }

    /// Copies a field of the structure that a pointer of the task leads to.
    fn of_structure(
        &mut self,
        types: &KernelTypes,
        (pointer, structure, field): (&str, &str, &str),
        to: (usize, usize),
    ) -> Option<()> {
        let of = self.behind_task(types, pointer)?;
        self.copy(of, types.field(structure, field)?, to);
        Some(())
    }

    /// Puts 1 there if something is in a list of the kernel's, or another `flag` beside those that are there.
    fn list(&mut self, of: Structure, from: i16, to: usize, flag: u8) {
        self.want(of, from, to, What::List(flag));
    }

    /// Puts a number there.
    fn number(&mut self, to: usize, number: u8) {
        self.numbers.push((number, self.part + to));
    }

    /// Where everything is in a program's room.
    pub fn lay_out(self) -> Layout {
        let mut layout = Layout {
            len: PIECES,
            pieces: Vec::new(),
            places: Vec::new(),
            numbers: self.numbers,
        };
        for (Wanted { pointer, fields }, n) in self.structures.into_iter().zip(0..) {
            let address = pointer.map_or(VISITED, |(of, from)| layout.at(of, from));
            layout.pieces_of(Structure(n), address, fields);
        }
        let header = self.header.into_iter().map(|(at, (to, len))| Place {
            at,
            to,
            what: What::Bytes(len),
            address: (VISITED, 0),
        });
        let places: Vec<_> = self.steps.iter().map(|step| layout.place(step)).collect();
        layout.places = header.chain(places).collect();
        layout
    }
}

fn size_of_field<R, F>(_: fn(&R) -> &F) -> usize {
    size_of::<F>()
}
