//! `criu page-server`.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use super::Judge;
use crate::harness::wait_for;

/// A page server that waits for one dump; killed when dropped.
#[derive(Debug)]
pub struct PageServer {
    child: Child,
    port: u16,
}

impl Judge {
    /// Start a page server that writes into `images`, with further arguments; it listens.
    pub fn page_server(&self, images: &Path, arguments: &[&str]) -> PageServer {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let child = self
            .command("usr/sbin/criu")
            .args([
                "page-server",
                "--no-default-config",
                "--address",
                "127.0.0.1",
            ])
            .args(["-o", "page-server.log", "--port", &port.to_string()])
            .arg("--images-dir")
            .arg(images)
            .args(arguments)
            .stdin(Stdio::null())
            .spawn();
        let server = PageServer {
            child: child.expect("the judge starts"),
            port,
        };
        wait_for("the page server to listen", || {
            is_listening(port).then_some(())
        });
        server
    }
}

impl PageServer {
    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> String {
        self.port.to_string()
    }

    /// Wait for its end, after the dump that it served.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether somebody listens on the port (`/proc/net/tcp`, state 0A).
fn is_listening(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/tcp").expect("/proc is mounted");
    let address = format!("0100007F:{port:04X}");
    sockets.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(1) == Some(&address.as_str()) && fields.get(3) == Some(&"0A")
    })
}
