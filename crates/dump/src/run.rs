//! The dump, in order.

use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Instant;

use commensal_images::stream::{Compression, ImageStream};
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_seized::{Silence, caretaker};
use commensal_sys::Pid;

use crate::beside::Beside;
use crate::choices;
use crate::collect::{Collected, Collector, Copier, Memory};
use crate::cpu_info::cpu_info;
use crate::mm::{LazyPages, LazyServer, PageServer, PageWriter, Room, workers};
use crate::net::namespace::{self as network, Entered, Networks};
use crate::output::{auto_dedup, images_dir, share, write_stats};
use crate::preflight::Looked;
use crate::prepare::Prepared;
use crate::progress::Progress;
use crate::punctual::Punctual;
use crate::stages::Stages;
use crate::still::{Scene, Still};
use crate::tree;
use crate::{Error, Hooks, Options, Result, Summary, inventory, preflight};

/// Dumps into the directory that `options` name.
///
/// # Errors
///
/// As [`crate::dump`].
pub fn dump(
    root: Pid,
    options: &Options,
    hooks: &dyn Hooks,
    beside: Option<Beside>,
) -> Result<Summary> {
    let started = Instant::now();
    let sink = |prepared: &mut Prepared| {
        let dir = images_dir(options)?;
        match (&options.pre_copy, &options.prev_images) {
            (Some(how), _) => prepared.pre_copy(how, &dir, options)?,
            (None, Some(target)) => prepared.build_on(target, &dir)?,
            (None, None) => {}
        }
        Ok(dir)
    };
    let (mut summary, dir) = run(root, sink, options, hooks, beside)?;
    if summary.own_users {
        share(&options.images_dir);
    }
    auto_dedup(options);
    summary.bytes_written += dir.bytes();
    summary.total = started.elapsed();
    write_stats(&dir, options, &summary)?;
    Ok(summary)
}

/// Dumps into a stream.
///
/// # Errors
///
/// As [`crate::dump_stream`].
pub fn dump_stream(
    root: Pid,
    (output, compression): (impl Write + Send + 'static, Compression),
    options: &Options,
    hooks: &dyn Hooks,
    beside: Option<Beside>,
) -> Result<Summary> {
    let started = Instant::now();
    choices::refuse_stream(root, options)?;
    let stream = |_: &mut Prepared| {
        let cancel = options.cancel.clone();
        let give_up = Box::new(move || cancel.check().is_err());
        Ok(ImageStream::begin(output, compression, give_up)?)
    };
    let run = run(root, stream, options, hooks, beside);
    // What was given up is no failure of the stream.
    let (mut summary, stream) = run.or_else(|error| options.cancel.check().and(Err(error)))?;
    summary.bytes_written = stream.bytes();
    summary.total = started.elapsed();
    write_stats(&stream, options, &summary)?;
    stream.finish()?;
    Ok(summary)
}

/// Dumps the tree into a sink that is made once nothing is refused; gives the sink back with the
/// set complete.
fn run<S: ImageSink + Send>(
    root: Pid,
    sink: impl FnOnce(&mut Prepared) -> Result<S> + Send,
    options: &Options,
    hooks: &dyn Hooks,
    beside: Option<Beside>,
) -> Result<(Summary, S)> {
    choices::refuse_lazy(root, options)?;
    // From our own network.
    let server = options.page_server.as_ref().map(PageServer::connect);
    let server = server.transpose()?;
    let lazy = options.lazy_pages.as_ref().map(LazyServer::listen);
    let lazy = lazy.transpose()?;
    network::inside(root, |network| {
        let around = Surroundings {
            network,
            beside,
            server,
            lazy,
        };
        run_here(root, sink, options, hooks, around)
    })
}

/// What lies around a dump, if there is such a thing.
struct Surroundings<'n> {
    /// The network namespace of the tree's root, another than ours, which we are in.
    network: Option<&'n Entered>,
    /// The thread beside us, if it was begun before.
    beside: Option<Beside>,
    /// What takes the pages.
    server: Option<PageServer>,
    /// What gives those that stay in the tree to who fetches them.
    lazy: Option<LazyServer>,
}

