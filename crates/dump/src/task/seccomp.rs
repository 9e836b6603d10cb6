//! Seccomp filters of all threads (seccomp(2)), into one image.
//!
//! The image's filters form chains: a thread names its oldest filter, and each
//! filter names the next newer one as `prev`.

use commensal_images::messages::{SeccompEntry, SeccompFilter, SeccompMode, ThreadCoreEntry};
use commensal_sys::{Tid, seccomp};

use crate::Result;

/// `SECCOMP_FILTER_FLAG_TSYNC` (linux/seccomp.h).
const TSYNC: u32 = 1;

/// What one thread has of seccomp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seccomp {
    /// 0 none, 1 strict, 2 filter: as `/proc/PID/status` says.
    mode: u32,
    /// The oldest filter first.
    filters: Vec<Filter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter {
    program: Vec<u8>,
    flags: u32,
}

impl Seccomp {
    /// What a thread that this thread holds has, by the mode that its status
    /// says.
    ///
    /// # Errors
    ///
    /// EACCES where we may not read filters.
    pub fn of(tid: Tid, mode: u32) -> Result<Self> {
        let mut filters = Vec::new();
        if mode == SeccompMode::Filter as u32 {
            while let Some(program) = seccomp::filter(tid, filters.len() as u64)? {
                let flags = seccomp::filter_flags(tid, filters.len() as u64)?;
                filters.push(Filter {
                    program,
                    flags: flags.unwrap_or_default() as u32,
                });
            }
        }
        Ok(Self { mode, filters })
    }
}

/// The filters of all tasks, on their way into `seccomp.img`.
#[derive(Debug, Default)]
pub struct Filters {
    entry: SeccompEntry,
}

impl Filters {
    /// Adds the threads of one task, the leader first, and puts mode and chain
    /// into each one's image.
    ///
    /// A restore that installs the same chain in each thread would keep the
    /// program from synchronising its threads' filters later on. So where all
    /// have one chain, only the leader gets it, to be synchronised.
    pub fn task<'a>(
        &mut self,
        threads: impl IntoIterator<Item = (&'a Seccomp, &'a mut ThreadCoreEntry)>,
    ) {
        let mut threads = threads.into_iter();
        let Some((leader, core)) = threads.next() else {
            return;
        };
        let others: Vec<_> = threads.collect();
        let same = !leader.filters.is_empty()
            && others.iter().all(|(other, _)| other.same_programs(leader));
        self.thread(leader, core, if same { TSYNC } else { 0 });
        for (other, core) in others {
            if !same {
                self.thread(other, core, 0);
            }
        }
    }

    fn thread(&mut self, seccomp: &Seccomp, core: &mut ThreadCoreEntry, flags: u32) {
        if seccomp.mode == 0 {
            return;
        }
        core.seccomp_mode = Some(seccomp.mode as i32);
        let filters = &mut self.entry.seccomp_filters;
        let mut newer = None;
        for filter in seccomp.filters.iter().rev() {
            filters.push(SeccompFilter {
                filter: filter.program.clone(),
                prev: newer,
                flags: Some(filter.flags | flags),
            });
            newer = Some(filters.len() as u32 - 1);
        }
        core.seccomp_filter = newer;
    }

    /// The image.
    pub fn into_entry(self) -> SeccompEntry {
        self.entry
    }
}

impl Seccomp {
    fn same_programs(&self, other: &Self) -> bool {
        let programs = |of: &Self| {
            of.filters
                .iter()
                .map(|f| f.program.clone())
                .collect::<Vec<_>>()
        };
        self.mode == other.mode && programs(self) == programs(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(programs: &[u8]) -> Seccomp {
        Seccomp {
            mode: 2,
            filters: programs
                .iter()
                .map(|&byte| Filter {
                    program: vec![byte; 8],
                    flags: 2,
                })
                .collect(),
        }
    }

    fn image(threads: &[Seccomp]) -> (Vec<ThreadCoreEntry>, SeccompEntry) {
        let mut cores = vec![ThreadCoreEntry::default(); threads.len()];
        let mut filters = Filters::default();
        filters.task(threads.iter().zip(&mut cores));
        (cores, filters.into_entry())
    }

    #[test]
    fn a_chain_begins_with_the_oldest_filter() {
        let (cores, entry) = image(&[Seccomp::default(), with(&[1, 2])]);
        assert_eq!(cores[0].seccomp_mode, None);
        assert_eq!(
            (cores[1].seccomp_mode, cores[1].seccomp_filter),
            (Some(2), Some(1))
        );
        let filters = &entry.seccomp_filters;
        assert_eq!((filters[0].filter[0], filters[0].prev), (2, None));
        assert_eq!((filters[1].filter[0], filters[1].prev), (1, Some(0)));
        assert_eq!(filters[0].flags, Some(2));
    }

    #[test]
    fn threads_with_one_chain_are_synchronised() {
        let (cores, entry) = image(&[with(&[1]), with(&[1])]);
        assert_eq!(entry.seccomp_filters.len(), 1);
        assert_eq!(entry.seccomp_filters[0].flags, Some(2 | TSYNC));
        assert_eq!(
            (cores[0].seccomp_filter, cores[1].seccomp_mode),
            (Some(0), None)
        );
    }

    #[test]
    fn strict_mode_has_no_filter() {
        let strict = Seccomp {
            mode: 1,
            filters: vec![],
        };
        let (cores, entry) = image(&[strict]);
        assert_eq!(
            (cores[0].seccomp_mode, cores[0].seccomp_filter),
            (Some(1), None)
        );
        assert!(entry.seccomp_filters.is_empty());
    }
}
