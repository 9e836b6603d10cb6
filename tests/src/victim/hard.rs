//! States of a task that are hard on who enters it.

#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

/// Calls that the victims make themselves, besides those of who enters them.
const OWN_CALLS: [u32; 15] = [0, 1, 9, 11, 3, 14, 15, 24, 35, 60, 127, 202, 228, 231, 271];

/// The names that [`enter`] knows.
pub const NAMES: [&str; 10] = [
    "no-new-privs",
    "not-dumpable",
    "no-write-execute",
    "no-descriptor-left",
    "small-sigaltstack",
    "seccomp-open",
    "seccomp-lean",
    "seccomp-kills-munmap",
    "seccomp-refuses-close",
    "seccomp-strict",
];

/// Bring the calling task into one of these states; `lean` are the calls that the filter of
/// `seccomp-lean` allows besides those of the victims.
pub fn enter(name: &str, lean: &[u32]) {
    match name {
        "no-new-privs" => control([libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0]),
        "not-dumpable" => control([libc::PR_SET_DUMPABLE as usize, 0, 0]),
        // PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN.
        "no-write-execute" => control([65, 1, 0]),
        "no-descriptor-left" => fill_descriptors(),
        "small-sigaltstack" => small_sigaltstack(),
        "seccomp-open" => filter(&[], ALLOW),
        "seccomp-lean" => {
            let calls: Vec<_> = OWN_CALLS
                .iter()
                .chain(lean)
                .map(|&nr| (nr, ALLOW))
                .collect();
            filter(&calls, KILL);
        }
        "seccomp-kills-munmap" => filter(&[(11, KILL)], ALLOW),
        "seccomp-refuses-close" => filter(&[(3, REFUSE)], ALLOW),
        "seccomp-strict" => control([libc::PR_SET_SECCOMP as usize, 1, 0]),
        _ => panic!("no state is called {name}"),
    }
}

/// End the main thread; a second one goes on with `work`.
pub fn end_main_thread(work: impl FnOnce() + Send + 'static) -> ! {
    std::thread::spawn(work);
    // SAFETY: exit(2) ends this thread alone; nothing of it is borrowed by others.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("a thread that has ended")
}

/// Go on with `work` on another stack, as a coroutine. What the main thread's own holds stays
/// alive: `len` bytes of zeros.
pub fn leave_stack(work: fn() -> !, len: usize) -> ! {
    match len.checked_sub(4096) {
        Some(rest) => {
            let zeros = std::hint::black_box([0u8; 4096]);
            leave_stack_below(work, rest, &zeros)
        }
        None => switch(work),
    }
}

#[inline(never)]
fn leave_stack_below(work: fn() -> !, rest: usize, above: &[u8; 4096]) -> ! {
    std::hint::black_box(above);
    leave_stack(work, rest)
}

fn switch(work: fn() -> !) -> ! {
    let stack = Box::leak(vec![0u128; 1 << 16].into_boxed_slice());
    let context = Box::leak(Box::new(std::mem::MaybeUninit::<libc::ucontext_t>::zeroed()));
    let context = context.as_mut_ptr();
    // SAFETY: the kernel's part of the thread is written to a live, leaked context.
    unsafe { libc::getcontext(context) };
    // SAFETY: the context is initialized, and this is its only user.
    let inside = unsafe { &mut *context };
    inside.uc_stack.ss_sp = stack.as_mut_ptr().cast();
    inside.uc_stack.ss_size = size_of_val(stack);
    WORK.set(work).expect("it is done once");
    // SAFETY: the stack is leaked, and `enter` takes no argument.
    unsafe { libc::makecontext(context, on_new_stack, 0) };
    // SAFETY: the context was made above.
    unsafe { libc::setcontext(context) };
    unreachable!("setcontext(3) does not return")
}

static WORK: std::sync::OnceLock<fn() -> !> = std::sync::OnceLock::new();

extern "C" fn on_new_stack() {
    WORK.get().expect("it is set")()
}

/// Wait for a child as after vfork(2), so long.
pub fn held_by_a_child(time: Duration) {
    extern "C" fn hold(time: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the time is leaked.
        let time = unsafe { *time.cast::<Duration>() };
        std::thread::sleep(time);
        0
    }
    let time = Box::leak(Box::new(time));
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    start(hold, flags, std::ptr::from_mut(time).cast());
}

/// clone(2) with a stack of its own.
fn start(
    main: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    flags: i32,
    argument: *mut libc::c_void,
) {
    let stack = Box::leak(vec![0u128; 1 << 16].into_boxed_slice());
    let top = stack.as_mut_ptr_range().end.cast();
    // SAFETY: the stack is leaked and used by nobody else.
    let pid = unsafe { libc::clone(main, top, flags, argument) };
    assert!(pid > 0, "{}", io::Error::last_os_error());
}

