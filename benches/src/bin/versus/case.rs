//! What is dumped.

/// What a target has much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    Memory,
    /// Memory of which one page in a hundred is written to every second; we pre-copy it.
    Changing,
    /// The same of a program that is always at work; we pre-copy it.
    Busy,
    Threads,
    Descriptors,
    Processes,
}

impl Thing {
    /// Those that the plots show.
    pub const PLOTTED: [Self; 4] = [
        Self::Memory,
        Self::Threads,
        Self::Descriptors,
        Self::Processes,
    ];

    /// Whether we copy most of it before it stands still.
    pub const fn is_pre_copied(self) -> bool {
        matches!(self, Self::Changing | Self::Busy)
    }

    /// Its name, also as an argument of `bench-target`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Changing => "changing",
            Self::Busy => "busy",
            Self::Threads => "threads",
            Self::Descriptors => "descriptors",
            Self::Processes => "processes",
        }
    }

    /// What its amount counts.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Memory => "MiB of memory",
            Self::Changing => "MiB, 1 % written a second, pre-copied",
            Self::Busy => "MiB of a busy program, pre-copied",
            Self::Threads => "threads",
            Self::Descriptors => "descriptors",
            Self::Processes => "processes",
        }
    }

    /// The amounts that the plots show.
    const fn amounts(self) -> &'static [usize] {
        match self {
            Self::Memory => &[16, 64, 256, 1024, 2048, 4096],
            Self::Changing | Self::Busy => &[],
            Self::Threads => &[1, 10, 100, 500, 1000, 2000],
            Self::Descriptors => &[10, 100, 1000, 3000, 10_000],
            Self::Processes => &[1, 10, 50, 100, 200, 300],
        }
    }
}

/// One target: this much of this thing.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub thing: Thing,
    pub amount: usize,
}

impl Case {
    /// The cases of the table.
    pub fn table() -> Vec<Self> {
        let case = |thing, amount| Self { thing, amount };
        vec![
            case(Thing::Memory, 1),
            case(Thing::Memory, 1024),
            case(Thing::Changing, 1024),
            case(Thing::Threads, 500),
            case(Thing::Descriptors, 1000),
            case(Thing::Processes, 100),
        ]
    }

    /// The cases of the plots.
    pub fn growth() -> Vec<Self> {
        let of = |thing: Thing| {
            let amounts = thing.amounts().iter();
            amounts.map(move |&amount| Self { thing, amount })
        };
        Thing::PLOTTED.into_iter().flat_map(of).collect()
    }

    /// The case whose loss of work is measured.
    pub const fn busy() -> Self {
        Self {
            thing: Thing::Busy,
            amount: 1024,
        }
    }

    /// For people: `1024 MiB of memory`.
    pub fn name(&self) -> String {
        format!("{} {}", self.amount, self.thing.unit())
    }
}
