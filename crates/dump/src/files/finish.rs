//! What can only be written or told when all descriptors of a tree are known.

use super::{FilesDump, Links, TunDevices, UnreadData, epoll, pipe, tty};
use crate::Result;
use crate::mm::SharedMemory;
use crate::net::Connections;

/// What is left to do when all files are written.
pub struct Finished<'s> {
    /// The memory files, whose contents are written with the shared memory of the tree.
    pub memory_files: SharedMemory,
    /// What is unread in terminals; to be drained last, and only of a tree that will be killed.
    pub unread_data: UnreadData<'s>,
    /// The names that were made for the restore; to be kept once the dump is complete.
    pub links: Links,
    /// The TCP connections, whose packets are held back until this is released.
    pub connections: Connections,
    /// The tun and tap interfaces that tasks of the tree have open.
    pub tun_devices: TunDevices,
}

impl<'s> FilesDump<'s> {
    /// Writes what can only be known when all tables are done, and gives what is still to do.
    ///
    /// # Errors
    ///
    /// A refusal where an epoll instance watches what no task has any more, or a terminal is of
    /// no session of the tree.
    pub fn finish(mut self) -> Result<Finished<'s>> {
        crate::net::finish(&mut self)?;
        epoll::finish(&mut self)?;
        tty::verify(&self)?;
        pipe::tell_outside_ends(&self);
        self.files.finish()?;
        self.pipes.finish()?;
        self.locks.finish()?;
        self.bpf_maps.finish()?;
        Ok(Finished {
            links: self.remaps.finish()?,
            memory_files: self.memory_files.finish()?,
            unread_data: self.terminals.finish()?,
            connections: self.sockets.finish()?,
            tun_devices: self.tun_devices,
        })
    }
}
