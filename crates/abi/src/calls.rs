//! The system calls that the parasite makes.

/// A call: its name, its number, and its first argument where that is always
/// the same. A task whose seccomp filters would end it for one of these is not
/// entered: its filters apply again if the dumper dies in the middle.
pub type Call = (&'static str, u32, Option<u32>);

/// All calls of `parasite-asm`, in the order of their numbers.
pub const CALLS: [Call; 21] = [
    ("close", 3, None),
    ("mprotect", 10, None),
    ("brk", 12, None),
    ("rt_sigaction", 13, None),
    ("getitimer", 36, None),
    ("sendto", 44, None),
    ("recvfrom", 45, None),
    ("socketpair", 53, None),
    ("fcntl", 72, None),
    ("sigaltstack", 131, None),
    ("prctl(PR_GET_PDEATHSIG)", 157, Some(2)),
    ("prctl(PR_GET_DUMPABLE)", 157, Some(3)),
    ("prctl(PR_GET_SECUREBITS)", 157, Some(27)),
    ("prctl(PR_GET_CHILD_SUBREAPER)", 157, Some(37)),
    ("prctl(PR_GET_TID_ADDRESS)", 157, Some(40)),
    ("prctl(PR_GET_THP_DISABLE)", 157, Some(42)),
    ("prctl(PR_GET_MDWE)", 157, Some(66)),
    ("timer_gettime", 224, None),
    ("timer_getoverrun", 225, None),
    ("prlimit64", 302, None),
    ("membarrier", 324, None),
];
