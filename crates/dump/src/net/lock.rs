//! Holding back the packets of connections that are being saved.
//!
//! Two locks follow one another. While the tree is frozen it is a table of
//! nftables that belongs to a netlink socket of ours (`NFT_TABLE_F_OWNER`):
//! the kernel removes it when the socket closes, however we end, so a dumper
//! that dies cuts nobody off. Once the tree has been killed, or left stopped
//! for a restore, the lock must outlast us until the restore: that one has the name and the form in which
//! CRIU's restore looks for it. Where nftables is missing the first lock is a
//! chain of iptables, which the caretaker removes if we die.

use std::ffi::CString;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use super::address::Connection;
use crate::{Error, NetworkLock, Result};
use commensal_seized::later;

mod iptables;
mod nft;

/// A lock that goes when it is dropped.
#[derive(Default)]
pub struct Lock {
    held: Vec<Connection>,
    table: Option<Held>,
}

enum Held {
    Nft(nft::Table),
    Iptables(iptables::Chain),
    /// Somebody else has locked the network.
    Skip,
}

impl Lock {
    /// Sets the lock up, still without a connection; gives the shell command
    /// that removes it if we die, where the kernel does not do so itself.
    ///
    /// # Errors
    ///
    /// Where neither nftables nor iptables can be used.
    pub fn set_up(&mut self, method: NetworkLock) -> Result<Option<CString>> {
        if self.table.is_some() {
            return Ok(None);
        }
        let name = own_name();
        let (table, undo) = match method {
            NetworkLock::Skip => (Held::Skip, None),
            _ => match nft::Table::create_owned(&name) {
                Ok(table) => (Held::Nft(table), None),
                Err(reason) => {
                    later(move || tracing::info!(%reason, "no nftables, locking with iptables"));
                    let undo = iptables::undo_command(&name);
                    (Held::Iptables(iptables::Chain::new(name)), Some(undo))
                }
            },
        };
        self.table = Some(table);
        Ok(undo)
    }

    /// Sets the lock up in another namespace than that in which it will be held and released: for
    /// that it has to be of nftables.
    ///
    /// # Errors
    ///
    /// Where nftables cannot be used.
    pub fn set_up_elsewhere(&mut self, method: NetworkLock) -> Result<()> {
        self.table = Some(match method {
            NetworkLock::Skip => Held::Skip,
            _ => Held::Nft(nft::Table::create_owned(&own_name()).map_err(failed)?),
        });
        Ok(())
    }

    /// Holds back the packets of these connections, both ways, from now on.
    pub fn hold(&mut self, connections: &[Connection]) -> Result<()> {
        let connections: Vec<_> = connections.iter().map(|c| c.unmapped()).collect();
        match &mut self.table {
            Some(Held::Nft(table)) => table.hold(&connections),
            Some(Held::Iptables(chain)) => chain.hold(&connections),
            Some(Held::Skip) | None => Ok(()),
        }
        .map_err(failed)?;
        self.held.extend(connections);
        Ok(())
    }

    /// Lets all packets through again.
    pub fn release(&mut self) -> Result<()> {
        self.held.clear();
        match self.table.take() {
            Some(Held::Iptables(chain)) => chain.remove().map_err(failed),
            // Closing the owner's socket removes the table.
            _ => Ok(()),
        }
    }

    /// Puts the lock that a restore removes in this one's place.
    pub fn leave_to_restore(&mut self, method: NetworkLock, run_id: &str) -> Result<()> {
        match method {
            NetworkLock::Skip => {}
            _ if self.held.is_empty() => {}
            NetworkLock::Nftables => {
                nft::Table::create_for_restore(run_id, &self.held).map_err(failed)?
            }
            NetworkLock::Iptables => iptables::insert_for_restore(&self.held).map_err(failed)?,
        }
        self.release()
    }

    /// Puts a lock of all packets of our network namespace in this one's place, which a restore
    /// removes: of nftables, as that in the images. None where the caller locks.
    pub fn leave_all_to_restore(&mut self, method: NetworkLock, run_id: &str) -> Result<()> {
        if method != NetworkLock::Skip {
            nft::Table::create_for_all(run_id).map_err(failed)?;
        }
        self.release()
    }
}

