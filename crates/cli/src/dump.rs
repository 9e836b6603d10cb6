//! `commensal dump PID`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, ValueEnum};
use commensal_dump::{Ahead, Error, External, NetworkLock, Options, PreCopy, Then};
use commensal_sys::Pid;

use crate::destination::{Codec, Destination};
use crate::signals::Signals;
use crate::{log, report};

/// Checkpoint a process, its threads and its descendants; then let them run on.
#[derive(clap::Args)]
pub struct Args {
    /// The process at the root of the tree.
    #[arg(value_parser = parse_pid)]
    pub(crate) pid: Pid,
    /// The directory of the images, new or empty; if none is given, one is made here and its
    /// name is printed.
    #[arg(short = 'D', long, value_name = "DIR")]
    pub(crate) images_dir: Option<PathBuf>,
    /// Write the whole image set as one stream to this descriptor (standard output if none is
    /// given), and nothing to a disk here: `commensal extract` turns it back into a directory.
    #[arg(long, value_name = "FD", num_args = 0..=1, require_equals = true,
        default_missing_value = "1", conflicts_with = "images_dir")]
    pub(crate) stream: Option<i32>,
    /// Compress the stream on its way out, by a thread of its own.
    #[arg(long, value_enum, requires = "stream")]
    pub(crate) compress: Option<Codec>,
    /// What happens to the tree once the images are complete.
    #[arg(long, value_enum, default_value_t = AndThen::Resume)]
    then: AndThen,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Say more on standard error; repeat for debugging and tracing.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    /// Seconds that stopping the tree may take; 0 for no limit.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Stop the tree by the freezer of this control group, with all of the group's tasks.
    #[arg(long, value_name = "DIR")]
    freeze_cgroup: Option<PathBuf>,
    /// Dump a session whose leader is outside of the tree, and its terminal.
    #[arg(short = 'j', long)]
    shell_job: bool,
    /// Dump file locks: right only if no task outside of the tree locks the same files.
    #[arg(short = 'l', long)]
    file_locks: bool,
    /// Give open files that have lost their name, but have other links, a new one.
    #[arg(long)]
    link_remap: bool,
    /// Look below this directory for the names of watched files whose handles lead to none.
    #[arg(long, value_name = "DIR")]
    irmap_scan_path: Vec<PathBuf>,
    /// The largest deleted file, in bytes, whose contents go into the images.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    ghost_limit: u64,
    /// Dump established TCP connections.
    #[arg(long)]
    tcp_established: bool,
    /// Dump TCP connections as closed ones.
    #[arg(long)]
    tcp_close: bool,
    /// Leave out TCP connections that were not accepted yet.
    #[arg(long)]
    skip_in_flight: bool,
    /// Dump datagram sockets whose peer has a name outside of the tree; a restore connects them
    /// again.
    #[arg(long)]
    ext_unix_sk: bool,
    /// Dump, with a warning, what the images can hold only in part, instead of refusing it: for
    /// example eventfds that count as semaphores, multicast groups, traffic control of a network
    /// namespace, memory behind protection keys. What is refused says whether this allows it.
    #[arg(long)]
    accept_loss: bool,
    /// How the packets of saved connections are held back from the end of a killed tree until
    /// its restore [default: iptables where it is installed, else nftables].
    #[arg(long, value_enum)]
    network_lock: Option<LockMethod>,
    /// Copy most memory while the tree runs, in rounds, and only what was written since while it
    /// stands still. The rounds are kept in the images directory, and the restore needs them.
    #[arg(long, conflicts_with = "stream")]
    pre_copy: bool,
    /// The most rounds of --pre-copy. It stops earlier once hardly anything was written since
    /// the last round, or as much as could be copied.
    #[arg(long, value_name = "N", default_value_t = PreCopy::default().rounds,
          value_parser = clap::value_parser!(u32).range(1..), requires = "pre_copy")]
    rounds: u32,
    /// Seconds that the rounds of --pre-copy may take.
    #[arg(long, value_name = "SECONDS", default_value_t = PreCopy::default().deadline.as_secs(),
          requires = "pre_copy")]
    deadline: u64,
    /// Load no programs of BPF into the kernel, which read what it has written down of the tasks: ask each
    /// task, which makes it stand still longer.
    #[arg(long)]
    no_bpf: bool,
    /// Name a thing that the restore will provide: `file[MNT_ID:INODE]`, `tty[RDEV:DEV]` or
    /// `unix[INODE]`, as CRIU takes it.
    #[arg(long, value_name = "RESOURCE")]
    external: Vec<External>,
}

#[derive(Clone, Copy, ValueEnum)]
enum AndThen {
    Resume,
    Stop,
    Kill,
}

#[derive(Clone, Copy, ValueEnum)]
enum LockMethod {
    Iptables,
    Nftables,
    Skip,
}

fn parse_pid(text: &str) -> Result<Pid, &'static str> {
    text.parse()
        .ok()
        .and_then(Pid::new)
        .ok_or("a process id is a positive number")
}

/// Dumps, reports, and says how the program ends.
pub fn run(args: Args, ahead: Ahead) -> ExitCode {
    log::to_stderr(args.verbose);
    let (pid, json) = (args.pid, args.json);
    let destination = match Destination::of(&args) {
        Ok(destination) => destination,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let images_dir = destination.images_dir().to_owned();
    let options = options(args, images_dir);
    let signals = match Signals::catch(&options.cancel) {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("cannot catch signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let place = destination.place();
    match destination.dump(pid, &options, ahead) {
        Ok(summary) => match report::print_summary(pid, &place, &options, &summary, json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the dump is complete, but its summary cannot be printed: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            let status = match (&error, signals.exit_status()) {
                (Error::Cancelled, Some(status)) => status,
                _ => 1,
            };
            report::print_error(pid, error);
            ExitCode::from(status)
        }
    }
}

fn options(args: Args, images_dir: PathBuf) -> Options {
    Options {
        then: match args.then {
            AndThen::Resume => Then::Resume,
            AndThen::Stop => Then::Stop,
            AndThen::Kill => Then::Kill,
        },
        timeout: (args.timeout > 0).then(|| Duration::from_secs(args.timeout)),
        freeze_cgroup: args.freeze_cgroup,
        shell_job: args.shell_job,
        file_locks: args.file_locks,
        link_remap: args.link_remap,
        irmap_scan_paths: args.irmap_scan_path,
        ghost_limit: args.ghost_limit,
        tcp_established: args.tcp_established,
        tcp_close: args.tcp_close,
        skip_in_flight: args.skip_in_flight,
        external_unix: args.ext_unix_sk,
        accept_loss: args.accept_loss,
        network_lock: args.network_lock.map(|method| match method {
            LockMethod::Iptables => NetworkLock::Iptables,
            LockMethod::Nftables => NetworkLock::Nftables,
            LockMethod::Skip => NetworkLock::Skip,
        }),
        bpf: !args.no_bpf,
        external: args.external,
        pre_copy: args.pre_copy.then(|| PreCopy {
            rounds: args.rounds,
            deadline: Duration::from_secs(args.deadline),
        }),
        ..Options::new(images_dir)
    }
}
