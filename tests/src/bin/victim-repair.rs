//! `victim-repair`: a TCP connection that is read without a pause and never has anything to give.
//! Says `ready` and its descriptor's number, and ends with a message should a read fail.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let _silent = listener.accept().expect("the connection");
    stream.set_nonblocking(true).expect("a flag");
    println!("ready {}", stream.as_raw_fd());
    loop {
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("the connection gave {other:?}"),
        }
    }
}
