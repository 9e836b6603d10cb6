//! The marks that CRIU leaves in a task it restored under another kernel.
//!
//! Such a task has two vDSOs: the one it was dumped with, now plain memory
//! whose functions jump on, and that of the running kernel, with a mark over
//! its ELF header. The second is left out of a dump and made anew by the next
//! restore; the first is the task's vDSO.

use commensal_sys::{Pid, RemoteAddr, process_vm};

use super::classify::refusal;
use super::{Kind, Mapping};
use crate::Result;

/// `CRIUvDSO`, `criuvDSO` and `criuvdso`: what marks begin with, newest first.
const SIGNATURES: [&[u8; 8]; 3] = [b"CRIUvDSO", b"criuvDSO", b"criuvdso"];

/// The version of marks of the newest kind.
const VERSION: u64 = 3;

/// Where the pieces of the two vDSOs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// The task's vDSO.
    vdso: u64,
    /// The task's vDSO's data.
    vvar: Option<u64>,
    /// The running kernel's vDSO's data.
    runtime_vvar: Option<u64>,
}

impl Mark {
    /// Length of a mark: signature, vdso, version, vvar, runtime vvar.
    const LEN: usize = 40;

    /// The mark in these bytes: none where there is no signature, an error
    /// where its version is unknown.
    fn parse(bytes: &[u8; Self::LEN]) -> Result<Option<Self>, u64> {
        let word = |index: usize| {
            let word = bytes[index * 8..][..8].try_into().expect("eight bytes");
            u64::from_le_bytes(word)
        };
        let Some(age) = SIGNATURES
            .iter()
            .position(|signature| bytes.starts_with(*signature))
        else {
            return Ok(None);
        };
        // Marks of the two older kinds are shorter; what follows them is no mark.
        let known = |index, oldest| (age <= oldest).then(|| word(index));
        match word(2) {
            version if age == 0 && version != VERSION => Err(version),
            _ => Ok(Some(Self {
                vdso: word(1),
                vvar: known(3, 1),
                runtime_vvar: known(4, 0),
            })),
        }
    }
}

/// Gives the task's own vDSO its kind back and leaves the running kernel's
/// out, where the task has a mark.
pub(super) fn resolve(pid: Pid, mut list: Vec<Mapping>) -> Result<Vec<Mapping>> {
    let vdsos: Vec<usize> = (0..list.len())
        .filter(|index| list[*index].kind == Kind::Vdso)
        .collect();
    for index in vdsos {
        let range = list[index].range();
        let mut bytes = [0; Mark::LEN];
        process_vm::read(pid, range.start(), &mut bytes)?;
        let mark = Mark::parse(&bytes).map_err(|version| {
            refusal(
                pid,
                range,
                "a vDSO that another CRIU has marked",
                &format!("its mark has the unknown version {version}"),
                "dump it with the CRIU that restored it",
            )
        })?;
        if let Some(mark) = mark {
            apply(mark, range.start(), &mut list);
            break;
        }
    }
    Ok(list)
}

/// `runtime` is the start of the vDSO that has the mark.
fn apply(mark: Mark, runtime: RemoteAddr, list: &mut Vec<Mapping>) {
    list.retain(|mapping| {
        let start = mapping.range().start();
        let vvar = mapping.kind == Kind::Vvar && mark.runtime_vvar == Some(start.get());
        start != runtime && !vvar
    });
    for mapping in list {
        let start = mapping.range().start().get();
        if start == mark.vdso {
            mapping.kind = Kind::Vdso;
        } else if mark.vvar == Some(start) {
            mapping.kind = Kind::Vvar;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::maps::MapsLine;
    use crate::proc::smaps::VmFlags;

    fn mark(signature: &[u8; 8], version: u64) -> [u8; Mark::LEN] {
        let words = [0x1000u64, version, 0x3000, 0x5000]
            .map(u64::to_le_bytes)
            .concat();
        [&signature[..], &words]
            .concat()
            .try_into()
            .expect("forty bytes")
    }

    #[test]
    fn each_kind_of_mark_is_read_as_far_as_it_goes() {
        let newest = Mark {
            vdso: 0x1000,
            vvar: Some(0x3000),
            runtime_vvar: Some(0x5000),
        };
        assert_eq!(Mark::parse(&mark(b"CRIUvDSO", 3)), Ok(Some(newest)));
        let older = Mark {
            runtime_vvar: None,
            ..newest
        };
        assert_eq!(Mark::parse(&mark(b"criuvDSO", 2)), Ok(Some(older)));
        let oldest = Mark {
            vvar: None,
            ..older
        };
        assert_eq!(Mark::parse(&mark(b"criuvdso", 0)), Ok(Some(oldest)));
        assert_eq!(Mark::parse(&mark(b"CRIUvDSO", 4)), Err(4));
        assert_eq!(Mark::parse(&mark(b"\x7fELF\x02\x01\x01\0", 3)), Ok(None));
    }

    #[test]
    fn the_running_kernels_vdso_is_left_out() {
        let mapping = |start: u64, kind| Mapping {
            line: MapsLine::parse(
                format!("{start:x}-{:x} r-xp 0 00:00 0", start + 0x1000).as_bytes(),
            )
            .expect("a line"),
            flags: VmFlags::default(),
            page_size: 4096,
            forked: false,
            protection_key: 0,
            kind,
            file: None,
        };
        let mut list = vec![
            mapping(0x1000, Kind::Anonymous),
            mapping(0x3000, Kind::Anonymous),
            mapping(0x5000, Kind::Vvar),
            mapping(0x6000, Kind::Vdso),
            mapping(0x8000, Kind::Anonymous),
        ];
        let mark = Mark {
            vdso: 0x1000,
            vvar: Some(0x3000),
            runtime_vvar: Some(0x5000),
        };
        apply(mark, RemoteAddr::new(0x6000), &mut list);
        let left: Vec<_> = list
            .iter()
            .map(|m| (m.range().start().get(), m.kind))
            .collect();
        let expected = [
            (0x1000, Kind::Vdso),
            (0x3000, Kind::Vvar),
            (0x8000, Kind::Anonymous),
        ];
        assert_eq!(left, expected);
    }
}
