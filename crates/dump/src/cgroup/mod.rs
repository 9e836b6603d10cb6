//! Control groups (cgroups(7)): which set of groups each thread is in, and
//! what those groups are, so that a restore can make them again.
//!
//! - `freezer`: stopping a whole group;
//! - `sets`: the distinct sets, numbered;
//! - `namespace`: where the tasks' cgroup namespace begins;
//! - `hierarchy`: the groups of one hierarchy, from its own mount;
//! - `properties`: the files of a group that are saved;
//! - `selection`: which those are.

mod freezer;
mod hierarchy;
mod namespace;
mod properties;
mod selection;
mod sets;

pub use freezer::Freezer;
pub use selection::{CgroupSelection, ParsePropertiesError};
pub use sets::Cgroups;
