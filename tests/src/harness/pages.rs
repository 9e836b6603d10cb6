//! Fetching the memory of a tree from its dump, as `criu lazy-pages` does.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use commensal_images::{Image, PageRun, PageSource, Pagemap};

/// The length of a page, in bytes.
const PAGE: usize = 4096;

/// A command asks for pages.
const GET: u64 = 7;
/// A command says that no more are needed.
const CLOSE: u64 = 0x1023;

/// Who asks a dump for pages.
#[derive(Debug)]
pub struct PageClient(TcpStream);

impl PageClient {
    /// Connect to a dump that listens on a port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Where it does not listen.
    pub fn connect(port: u16) -> io::Result<Self> {
        TcpStream::connect(("127.0.0.1", port)).map(Self)
    }

    /// Ask for the page at `address` of the task `id`; gives the head of the answer and the page.
    ///
    /// # Errors
    ///
    /// Where the dump has gone.
    pub fn ask(&mut self, id: u64, address: u64) -> io::Result<([u64; 4], Vec<u8>)> {
        self.say([GET, 1, address, id])?;
        let mut head = [0; 4];
        for word in &mut head {
            let mut bytes = [0; 8];
            self.0.read_exact(&mut bytes)?;
            *word = u64::from_le_bytes(bytes);
        }
        let mut page = vec![0; PAGE];
        self.0.read_exact(&mut page)?;
        Ok((head, page))
    }

    /// Say that no more is needed, and wait for the answer.
    ///
    /// # Errors
    ///
    /// Where the dump has gone.
    pub fn close(mut self) -> io::Result<()> {
        self.say([CLOSE, 0, 0, 0])?;
        self.0.read_exact(&mut [0; 4])
    }

    fn say(&mut self, command: [u64; 4]) -> io::Result<()> {
        self.0.write_all(&command.map(u64::to_le_bytes).concat())
    }
}

/// The port on which a dump gives its pages, by its log `dump.log`; none where it does not yet.
pub fn port(images: &Path) -> Option<u16> {
    let log = fs::read_to_string(images.join("dump.log")).ok()?;
    let (_, port) = log.split_once("Using ")?;
    let (port, _) = port.split_once(' ')?;
    port.parse().ok()
}

/// The addresses of the pages that stay in a task.
///
/// # Panics
///
/// Where the images have no pagemap of it.
pub fn lazy(images: &Path, id: u64) -> Vec<u64> {
    let image = Image::Pagemap(id);
    let file = File::open(images.join(image.file_name())).expect("a pagemap");
    let runs = Pagemap::read(image, file).expect("a pagemap").runs;
    let lazy = runs.iter().filter(|run| run.source == PageSource::Lazy);
    let pages = |run: &PageRun| (run.vaddr..run.end()).step_by(PAGE);
    lazy.flat_map(pages).collect()
}

/// The tasks whose memory is in the images.
///
/// # Errors
///
/// Where the images cannot be listed.
pub fn tasks(images: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(images)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let number = name
            .strip_prefix("pagemap-")
            .and_then(|name| name.strip_suffix(".img"));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(found)
}
