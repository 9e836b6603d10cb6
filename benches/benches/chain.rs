//! The steps of the chain: what each costs while the target is stopped.

use std::time::{Duration, Instant};

use commensal_benches::Target;
use commensal_daemonized::Daemonized;
use commensal_infected::{Infected, Seized};
use criterion::{Criterion, criterion_group, criterion_main};

const GETPID: u32 = 39;

fn chain(c: &mut Criterion) {
    let target = Target::cat();
    let pid = target.pid();
    let leader = pid.leader();

    c.bench_function("seize and release", |b| {
        b.iter(|| Seized::seize(pid).unwrap().release().unwrap());
    });
    c.bench_function("one system call inside", |b| {
        let mut task = Seized::seize(pid).unwrap();
        b.iter(|| task.syscall(leader, "getpid", GETPID, [0; 6]).unwrap());
    });
    c.bench_function("infect and cure", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let task = Seized::seize(pid).unwrap();
                let start = Instant::now();
                let cured = Infected::infect(task).unwrap().cure().unwrap();
                spent += start.elapsed();
                cured.resume().unwrap();
            }
            spent
        });
    });
    c.bench_function("one command round trip", |b| {
        let infected = Infected::infect(Seized::seize(pid).unwrap()).unwrap();
        let mut daemon = Daemonized::daemonize(infected).unwrap();
        b.iter(|| daemon.ping().unwrap());
    });
    c.bench_function("the whole chain", |b| {
        b.iter(|| {
            let infected = Infected::infect(Seized::seize(pid).unwrap()).unwrap();
            let mut daemon = Daemonized::daemonize(infected).unwrap();
            daemon.task_info().unwrap();
            daemon.stop().unwrap().cure().unwrap().resume().unwrap();
        });
    });
}

criterion_group!(benches, chain);
criterion_main!(benches);