/// What a restore finds in the packet filter of a network namespace that it makes: a lock of all
/// packets, as [`Lock::leave_all_to_restore`] leaves it.
pub fn in_images(run_id: &str) -> String {
    nft::text_for_all(run_id)
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            later(move || tracing::error!(%error, "the network lock could not be removed"));
        }
    }
}

/// A name that no other dump of this machine has now.
fn own_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("commensal-{}-{count}", std::process::id())
}

fn failed(source: io::Error) -> Error {
    Error::NetworkLock { source }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::net::address::Endpoint;

    /// Longer than a loopback round trip by far, shorter than a person's patience.
    const SILENCE: Duration = Duration::from_millis(300);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn end(address: std::net::SocketAddr) -> Endpoint {
        Endpoint {
            ip: address.ip(),
            port: address.port(),
        }
    }

    /// A connection over loopback, seen from its first socket.
    fn connected(address: &str) -> (TcpStream, TcpStream, Connection) {
        let listener = TcpListener::bind(address).unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let theirs = listener.accept().unwrap().0;
        let connection = Connection {
            local: end(ours.local_addr().unwrap()),
            peer: end(ours.peer_addr().unwrap()),
        };
        (ours, theirs, connection)
    }

    fn arrives(stream: &mut TcpStream, within: Duration) -> bool {
        stream.set_read_timeout(Some(within)).unwrap();
        stream.read_exact(&mut [0]).is_ok()
    }

    /// Both methods, both families: packets are held back both ways, and only
    /// those of the connection; once the lock is gone TCP sends them again.
    fn holds_until_it_goes(method: NetworkLock, force_iptables: bool, address: &str) {
        let (mut ours, mut theirs, connection) = connected(address);
        let (mut other, mut other_peer, _) = connected(address);
        let mut lock = Lock::default();
        if force_iptables {
            let chain = iptables::Chain::new(format!("commensal-t{}", connection.local.port));
            lock.table = Some(Held::Iptables(chain));
        } else {
            assert!(lock.set_up(method).unwrap().is_none());
        }
        lock.hold(&[connection]).unwrap();
        ours.write_all(b"x").unwrap();
        theirs.write_all(b"y").unwrap();
        other.write_all(b"z").unwrap();
        assert!(arrives(&mut other_peer, PATIENCE));
        assert!(!arrives(&mut theirs, SILENCE));
        assert!(!arrives(&mut ours, SILENCE));
        drop(lock);
        assert!(arrives(&mut theirs, PATIENCE));
        assert!(arrives(&mut ours, PATIENCE));
    }

    #[test]
    fn nftables_hold_packets_until_the_lock_is_dropped() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            holds_until_it_goes(NetworkLock::Nftables, false, address);
        }
    }

    #[test]
    fn iptables_hold_packets_until_the_lock_is_dropped() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            holds_until_it_goes(NetworkLock::Iptables, true, address);
        }
    }

    #[test]
    fn the_lock_for_the_restore_is_where_criu_looks_for_it() {
        let (mut ours, mut theirs, connection) = connected("127.0.0.1:0");
        let run_id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        nft::Table::create_for_restore(run_id, &[connection]).unwrap();
        ours.write_all(b"x").unwrap();
        assert!(!arrives(&mut theirs, SILENCE));
        // CRIU runs "delete table" with the name cut to 31 characters.
        let name = &format!("inet CRIU-{run_id}")[..31];
        let nft = std::process::Command::new("nft")
            .args(["delete", "table"])
            .args(name.split(' '))
            .status();
        assert!(nft.unwrap().success());
        assert!(arrives(&mut theirs, PATIENCE));
    }

    #[test]
    fn the_lock_in_images_is_what_nft_makes_of_it() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};

        // A new namespace of this thread's alone, which takes root.
        if commensal_sys::namespace::unshare_network().is_err() {
            return;
        }
        let run_id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let mut nft = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = in_images(run_id);
        nft.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(nft.wait().unwrap().success());
        let name = &format!("CRIU-{run_id}")[..26];
        let list = ["list", "table", "inet", name];
        let table = Command::new("nft").args(list).output().unwrap();
        let table = String::from_utf8(table.stdout).unwrap();
        for hook in ["input", "output"] {
            assert!(table.contains(&format!("hook {hook} priority")), "{table}");
        }
        assert_eq!(table.matches("policy drop").count(), 2, "{table}");
        assert_eq!(table.matches("0x0000c114 accept").count(), 2, "{table}");
    }
}