/// The same, from a thread that is in the tree's network namespace.
fn run_here<S: ImageSink>(
    root: Pid,
    sink: impl FnOnce(&mut Prepared) -> Result<S>,
    options: &Options,
    hooks: &dyn Hooks,
    Surroundings {
        network,
        beside,
        server,
        lazy,
    }: Surroundings<'_>,
) -> Result<(Summary, S)> {
    let options = &choices::lock_of_own_network(options, network);
    // To be there for all stops; it is a copy of us, and we are still small.
    let caretaker = caretaker()?;
    let beside = match options.bpf {
        true => beside.unwrap_or_else(Beside::begin),
        false => Beside::none(),
    };
    let run_id = inventory::run_id();
    let Looked {
        mut prepared,
        warnings,
        buffers,
    } = preflight::check(root, options, &beside)?;
    let networks = prepared.around.networks.clone();
    networks.check(&Networks::default(), options)?;
    let set = ImageSet::new(sink(&mut prepared)?);
    if options.cpu_info {
        set.one(Image::Cpuinfo, &cpu_info()?)?;
    }
    let rounds = prepared.rounds;
    let progress = Progress::new(hooks);
    let copied = |bytes| progress.add(bytes);
    let stay = LazyPages::default();
    let pages = PageWriter::new(&set)
        .lazy(lazy.is_some().then_some(&stay))
        .buffers(buffers)
        .workers(workers())
        .cancel(options.cancel.clone())
        .progress(&copied)
        .server(server.as_ref());
    let records = std::mem::take(&mut prepared.mapped.records);
    let of_all = (records, prepared.cgroups.take());
    let sizes = prepared.sizes()?;
    let total = sizes.iter().map(|(_, bytes)| bytes).sum();
    let rooms = make_rooms(pages.reserve(sizes)?, &beside);
    let prepared = RwLock::new(prepared);
    let look_closer = || {
        let prepared = prepared.read().unwrap_or_else(PoisonError::into_inner);
        warnings.say(&prepared.users, options);
        let collector = Collector::prepare(root, &set, &prepared, of_all, &pages, options)?;
        // The tasks of a group that is frozen already could not be looked at: they do not come to rest.
        let looked_at = options.freeze_cgroup.is_none();
        let tasks = collector.tasks().filter(|_| looked_at);
        let candidates = tree::candidates(tasks, |pid| prepared.mapped.is_told(pid))?;
        Ok::<_, Error>((collector, candidates))
    };
    let stages = Stages::new(hooks, network);
    let scene = Scene {
        set: &set,
        stages: &stages,
        networks: &networks,
        run_id: &run_id,
        options,
    };
    let silence = Silence::of_thread();
    let _punctual = Punctual::start();
    let still = thread::scope(|scope| {
        let copier = Copier::start(scope, Memory::new(&prepared, &pages), silence.clone())?;
        let (collector, candidates) = look_closer()?;
        copier.has_room()?;
        beside.told(&rooms).map_err(|_| Error::Cancelled)??;
        drop(beside);
        progress.expect(total);
        options.cancel.check()?;
        // Who is told something may keep us waiting.
        let silence = silence.keep();
        let lazy = lazy.map(|server| (server, &stay));
        let still = scene.dump(root, (collector, candidates), &copier, lazy, &caretaker)?;
        Ok::<_, Error>((still, silence))
    });
    let (still, _silence) = still?;
    let Still {
        end,
        freezing,
        tree,
        collected,
        inventory,
    } = still;
    server.as_ref().map_or(Ok(()), PageServer::close)?;
    let Collected { figures, links, .. } = collected;
    drop(pages);
    let sink = set.finish(&inventory)?;
    links.keep();
    let frozen = end.images_complete(tree, inventory.dump_criu_run_id())?;
    // What tracks the writes of tasks takes as long to end as a scan: better when the tree runs again.
    drop(prepared);
    let summary = Summary {
        freezing,
        frozen,
        rounds: rounds.count,
        pages_pre_copied: rounds.pages,
        bytes_written: rounds.bytes,
        ..figures
    };
    Ok((summary, sink))
}

/// Has the thread beside make room in files.
fn make_rooms(rooms: Vec<Room>, beside: &Beside) -> Receiver<Result<()>> {
    let (tell, told) = channel();
    beside.give(move |_| {
        // Nobody waits for it after a failure.
        let _ = tell.send(rooms.into_iter().try_for_each(Room::make));
    });
    told
}
