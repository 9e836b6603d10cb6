//! Where the fields of the kernel's structures are: its BTF
//! (Documentation/bpf/btf.rst), as much of it as that takes.

mod file;

use core::cell::RefCell;
use core::ops::Range;
use std::collections::HashMap;

use memchr::memmem;

pub use file::KernelFile;

/// A header of 24 bytes, then types and strings.
const MAGIC: u16 = 0xEB9F;
const HEADER_LEN: usize = 24;

const KIND_INT: u32 = 1;
const KIND_POINTER: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;

/// Type information that was looked through once: more than a hundred thousand types, each as long as its
/// kind and its members say.
#[derive(Debug)]
pub struct Btf {
    bytes: KernelFile,
    /// Where in them the types are.
    types: Range<usize>,
    /// Where in them their names are.
    strings: Range<usize>,
    /// Where each type begins in `types`; ids count from 1.
    places: Vec<u32>,
    /// Where in the strings the name of each type is.
    names: Vec<u32>,
    /// The types that were looked for by kind and name: each search goes through all there are.
    found: RefCell<Found>,
}

/// The id of a type and where it begins, by its kind and name.
type Found = HashMap<(u32, String), Option<(u32, usize)>>;

/// A type's first twelve bytes.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    info: u32,
    /// Its size in bytes, or the type it refers to.
    size_or_type: u32,
}

impl Type {
    fn read(types: &[u8], at: usize) -> Option<Self> {
        let (words, _) = types.get(at..)?.first_chunk::<12>()?.as_chunks();
        let [name, info, size_or_type] = *words.first_chunk()?;
        Some(Self {
            name: u32::from_le_bytes(name),
            info: u32::from_le_bytes(info),
            size_or_type: u32::from_le_bytes(size_or_type),
        })
    }

    fn kind(self) -> u32 {
        self.info >> 24 & 0x1f
    }

    fn members(self) -> usize {
        (self.info & 0xffff) as usize
    }

    /// Bytes behind the first twelve.
    fn rest(self) -> Option<usize> {
        let &(own, each) = REST.get(self.kind() as usize)?;
        Some(own + each * self.members())
    }
}

/// Bytes behind the first twelve of a type, and those for each of its members, by kind: a table, since
/// what the next kind is cannot be foreseen, by a processor either.
const REST: [(usize, usize); 20] = {
    let mut rest = [(0, 0); 20];
    rest[KIND_INT as usize].0 = 4;
    rest[KIND_VAR as usize].0 = 4;
    rest[KIND_DECL_TAG as usize].0 = 4;
    rest[KIND_ARRAY as usize].0 = 12;
    rest[KIND_STRUCT as usize].1 = 12;
    rest[KIND_UNION as usize].1 = 12;
    rest[KIND_DATASEC as usize].1 = 12;
    rest[KIND_ENUM64 as usize].1 = 12;
    rest[KIND_ENUM as usize].1 = 8;
    rest[KIND_FUNC_PROTO as usize].1 = 8;
    rest
};

impl Btf {
    /// Looks through it; `None` where it is not as it should be, or newer.
    pub fn parse(bytes: KernelFile) -> Option<Self> {
        let word = |at| word(&bytes, at).map(|word| word as usize);
        let magic = u16::from_le_bytes(*bytes.first_chunk()?);
        if magic != MAGIC || bytes.len() < HEADER_LEN {
            return None;
        }
        let section = |start, len| {
            let start = word(4)?.checked_add(word(start)?)?;
            let range = start..start.checked_add(word(len)?)?;
            bytes.get(range.clone()).map(|_| range)
        };
        let (types, strings) = (section(8, 12)?, section(16, 20)?);
        let (places, names) = index(&bytes[types.clone()])?;
        Some(Self {
            types,
            strings,
            bytes,
            places,
            names,
            found: RefCell::default(),
        })
    }

    fn types(&self) -> &[u8] {
        &self.bytes[self.types.clone()]
    }

    /// The id of a function.
    pub fn function(&self, name: &str) -> Option<u32> {
        self.named(KIND_FUNC, name).map(|(id, _)| id)
    }

    /// Where a field of a structure begins, in bytes.
    pub fn field(&self, structure: &str, field: &str) -> Option<i16> {
        self.place(structure, field).map(|(place, _)| place)
    }

