//! What `versus` dumps: a process with much of one thing. It writes `ready` when it has it all.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use rustix::process::{Resource, getrlimit, setrlimit, setsid};
use rustix::thread::disable_transparent_huge_pages;

/// Has much of one thing, says `ready`, and sleeps until it is killed.
#[derive(Parser)]
struct Args {
    /// Of what.
    thing: Thing,
    /// How much.
    amount: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Thing {
    /// Mebibytes of random data in pages of 4 KiB.
    Memory,
    /// The same; it writes to one page in a hundred every second.
    Changing,
    /// The same of a program that is always at work, and says how much it has done.
    Busy,
    /// Threads, the first one included.
    Threads,
    /// Open files.
    Descriptors,
    /// Processes, the first one included.
    Processes,
    /// Nothing: one process of a larger tree.
    Nothing,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Args { thing, amount } = Args::parse();
    match thing {
        Thing::Nothing => sleep(),
        Thing::Memory => memory(amount),
        Thing::Changing => changing(amount),
        Thing::Busy => busy(amount),
        Thing::Threads => threads(amount),
        Thing::Descriptors => descriptors(amount),
        Thing::Processes => processes(amount),
    }
}

/// In a session of its own, as CRIU wants it, and with nothing else to say.
fn ready() -> Result<(), Box<dyn Error>> {
    setsid()?;
    let mut stdout = std::io::stdout();
    stdout.write_all(b"ready\n")?;
    Ok(stdout.flush()?)
}

fn sleep() -> ! {
    loop {
        thread::park();
    }
}

/// The words of a page.
const PAGE: usize = 4096 / size_of::<u64>();

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Random data, and the generator's state behind it.
fn filled(mebibytes: usize) -> Result<(Vec<u64>, u64), Box<dyn Error>> {
    disable_transparent_huge_pages(true)?;
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut words = vec![0; mebibytes << 17];
    words.iter_mut().for_each(|word| *word = random(&mut state));
    Ok((words, state))
}

fn memory(mebibytes: usize) -> Result<(), Box<dyn Error>> {
    let (words, _) = filled(mebibytes)?;
    std::hint::black_box(&words);
    ready()?;
    sleep()
}

fn changing(mebibytes: usize) -> Result<(), Box<dyn Error>> {
    const TICKS: u32 = 100;
    let (mut words, mut state) = filled(mebibytes)?;
    let pages = words.len() / PAGE;
    ready()?;
    loop {
        for _ in 0..pages / 100 / TICKS as usize {
            let page = random(&mut state) as usize % pages;
            words[page * PAGE] = state;
        }
        thread::sleep(Duration::from_secs(1) / TICKS);
    }
}

/// Works in small units, each of some microseconds, and writes to one page in a hundred every second.
fn busy(mebibytes: usize) -> Result<(), Box<dyn Error>> {
    const UNIT: u32 = 2000;
    let (mut words, mut state) = filled(mebibytes)?;
    let pages = words.len() / PAGE;
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    setsid()?;
    let started = Instant::now();
    let (mut done, mut written) = (0_u64, 0);
    loop {
        // Behind `ready`, in as many digits as the largest number has.
        output.write_all_at(format!("ready\n{done:020}\n").as_bytes(), 0)?;
        let told = Instant::now();
        while told.elapsed() < Duration::from_millis(1) {
            (0..UNIT).for_each(|_| {
                random(&mut state);
            });
            done += 1;
            let wanted = started.elapsed().as_secs_f64() * pages as f64 / 100.0;
            while written < wanted as u64 {
                let page = random(&mut state) as usize % pages;
                words[page * PAGE] = state;
                written += 1;
            }
        }
    }
}

fn threads(count: usize) -> Result<(), Box<dyn Error>> {
    for _ in 1..count {
        let small = thread::Builder::new().stack_size(64 << 10);
        small.spawn(|| sleep())?;
    }
    ready()?;
    sleep()
}

fn descriptors(count: usize) -> Result<(), Box<dyn Error>> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let files = (0..count).map(|_| File::open("/proc/self/exe"));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    ready()?;
    std::hint::black_box(&files);
    sleep()
}

fn processes(count: usize) -> Result<(), Box<dyn Error>> {
    setsid()?;
    let program = std::env::current_exe()?;
    let spawn = |_| Command::new(&program).args(["nothing", "0"]).spawn();
    let children = (1..count).map(spawn).collect::<Result<Vec<Child>, _>>()?;
    children.iter().for_each(wait_until_asleep);
    println!("ready");
    sleep()
}

/// Waits until a child has got through its start, and sleeps in `futex(2)`.
fn wait_until_asleep(child: &Child) {
    const FUTEX: &str = "202 ";
    let path = format!("/proc/{}/syscall", child.id());
    while !std::fs::read_to_string(&path).is_ok_and(|call| call.starts_with(FUTEX)) {
        thread::yield_now();
    }
}
