//! The whole chain of states, on real processes.

use std::fs;
use std::process::{Child, Command, Stdio};

use commensal_daemonized::Daemonized;
use commensal_infected::{Infected, Pid, Seized, ask_alone};

/// `cat`, blocked in a read; killed and reaped at the end.
struct Target(Child);

impl Target {
    fn start() -> Self {
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let target = Self(child.unwrap());
        while !target.proc("syscall").starts_with("0 ") {
            std::thread::yield_now();
        }
        target
    }

    /// Python with six threads, which carries out `script` before.
    fn with_threads(script: &str) -> Self {
        let script = format!(
            "import threading,time\n{script}\n\
             ts=[threading.Thread(target=time.sleep,args=(600,),daemon=True) for _ in range(5)]\n\
             [t.start() for t in ts]\nprint('up',flush=True)\ntime.sleep(600)"
        );
        let mut child = Command::new("python3")
            .args(["-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
        Self(child)
    }

    fn pid(&self) -> Pid {
        Pid::new(self.0.id() as i32).unwrap()
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).unwrap()
    }

    /// The open numbers, and whether each is close-on-exec.
    fn descriptors(&self) -> Vec<(i32, bool)> {
        let names = fs::read_dir(format!("/proc/{}/fdinfo", self.0.id())).unwrap();
        let numbers = names.map(|name| name.unwrap().file_name().into_string().unwrap());
        let mut open: Vec<_> = numbers
            .map(|number| {
                let info = self.proc(&format!("fdinfo/{number}"));
                let flags = info
                    .lines()
                    .find_map(|line| line.strip_prefix("flags:\t"))
                    .unwrap();
                let cloexec = u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000 != 0;
                (number.parse().unwrap(), cloexec)
            })
            .collect();
        open.sort_unstable();
        open
    }

    fn table_size(&self) -> u32 {
        let status = self.proc("status");
        let size = status
            .lines()
            .find_map(|line| line.strip_prefix("FDSize:\t"))
            .unwrap();
        size.parse().unwrap()
    }

    /// What must be the same before and after.
    fn look(&self) -> (String, Vec<std::path::PathBuf>, String) {
        let fds = fs::read_dir(format!("/proc/{}/fd", self.0.id())).unwrap();
        let fds = fds
            .map(|fd| fs::read_link(fd.unwrap().path()).unwrap())
            .collect();
        let kept = |line: &&str| {
            [
                "State",
                "SigP",
                "SigB",
                "SigC",
                "Shd",
                "Threads",
                "TracerPid",
                "VmSize",
            ]
            .iter()
            .any(|name| line.starts_with(name))
        };
        let status: Vec<String> = self
            .proc("status")
            .lines()
            .filter(kept)
            .map(str::to_owned)
            .collect();
        (self.proc("maps"), fds, status.join("\n"))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The tracer is the parent here: it may have reaped the child already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the target sleeps again.
fn settle(target: &Target) {
    while !target.proc("syscall").starts_with("0 ") {
        std::thread::yield_now();
    }
}

#[test]
fn there_and_back_again() {
    let target = Target::start();
    let before = target.look();
    let task = Seized::seize(target.pid()).unwrap();
    let mut infected = Infected::infect(task).unwrap();
    infected.ping().unwrap();
    let tid = infected.tid();
    let own = infected.thread_info(tid).unwrap();
    assert_eq!(own.tid, target.pid().get());

    let mut daemon = Daemonized::daemonize(infected).unwrap();
    assert_eq!(daemon.thread_info().unwrap(), own);
    let info = daemon.task_info().unwrap();
    let limits = target.proc("limits");
    let nofile = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let fields: Vec<&str> = nofile.split_ascii_whitespace().collect();
    assert_eq!(info.rlimits[7].cur.to_string(), fields[3]);
    assert_eq!(info.rlimits[7].max.to_string(), fields[4]);
    assert_eq!(info.dumpable, 1);
    let stdin = daemon.fd(0).unwrap();
    assert!(rustix::fs::fstat(&stdin).is_ok());
    assert!(daemon.fd(77).is_err());

    let cured = daemon.stop().unwrap().cure().unwrap();
    cured.resume().unwrap();
    settle(&target);
    assert_eq!(target.look(), before);
}

#[test]
fn dropping_any_state_cures_and_lets_go() {
    let target = Target::start();
    let before = target.look();
    drop(Infected::infect(Seized::seize(target.pid()).unwrap()).unwrap());
    settle(&target);
    assert_eq!(target.look(), before);

    let infected = Infected::infect(Seized::seize(target.pid()).unwrap()).unwrap();
    drop(Daemonized::daemonize(infected).unwrap());
    settle(&target);
    assert_eq!(target.look(), before);
}

#[test]
fn a_panic_cures_and_lets_go() {
    let target = Target::start();
    let before = target.look();
    let pid = target.pid();
    let dumper = std::thread::spawn(move || {
        let infected = Infected::infect(Seized::seize(pid).unwrap()).unwrap();
        let _daemon = Daemonized::daemonize(infected).unwrap();
        panic!("a bug in the dumper");
    });
    assert!(dumper.join().is_err());
    settle(&target);
    assert_eq!(target.look(), before);
}

#[test]
fn every_thread_can_be_asked() {
    let target = Target::with_threads("");
    let task = Seized::seize(target.pid()).unwrap();
    let mut infected = Infected::infect(task).unwrap();
    let infos = infected.thread_infos().unwrap();
    assert_eq!(infos.len(), 6);
    let mut addresses: Vec<u64> = infos.iter().map(|info| info.tid_address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    // glibc gives every thread a tid address of its own.
    assert_eq!(addresses.len(), 6);
    assert!(!addresses.contains(&0));
    infected.cure().unwrap().resume().unwrap();
}

#[test]
fn a_task_says_the_same_without_the_parasite() {
    let target = Target::with_threads(
        "import ctypes\nlibc=ctypes.CDLL(None)\ntimer=ctypes.c_void_p()\n\
         assert libc.timer_create(1,None,ctypes.byref(timer))==0\n\
         setting=(ctypes.c_long*4)(500,0,86400,0)\n\
         assert libc.timer_settime(timer,0,setting,None)==0",
    );
    let mut task = Seized::seize(target.pid()).unwrap();
    let held = target.look();
    let alone = ask_alone(&mut task, &[0]).unwrap();
    assert_eq!(target.look(), held, "nothing is left in it");
    let timer = alone.posix_timers[0];
    assert_eq!((timer.interval_sec, timer.interval_nsec), (500, 0));
    assert!((86000..86400).contains(&timer.value_sec), "{timer:?}");

    let mut daemon = Daemonized::daemonize(Infected::infect(task).unwrap()).unwrap();
    let info = daemon.task_info().unwrap();
    assert_eq!(format!("{info:?}"), format!("{:?}", alone.task));
    let asked = daemon.posix_timers(&[0]).unwrap()[0];
    assert_eq!((asked.id, asked.overrun), (timer.id, timer.overrun));
    let mut infected = daemon.stop().unwrap();
    assert_eq!(infected.thread_infos().unwrap(), alone.threads);
    infected.cure().unwrap().resume().unwrap();
}

#[test]
fn a_killed_target_is_an_ordinary_error() {
    let target = Target::start();
    let infected = Infected::infect(Seized::seize(target.pid()).unwrap()).unwrap();
    let mut daemon = Daemonized::daemonize(infected).unwrap();
    rustix::process::kill_process(target.pid().to_rustix(), rustix::process::Signal::KILL).unwrap();
    assert!(daemon.task_info().is_err());
    assert!(daemon.stop().is_err());
}

#[test]
fn the_task_says_which_descriptors_are_open() {
    let target = Target::start();
    let (expected, limit) = (target.descriptors(), target.table_size());
    let infected = Infected::infect(Seized::seize(target.pid()).unwrap()).unwrap();
    let mut daemon = Daemonized::daemonize(infected).unwrap();
    let found = daemon.descriptors(limit).unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.number, one.cloexec)).collect();
    assert_eq!(found, expected, "without the parasite's own");
    let low = daemon.descriptors(2).unwrap();
    assert_eq!(low.len(), 2, "no further than asked");
}