/// Threads that are born and die all the time.
pub fn thread_storm() {
    for _ in 0..4 {
        std::thread::spawn(|| {
            loop {
                let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| ())).collect();
                threads
                    .into_iter()
                    .for_each(|thread| thread.join().expect("it ends"));
            }
        });
    }
}

/// Start a process that shares memory and descriptors with us, is no thread of ours, and
/// unmaps, closes, forks and signals whatever it finds that was not there before.
pub fn start_fighter() {
    extern "C" fn fight(_: *mut libc::c_void) -> libc::c_int {
        let known = executable_mappings();
        loop {
            for (start, len) in executable_mappings() {
                if !known.contains(&(start, len)) {
                    // SAFETY: the mapping is none that this program knows of.
                    unsafe { libc::munmap(start as *mut libc::c_void, len) };
                }
            }
            for fd in 3..16 {
                // SAFETY: the program has no descriptor above its standard ones.
                unsafe { libc::close(fd) };
            }
            // SAFETY: getppid(2) takes nothing.
            let parent = unsafe { libc::getppid() };
            // SAFETY: SIGUSR2 is ignored.
            unsafe { libc::kill(parent, libc::SIGUSR2) };
            // SAFETY: fork(2) without the C library's part; the child ends at once.
            let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
            if pid == 0 {
                // SAFETY: exit_group(2) does not return.
                unsafe { libc::syscall(libc::SYS_exit_group, 0) };
            }
            // SAFETY: there is nothing to be written.
            unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
        }
    }
    // SAFETY: SIG_IGN is a disposition.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    start(
        fight,
        libc::CLONE_VM | libc::CLONE_FILES | libc::SIGCHLD,
        std::ptr::null_mut(),
    );
}

/// Start and length of each, read without allocating: the allocator's locks are shared.
fn executable_mappings() -> [(usize, usize); 64] {
    let mut text = [0u8; 16384];
    let mut found = [(0, 0); 64];
    // SAFETY: the path ends with a zero.
    let fd = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY) };
    let mut len = 0;
    loop {
        let rest = &mut text[len..];
        // SAFETY: the kernel writes at most the length of `rest`.
        let read = unsafe { libc::read(fd, rest.as_mut_ptr().cast(), rest.len()) };
        if read <= 0 {
            break;
        }
        len += read as usize;
    }
    // SAFETY: it was opened above.
    unsafe { libc::close(fd) };
    let lines = text[..len].split(|&byte| byte == b'\n');
    let mappings = lines.filter_map(|line| {
        let line = str::from_utf8(line).ok()?;
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        rest.starts_with("r-x").then_some((start, end - start))
    });
    found
        .iter_mut()
        .zip(mappings)
        .for_each(|(slot, mapping)| *slot = mapping);
    found
}

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
/// EPERM.
const REFUSE: u32 = 0x0005_0001;

/// Install a filter: an answer for each of some calls, and one for the others.
fn filter(calls: &[(u32, u32)], others: u32) {
    let op = |code: u16, jf: u8, k: u32| libc::sock_filter { code, jt: 0, jf, k };
    // Load the number; for each call, return if it is equal.
    let mut program = vec![op(0x20, 0, 0)];
    for &(nr, answer) in calls {
        program.extend([op(0x15, 1, nr), op(0x06, 0, answer)]);
    }
    program.push(op(0x06, 0, others));
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    control([libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0]);
    let at = (&raw const program).addr();
    control([libc::PR_SET_SECCOMP as usize, 2, at]);
}

fn fill_descriptors() {
    let limit = libc::rlimit {
        rlim_cur: 3,
        rlim_max: 3,
    };
    // SAFETY: the limit is live.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(result, 0, "a limit can be lowered");
}

fn small_sigaltstack() {
    let memory = Box::leak(vec![0u128; 256].into_boxed_slice());
    let stack = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: size_of_val(memory),
    };
    // SAFETY: the memory is leaked and used by nobody else. Where the kernel wants more, as
    // for AVX-512, it says so, and the stack stays as it was.
    unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
}

/// prctl(2), which must succeed.
fn control([option, argument, third]: [usize; 3]) {
    // SAFETY: the options above take numbers, or the address of a live sock_fprog.
    let result = unsafe { libc::prctl(option as i32, argument, third, 0, 0) };
    assert_eq!(result, 0, "prctl {option}: {}", io::Error::last_os_error());
}
