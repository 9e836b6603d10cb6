//! Terminals.

use std::os::fd::OwnedFd;

use commensal_dump::files::Drained;
use commensal_dump::{Options, Then};
use commensal_images::Image;
use commensal_images::messages::{FdTypes, TtyDataEntry, TtyInfoEntry, TtyType};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::victim::{Victim, dump, dump_and_then, null, refusal};

fn pty() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = rustix::fs::open(
        name,
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .unwrap();
    (master, slave)
}

#[test]
fn a_pair_has_its_modes_and_its_size() {
    let (master, slave) = pty();
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let mut modes = tcgetattr(&slave).unwrap();
    modes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
    let dumped = dump(&[&Victim::with(master, slave)], &Options::default()).unwrap();

    let (master, slave) = (dumped.file(0, 1), dumped.file(0, 2));
    assert_eq!(
        (master.r#type(), slave.r#type()),
        (FdTypes::Tty, FdTypes::Tty)
    );
    let (master, slave) = (master.tty.as_ref().unwrap(), slave.tty.as_ref().unwrap());
    assert_eq!(master.tty_info_id, slave.tty_info_id + 1);
    let infos: Vec<TtyInfoEntry> = dumped.images.all(Image::TtyInfo).unwrap();
    assert_eq!(infos.len(), 2);
    for info in &infos {
        assert_eq!(info.r#type(), TtyType::Pty);
        assert_eq!(
            info.winsize.as_ref().map(|size| (size.ws_row, size.ws_col)),
            Some((24, 80))
        );
        assert_eq!((info.sid, info.locked), (0, false));
    }
    let slave_info = infos
        .iter()
        .find(|info| info.id == slave.tty_info_id)
        .unwrap();
    assert_eq!(
        slave_info.termios.as_ref().unwrap().c_lflag,
        tcgetattr_lflag(&modes),
        "raw as it was set"
    );
    let path = dumped
        .files
        .iter()
        .find(|file| Some(file.id) == slave.regf_id)
        .unwrap();
    assert!(path.reg.as_ref().unwrap().name.starts_with(b"/dev/pts/"));
}

fn tcgetattr_lflag(modes: &rustix::termios::Termios) -> u32 {
    modes.local_modes.bits()
}

#[test]
fn a_slave_without_its_master_is_a_job_of_a_shell() {
    let (_master, slave) = pty();
    let victim = Victim::with(slave, null());
    let refusal = refusal(&victim, &Options::default());
    assert!(refusal.what.contains("master is outside"), "{refusal}");
    assert!(refusal.remedy.contains("--shell-job"));

    let options = Options {
        shell_job: true,
        ..Options::default()
    };
    let dumped = dump(&[&victim], &options).unwrap();
    assert_eq!(dumped.file(0, 1).r#type(), FdTypes::Tty);
}

#[test]
fn a_terminal_that_hung_up_has_no_modes() {
    let (master, slave) = pty();
    drop(master);
    let dumped = dump(&[&Victim::with(slave, null())], &Options::default()).unwrap();
    let infos: Vec<TtyInfoEntry> = dumped.images.all(Image::TtyInfo).unwrap();
    assert_eq!(infos.len(), 1);
    assert_eq!(infos[0].termios, None);
}

#[test]
fn unread_data_is_taken_only_from_a_tree_that_will_be_killed() {
    let (master, slave) = pty();
    let mut modes = tcgetattr(&slave).unwrap();
    modes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
    let (ours, theirs) = (master.try_clone().unwrap(), slave.try_clone().unwrap());
    let victim = Victim::with(master, slave);
    rustix::io::write(&theirs, b"output").unwrap();

    let resumed = dump_and_then(&[&victim], &Options::default(), |done| {
        assert_eq!(done.unread_data.leave(), 1, "it is told");
        Ok(())
    });
    assert_eq!(
        resumed
            .unwrap()
            .images
            .all::<TtyDataEntry>(Image::TtyData)
            .unwrap(),
        []
    );
    assert!(holds(&ours, 6), "it is still there");

    let options = Options {
        then: Then::Kill,
        ..Options::default()
    };
    // A tree that was to be killed and is not, because a script failed, has it back.
    dump_and_then(&[&victim], &options, |done| {
        done.unread_data.drain().map(drop)
    })
    .unwrap();
    assert!(holds(&ours, 6), "it was put back");

    let killed = dump_and_then(&[&victim], &options, |done| {
        done.unread_data.drain().map(Drained::forget)
    })
    .unwrap();
    let data: Vec<TtyDataEntry> = killed.images.all(Image::TtyData).unwrap();
    let master_id = killed.file(0, 1).tty.as_ref().unwrap().tty_info_id;
    assert_eq!(
        data,
        [TtyDataEntry {
            tty_id: master_id,
            data: b"output".to_vec()
        }]
    );
}

/// Waits until `len` bytes can be read: they reach a terminal's other side by
/// way of a kernel worker.
fn holds(terminal: &OwnedFd, len: u64) -> bool {
    let timeout = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let readable = poll(&mut [PollFd::new(terminal, PollFlags::IN)], Some(&timeout));
    readable == Ok(1) && rustix::io::ioctl_fionread(terminal) == Ok(len)
}
