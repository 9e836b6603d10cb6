//! Descriptors of real processes, dumped from outside and read back from the images.
//!
//! A victim is a shell that waits for its input; what it has as output and error output is what a
//! test is about.

mod kernel_objects;
mod lost_names;
mod paths;
mod pipes;
mod terminals;
mod victim;
