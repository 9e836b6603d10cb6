//! Steps that the chain of states does not have: each does not compile, beside a step that does
//! and differs in nothing else.
//!
//! Seen by `cargo test --doc` only.

/// A command needs the parasite to be there.
///
/// ```
/// # use commensal::*;
/// fn step(mut task: Infected) { let _ = task.task_info(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(mut task: Seized) { let _ = task.task_info(); }
/// ```
struct CommandBeforeInfection;

/// A task with the parasite in it is not let go.
///
/// ```
/// # use commensal::*;
/// fn step(task: Seized) { let _ = task.release(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Infected) { let _ = task.release(); }
/// ```
struct ReleaseWhileInfected;

/// Nor is it resumed, stopped or killed before the cure.
///
/// ```
/// # use commensal::*;
/// fn step(task: Cured) { let _ = task.resume(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Infected) { let _ = task.resume(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Daemonized) { let _ = task.kill(); }
/// ```
struct EndWithoutCure;

/// There is one parasite: infecting takes the held task.
///
/// ```
/// # use commensal::*;
/// fn step(task: Seized) { let _ = Infected::infect(task); }
/// ```
/// ```compile_fail,E0382
/// # use commensal::*;
/// fn step(task: Seized) { let _ = Infected::infect(task); let _ = Infected::infect(task); }
/// ```
struct InfectTwice;

/// After infecting, the held task is not at hand to be let go behind the parasite's back.
///
/// ```
/// # use commensal::*;
/// fn step(task: Seized) { let infected = Infected::infect(task); let _ = infected.map(|task| task.pid()); }
/// ```
/// ```compile_fail,E0382
/// # use commensal::*;
/// fn step(task: Seized) { let infected = Infected::infect(task); let _ = task.release(); }
/// ```
struct ReleaseAfterInfecting;

/// Reading through an infected task lends the held task, and does not give it away.
///
/// ```
/// # use commensal::*;
/// fn step(task: Infected) { let _ = task.task().pid(); }
/// ```
/// ```compile_fail,E0507
/// # use commensal::*;
/// fn step(task: Infected) { let _ = (*task.task()).release(); }
/// ```
struct ReleaseWhatIsLent;

/// The daemon needs the parasite.
///
/// ```
/// # use commensal::*;
/// fn step(task: Infected) { let _ = Daemonized::daemonize(task); }
/// ```
/// ```compile_fail,E0308
/// # use commensal::*;
/// fn step(task: Seized) { let _ = Daemonized::daemonize(task); }
/// ```
struct DaemonizeBeforeInfection;

/// While the daemon serves, no command runs in another thread.
///
/// ```
/// # use commensal::*;
/// fn step(mut task: Infected, tid: Tid) { let _ = task.thread_info(tid); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(mut task: Daemonized, tid: Tid) { let _ = task.thread_info(tid); }
/// ```
struct ThreadWhileDaemonized;

/// The daemon is stopped before the cure.
///
/// ```
/// # use commensal::*;
/// fn step(task: Daemonized) { let _ = task.stop().map(|task| task.cure()); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Daemonized) { let _ = task.cure(); }
/// ```
struct CureWhileDaemonized;

/// What is not daemonized has no daemon to stop.
///
/// ```
/// # use commensal::*;
/// fn step(task: Daemonized) { let _ = task.stop(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Infected) { let _ = task.stop(); }
/// ```
struct StopWithoutDaemon;

/// A command that was begun in one state is not ended in the next: the step takes the state.
///
/// ```
/// # use commensal::*;
/// fn step(mut task: Infected) { let _ = task.task_info(); let _ = task.cure(); }
/// ```
/// ```compile_fail,E0382
/// # use commensal::*;
/// fn step(mut task: Infected) { let _ = task.cure(); let _ = task.task_info(); }
/// ```
struct CommandAfterCure;

/// A cured task has no commands.
///
/// ```
/// # use commensal::*;
/// fn step(task: Cured) { let _ = task.pid(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(mut task: Cured) { let _ = task.task_info(); }
/// ```
struct CommandWhenCured;

