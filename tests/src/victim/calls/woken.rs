//! System calls that wait until somebody wakes them.

use std::io;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use super::{Waiting, at, at_mut, call, woken};

pub(super) fn on_a_pipe(name: &str) -> Waiting {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let fd = reader.as_raw_fd() as usize;
    let wake = move || writer.write_all(b"x").expect("a byte fits the pipe");
    let name = name.to_owned();
    let make = move || {
        let _open = &reader;
        match name.as_str() {
            "poll" => {
                let mut set = [libc::pollfd {
                    fd: fd as i32,
                    events: libc::POLLIN,
                    revents: 0,
                }];
                call(libc::SYS_poll, [at_mut(&mut set), 1, usize::MAX, 0, 0, 0])
            }
            "select" => {
                let mut set = [0u64; 16];
                set[fd / 64] |= 1 << (fd % 64);
                call(libc::SYS_select, [fd + 1, at_mut(&mut set), 0, 0, 0, 0])
            }
            "read-pipe" => {
                let mut byte = [0u8];
                call(libc::SYS_read, [fd, at_mut(&mut byte), 1, 0, 0, 0])
            }
            _ => {
                let epoll = call(libc::SYS_epoll_create1, [0; 6]) as usize;
                // struct epoll_event is packed: events, then eight bytes of data.
                let mut event = [1u32, 0, 0];
                call(
                    libc::SYS_epoll_ctl,
                    [epoll, 1, fd, at_mut(&mut event), 0, 0],
                );
                let (nr, mask) = match name.as_str() {
                    "epoll_wait" => (libc::SYS_epoll_wait, 0),
                    _ => (libc::SYS_epoll_pwait, at(&0u64)),
                };
                call(nr, [epoll, at_mut(&mut event), 1, usize::MAX, mask, 8])
            }
        }
    };
    woken(1, make, wake)
}

pub(super) fn futex() -> Waiting {
    let word: &'static std::sync::atomic::AtomicU32 = Box::leak(Box::default());
    let address = at(word);
    let make = move || call(libc::SYS_futex, [address, 128, 0, 0, 0, 0]);
    woken(0, make, move || {
        call(libc::SYS_futex, [address, 129, 1, 0, 0, 0]);
    })
}

pub(super) fn terminal() -> Waiting {
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let master = rustix::pty::openpt(flags).expect("a terminal");
    rustix::pty::unlockpt(&master).expect("an unlocked terminal");
    let name = rustix::pty::ptsname(&master, Vec::new()).expect("its name");
    let slave = rustix::fs::open(
        name.as_c_str(),
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
        rustix::fs::Mode::empty(),
    )
    .expect("its other end");
    let make = move || {
        let mut byte = [0u8; 2];
        call(
            libc::SYS_read,
            [slave.as_raw_fd() as usize, at_mut(&mut byte), 2, 0, 0, 0],
        )
    };
    woken(2, make, move || {
        rustix::io::write(&master, b"x\n").expect("a line fits");
        // Closed, it would hang up before the line is read.
        std::mem::forget(master);
    })
}

pub(super) fn recv() -> Waiting {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let make = move || {
        let mut byte = [0u8];
        call(
            libc::SYS_recvfrom,
            [ours.as_raw_fd() as usize, at_mut(&mut byte), 1, 0, 0, 0],
        )
    };
    woken(1, make, move || {
        theirs.write_all(b"x").expect("a byte fits")
    })
}

pub(super) fn accept() -> Waiting {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("victim-calls-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).expect("a short name");
    let listener = UnixListener::bind_addr(&address).expect("a free name");
    let make = move || {
        let fd = call(
            libc::SYS_accept,
            [listener.as_raw_fd() as usize, 0, 0, 0, 0, 0],
        );
        fd.min(0)
    };
    woken(0, make, move || {
        drop(UnixStream::connect_addr(&address).expect("a listener"))
    })
}

#[allow(clippy::zombie_processes)] // wait4 is what this is about.
pub(super) fn wait_for_child() -> Waiting {
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("cat");
    let (pid, stdin) = (child.id(), child.stdin.take());
    let make = move || call(libc::SYS_wait4, [child.id() as usize, 0, 0, 0, 0, 0]);
    woken(i64::from(pid), make, move || drop(stdin))
}

pub(super) fn semaphore() -> Waiting {
    let id = call(libc::SYS_semget, [0, 1, 0o600, 0, 0, 0]) as usize;
    // struct sembuf: number, operation, flags.
    let make = move || {
        let result = call(libc::SYS_semop, [id, at(&[0i16, -1, 0]), 1, 0, 0, 0]);
        call(libc::SYS_semctl, [id, 0, libc::IPC_RMID as usize, 0, 0, 0]);
        result
    };
    woken(0, make, move || {
        call(libc::SYS_semop, [id, at(&[0i16, 1, 0]), 1, 0, 0, 0]);
    })
}

pub(super) fn message() -> Waiting {
    let id = call(libc::SYS_msgget, [0, 0o600, 0, 0, 0, 0]) as usize;
    let make = move || {
        let mut buffer = [0u64; 2];
        let result = call(libc::SYS_msgrcv, [id, at_mut(&mut buffer), 8, 0, 0, 0]);
        call(libc::SYS_msgctl, [id, libc::IPC_RMID as usize, 0, 0, 0, 0]);
        result
    };
    woken(8, make, move || {
        call(libc::SYS_msgsnd, [id, at(&[1u64, 7]), 8, 0, 0, 0]);
    })
}

/// `victim-calls` blocks SIGUSR1 in all threads.
pub(super) fn signal() -> Waiting {
    let set = 1u64 << (libc::SIGUSR1 - 1);
    let tid = call(libc::SYS_gettid, [0; 6]) as usize;
    let make = move || call(libc::SYS_rt_sigtimedwait, [at(&set), 0, 0, 8, 0, 0]);
    woken(i64::from(libc::SIGUSR1), make, move || {
        call(libc::SYS_tkill, [tid, libc::SIGUSR1 as usize, 0, 0, 0, 0]);
    })
}

/// Waits for a read that is submitted when it is woken.
pub(super) fn aio() -> Waiting {
    let context: &'static mut u64 = Box::leak(Box::new(0));
    assert_eq!(
        call(libc::SYS_io_setup, [1, at_mut(context), 0, 0, 0, 0]),
        0
    );
    let context = *context as usize;
    let make = move || {
        let mut event = [0u64; 4];
        call(
            libc::SYS_io_getevents,
            [context, 1, 1, at_mut(&mut event), 0, 0],
        )
    };
    woken(1, make, move || {
        let file = std::fs::File::open("/proc/self/exe").expect("the program");
        let buffer: &'static mut [u8; 8] = Box::leak(Box::new([0; 8]));
        // struct iocb: data, key, opcode 0 (read), descriptor, buffer, length.
        let mut block = [0u64; 8];
        block[2] = (file.as_raw_fd() as u64) << 32;
        (block[3], block[4]) = (at_mut(buffer) as u64, 8);
        let blocks = [at(&block)];
        assert_eq!(
            call(libc::SYS_io_submit, [context, 1, at(&blocks), 0, 0, 0]),
            1
        );
    })
}
