//! Which tasks there are, and stopping all of them.

mod freeze;
mod group;
pub mod ids;
pub mod image;
pub mod namespaces;
mod walk;

pub use freeze::{Body, Candidates, Frozen, Member, candidates, freeze};
pub use group::Group;
pub use walk::{Seen, walk};