/// A cured task is not infected again.
///
/// ```
/// # use commensal::*;
/// fn step(task: Seized) { let _ = Infected::infect(task); }
/// ```
/// ```compile_fail,E0308
/// # use commensal::*;
/// fn step(task: Cured) { let _ = Infected::infect(task); }
/// ```
struct InfectWhenCured;

/// A held task that was never infected needs no cure, and gives no proof of one.
///
/// ```
/// # use commensal::*;
/// fn step(task: Infected) { let _ = task.cure(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Seized) { let _ = task.cure(); }
/// ```
struct CureWithoutInfection;

/// After the end there is nothing.
///
/// ```
/// # use commensal::*;
/// fn step(task: Cured) { let _ = task.resume(); }
/// ```
/// ```compile_fail,E0382
/// # use commensal::*;
/// fn step(task: Cured) { let _ = task.resume(); let _ = task.kill(); }
/// ```
/// ```compile_fail,E0382
/// # use commensal::*;
/// fn step(task: Seized) { let _ = task.release(); let _ = Infected::infect(task); }
/// ```
struct AfterTheEnd;

/// ptrace(2) belongs to the thread that attached: no state goes to another one.
///
/// ```
/// # use commensal::*;
/// fn send<T: Send>() {}
/// fn step() { send::<Pid>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn send<T: Send>() {}
/// fn step() { send::<Seized>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn send<T: Send>() {}
/// fn step() { send::<Infected>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn send<T: Send>() {}
/// fn step() { send::<Daemonized>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn send<T: Send>() {}
/// fn step() { send::<Cured>(); }
/// ```
struct SendToAnotherThread;

/// Nor does another thread look at one.
///
/// ```
/// # use commensal::*;
/// fn share<T: Sync>() {}
/// fn step() { share::<Pid>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn share<T: Sync>() {}
/// fn step() { share::<Seized>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn share<T: Sync>() {}
/// fn step() { share::<Infected>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn share<T: Sync>() {}
/// fn step() { share::<Daemonized>(); }
/// ```
/// ```compile_fail,E0277
/// # use commensal::*;
/// fn share<T: Sync>() {}
/// fn step() { share::<Cured>(); }
/// ```
struct ShareWithAnotherThread;

/// No state is copied: there would be two hands on one task.
///
/// ```
/// # use commensal::*;
/// fn step(pid: Pid) { let _ = pid.clone(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Seized) { let _ = task.clone(); }
/// ```
/// ```compile_fail,E0599
/// # use commensal::*;
/// fn step(task: Cured) { let _ = task.clone(); }
/// ```
struct Copy;

/// What lends the held task for reading lends no way to run calls in it.
///
/// ```
/// # use commensal::*;
/// # use commensal_seized::Injection;
/// fn step(mut task: Seized, tid: Tid) { let _ = Injection::prepare(&mut task, tid, None); }
/// ```
/// ```compile_fail,E0308
/// # use commensal::*;
/// # use commensal_seized::Injection;
/// fn step(task: Infected, tid: Tid) { let _ = Injection::prepare(task.task(), tid, None); }
/// ```
/// ```compile_fail,E0596
/// # use commensal::*;
/// fn step(task: Daemonized, tid: Tid) { let _ = task.task().syscall(tid, "getpid", 39, [0; 6]); }
/// ```
struct InjectWhileInfected;

/// Only the end of an injection proves that a task is cured.
///
/// ```
/// # use commensal::*;
/// # use commensal_seized::{Injection, Landed};
/// fn step(injection: Injection) { let _: Landed = injection.land().unwrap(); }
/// ```
/// ```compile_fail,E0451
/// # use commensal::*;
/// # use commensal_seized::Landed;
/// fn step(pid: Pid) { let _ = Landed { pid }; }
/// ```
/// ```compile_fail,E0423
/// # use commensal::*;
/// fn step(task: Seized) { let _ = Cured(task); }
/// ```
struct ForgeCured;
