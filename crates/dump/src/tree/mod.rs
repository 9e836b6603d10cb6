//! Which tasks there are, and stopping all of them.

mod freeze;
mod frozen;
mod group;
pub mod ids;
pub mod image;
pub mod namespaces;
mod walk;

pub use freeze::{Candidates, candidates, freeze};
pub use frozen::{Body, Frozen, Member};
pub use group::Group;
pub use walk::{Seen, walk};
