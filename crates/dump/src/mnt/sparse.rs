//! A regular file in a tar archive, with its holes left out as GNU tar does (tar(5)).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;

use commensal_sys::Errno;
use tar::{EntryType, GnuExtSparseHeader, Header};

/// The parts of a file that hold data, as offset and length, in order, and an empty one at its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Extents(Vec<(u64, u64)>);

impl Extents {
    /// Those of a file of this size, whose offset is at its start afterwards; `None` of one without
    /// holes.
    ///
    /// # Errors
    ///
    /// Those of lseek(2).
    pub fn of(file: &File, size: u64) -> io::Result<Option<Self>> {
        use rustix::fs::SeekFrom::{Data, Hole};
        let mut extents = Vec::new();
        let mut from = 0;
        while from < size {
            let start = match rustix::fs::seek(file.as_fd(), Data(from)) {
                Ok(start) => start.min(size),
                Err(Errno::NXIO) => break,
                Err(errno) => return Err(errno.into()),
            };
            let end = rustix::fs::seek(file.as_fd(), Hole(start))?.min(size);
            if start < end {
                extents.push((start, end - start));
            }
            from = end;
        }
        rustix::fs::seek(file.as_fd(), rustix::fs::SeekFrom::Start(0))?;
        if extents == [(0, size)] || size == 0 {
            return Ok(None);
        }
        extents.push((size, 0));
        Ok(Some(Self(extents)))
    }

    /// Makes `header` that of a sparse file, and gives what follows it: the rest of the extents, and
    /// their data.
    ///
    /// # Errors
    ///
    /// Where the file cannot be duplicated.
    pub fn entry(
        self,
        header: &mut Header,
        file: &File,
        size: u64,
    ) -> io::Result<impl Read + use<>> {
        let Self(extents) = self;
        header.set_entry_type(EntryType::GNUSparse);
        header.set_size(extents.iter().map(|(_, len)| len).sum());
        let mut rest = Vec::new();
        if let Some(gnu) = header.as_gnu_mut() {
            gnu.set_real_size(size);
            let (first, others) = extents.split_at(extents.len().min(gnu.sparse.len()));
            for (place, (offset, len)) in gnu.sparse.iter_mut().zip(first) {
                place.set_offset(*offset);
                place.set_length(*len);
            }
            gnu.set_is_extended(!others.is_empty());
            rest = further(others);
        }
        Ok(io::Cursor::new(rest).chain(Data::new(file.try_clone()?, extents)))
    }
}

/// The headers for the extents that the first has no room for.
fn further(extents: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let room = GnuExtSparseHeader::new().sparse.len();
    let mut chunks = extents.chunks(room).peekable();
    while let Some(chunk) = chunks.next() {
        let mut header = GnuExtSparseHeader::new();
        for (place, (offset, len)) in header.sparse.iter_mut().zip(chunk) {
            place.set_offset(*offset);
            place.set_length(*len);
        }
        header.set_is_extended(chunks.peek().is_some());
        bytes.extend_from_slice(header.as_bytes());
    }
    bytes
}

/// The data of a file's extents, one after the other.
struct Data {
    file: File,
    extents: std::vec::IntoIter<(u64, u64)>,
    left: u64,
}

impl Data {
    fn new(file: File, extents: Vec<(u64, u64)>) -> Self {
        Self {
            file,
            extents: extents.into_iter(),
            left: 0,
        }
    }
}

impl Read for Data {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some((offset, len)) = self.extents.next() else {
                return Ok(0);
            };
            self.file.seek(SeekFrom::Start(offset))?;
            self.left = len;
        }
        let most = buffer.len().min(self.left as usize);
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file with a page of data at each of these pages, and its size in pages.
    fn file(pages: &[u64], size: u64) -> File {
        let mut file = tempfile::tempfile_in("/dev/shm").unwrap();
        for page in pages {
            file.seek(SeekFrom::Start(page * 4096)).unwrap();
            file.write_all(&[*page as u8 + 1; 4096]).unwrap();
        }
        file.set_len(size * 4096).unwrap();
        file
    }

    fn read_back(pages: &[u64], size: u64) -> Vec<u8> {
        let file = file(pages, size);
        let mut header = Header::new_gnu();
        let extents = Extents::of(&file, size * 4096).unwrap().unwrap();
        let data = extents.entry(&mut header, &file, size * 4096).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_data(&mut header, "name", data).unwrap();
        let bytes = tar.into_inner().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut found = Vec::new();
        entry.read_to_end(&mut found).unwrap();
        found
    }

    fn expected(pages: &[u64], size: u64) -> Vec<u8> {
        let mut bytes = vec![0; size as usize * 4096];
        for page in pages {
            let start = *page as usize * 4096;
            bytes[start..start + 4096].fill(*page as u8 + 1);
        }
        bytes
    }

    #[test]
    fn files_with_holes_are_read_back() {
        let many: Vec<u64> = (0..60).map(|n| n * 2 + 1).collect();
        for (pages, size) in [(&[1, 5][..], 9), (&[][..], 3), (&[0][..], 2), (&many, 130)] {
            let same = read_back(pages, size) == expected(pages, size);
            assert!(same, "{pages:?} of {size}");
        }
    }

    #[test]
    fn a_file_without_holes_is_none() {
        let mut dense = file(&[0, 1], 2);
        assert_eq!(Extents::of(&dense, 2 * 4096).unwrap(), None);
        assert_eq!(dense.stream_position().unwrap(), 0);
        assert_eq!(Extents::of(&file(&[], 0), 0).unwrap(), None);
    }
}
