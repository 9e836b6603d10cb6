//! What is found together against what is found of each mapping.

use std::process::{Command, Stdio};

use commensal_sys::{PAGE_SIZE, Pid};

use super::super::private::TaskPages;
use super::super::scanner::Scanner;
use super::super::{Allow, MappedFileCache};
use super::*;

/// The pages that matter of each mapping, and the guarded ones.
fn found(scanner: &Scanner<'_>, mappings: &Mappings) -> (Vec<Vec<u64>>, TaskPages) {
    let mut found = TaskPages::default();
    let pages = mappings.iter().map(|mapping| {
        let mut pages = Vec::new();
        let add = &mut |run: super::super::pagemap::Run| {
            pages.extend(run.range.as_u64().step_by(PAGE_SIZE as usize));
            Ok(())
        };
        scanner.mapping(mapping, &mut found, add).unwrap();
        pages
    });
    (pages.collect(), found)
}

#[test]
fn what_is_found_together_is_what_is_found_of_each() {
    let mut child = Command::new("python3")
        .args([
            "-c",
            "import mmap, os, sys\n\
             many = [mmap.mmap(-1, 4096 * n, prot=mmap.PROT_READ | mmap.PROT_WRITE) for n in range(1, 40)]\n\
             for one in many[::2]: one[0] = 1\n\
             large = mmap.mmap(-1, 8 << 20)\n\
             large[5 << 20] = 1\n\
             many[30].madvise(102, 4096, 8192) if sys.argv[1] == 'guards' else None\n\
             os.write(1, b'.')\n\
             os.read(0, 1)",
            if knows_guards() { "guards" } else { "" },
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut stdout, &mut [0]).unwrap();
    let pid = Pid::new(child.id() as i32).unwrap();
    while crate::proc::Stat::read(pid).unwrap().state != b'S' {
        std::thread::yield_now();
    }
    let mappings = Mappings::read(pid, &mut MappedFileCache::default(), Allow::default()).unwrap();
    let each = found(&Scanner::new(pid, None).unwrap(), &mappings);
    let together = found(&Scanner::of_all(&mappings, None).unwrap(), &mappings);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(together, each);
    assert!(each.0.iter().filter(|pages| !pages.is_empty()).count() > 10);
    assert_eq!(each.1.guards.is_empty(), !knows_guards());
    let groups = Neighbours::of(&mappings).groups;
    assert!(groups.len() * 4 < mappings.len(), "{groups:?}");
}

/// Whether guard pages are reported (Linux 6.15).
fn knows_guards() -> bool {
    let release = rustix::system::uname()
        .release()
        .to_str()
        .unwrap()
        .to_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
    version >= (6, 15)
}