    /// The same of a field that is a pointer.
    pub fn pointer(&self, structure: &str, field: &str) -> Option<i16> {
        let (place, id) = self.place(structure, field)?;
        let at = *self.places.get((id as usize).checked_sub(1)?)?;
        (self.at(at as usize)?.kind() == KIND_POINTER).then_some(place)
    }

    /// The byte that a field of one bit is in, and which of its bits.
    pub fn bit(&self, structure: &str, field: &str) -> Option<(i16, u8)> {
        let (_, at) = self.named(KIND_STRUCT, structure)?;
        let (bits, _) = self.member(at, field)?;
        Some((i16::try_from(bits / 8).ok()?, (bits % 8) as u8))
    }

    /// Where a field begins, and its type.
    fn place(&self, structure: &str, field: &str) -> Option<(i16, u32)> {
        let (_, at) = self.named(KIND_STRUCT, structure)?;
        let (bits, id) = self.member(at, field)?;
        (bits % 8 == 0).then_some(())?;
        Some((i16::try_from(bits / 8).ok()?, id))
    }

    /// Where a member begins in the structure at `at`, in bits, and its type; also one of a
    /// nameless structure inside of it.
    fn member(&self, at: usize, field: &str) -> Option<(u32, u32)> {
        let structure = self.at(at)?;
        (0..structure.members()).find_map(|n| {
            let member = at + 12 + 12 * n;
            let name = word(self.types(), member)?;
            let id = word(self.types(), member + 4)?;
            let offset = word(self.types(), member + 8)?;
            // With the flag, the upper byte is the size of a bit field.
            let offset = match structure.info >> 31 {
                0 => offset,
                _ => offset & 0xff_ffff,
            };
            if name != 0 {
                return (self.name(name)? == field.as_bytes()).then_some((offset, id));
            }
            let inner = self.place_of(id)?;
            let (inner, id) = self.member(inner, field)?;
            Some((offset + inner, id))
        })
    }

    /// Where the structure or union begins that a type is.
    fn place_of(&self, mut id: u32) -> Option<usize> {
        // A few qualifiers may come first; more than that is a loop.
        for _ in 0..8 {
            let at = *self.places.get((id as usize).checked_sub(1)?)? as usize;
            let found = self.at(at)?;
            match found.kind() {
                KIND_STRUCT | KIND_UNION => return Some(at),
                KIND_TYPEDEF..=KIND_RESTRICT => id = found.size_or_type,
                _ => return None,
            }
        }
        None
    }

    fn named(&self, kind: u32, name: &str) -> Option<(u32, usize)> {
        let mut found = self.found.borrow_mut();
        let known = found.entry((kind, name.to_owned()));
        *known.or_insert_with(|| self.search(kind, name))
    }

    fn search(&self, kind: u32, name: &str) -> Option<(u32, usize)> {
        let strings = &self.bytes[self.strings.clone()];
        let string = [b"\0", name.as_bytes(), b"\0"].concat();
        let name = memmem::find(strings, &string)? as u32 + 1;
        let with_name = self.names.iter().zip(&self.places).zip(1..);
        let mut with_name = with_name.filter(|((of, _), _)| **of == name);
        with_name.find_map(|((_, &at), id)| {
            let it_is = self.at(at as usize)?.kind() == kind;
            it_is.then_some((id, at as usize))
        })
    }

    fn name(&self, at: u32) -> Option<&[u8]> {
        let string = self.bytes[self.strings.clone()].get(at as usize..)?;
        string.split(|&byte| byte == 0).next()
    }

    fn at(&self, at: usize) -> Option<Type> {
        Type::read(self.types(), at)
    }
}

/// Where each type begins, and where its name is.
fn index(types: &[u8]) -> Option<(Vec<u32>, Vec<u32>)> {
    const USUAL_LEN: usize = 24;
    let most = types.len() / USUAL_LEN;
    let (mut places, mut names) = (Vec::with_capacity(most), Vec::with_capacity(most));
    let mut at = 0;
    while at < types.len() {
        let found = Type::read(types, at)?;
        places.push(at as u32);
        names.push(found.name);
        at += 12 + found.rest()?;
    }
    Some((places, names))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}
