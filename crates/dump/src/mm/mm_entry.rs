//! `mm-PID.img`: the address space as a whole.

use commensal_images::messages::{AioRingEntry, MmEntry, VmaEntry};
use commensal_sys::{PAGE_SIZE, Pid, process_vm};
use zerocopy::FromBytes;

use super::classify::refusal;
use super::{Kind, Mapping, Mappings};
use crate::proc::{self, Stat};
use crate::{Place, Refusal, Result};

/// What the task itself tells of its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromInside {
    /// The end of the heap: brk(2) with 0.
    pub brk: u64,
    /// `PR_GET_DUMPABLE` (prctl(2)).
    pub dumpable: i32,
    /// `PR_GET_THP_DISABLE`.
    pub thp_disabled: bool,
    /// The auxiliary vector, without the `AT_NULL` at its end, where it is known.
    pub auxiliary_vector: Option<Vec<u64>>,
}

/// The whole entry of a task: `stat` is its `/proc/PID/stat`, `exe_file_id` the
/// file entry of its `/proc/PID/exe`, `vmas` come from
/// [`Mappings::to_entries`].
///
/// # Errors
///
/// A refusal where the ring of an AIO context is not as the kernel makes it;
/// [`Error::Gone`](crate::Error::Gone) when the task is.
pub fn mm_entry(
    mappings: &Mappings,
    stat: &Stat,
    inside: FromInside,
    exe_file_id: u32,
    vmas: Vec<VmaEntry>,
) -> Result<MmEntry> {
    let rings = mappings
        .iter()
        .filter(|mapping| mapping.kind == Kind::AioRing);
    Ok(MmEntry {
        mm_start_code: stat.start_code,
        mm_end_code: stat.end_code,
        mm_start_data: stat.start_data,
        mm_end_data: stat.end_data,
        mm_start_stack: stat.start_stack,
        mm_start_brk: stat.start_brk,
        mm_brk: inside.brk,
        mm_arg_start: stat.arg_start,
        mm_arg_end: stat.arg_end,
        mm_env_start: stat.env_start,
        mm_env_end: stat.env_end,
        exe_file_id,
        mm_saved_auxv: auxiliary_vector(mappings.pid(), inside.auxiliary_vector)?,
        vmas,
        dumpable: Some(inside.dumpable),
        aios: rings
            .map(|ring| aio_ring(mappings, ring))
            .collect::<Result<_>>()?,
        thp_disabled: Some(inside.thp_disabled),
    })
}

/// The most words of an auxiliary vector that CRIU 4.2 restores on x86-64.
const AUXV_WORDS: usize = 44;

/// The auxiliary vector (getauxval(3)): keys and values in turn. The `AT_NULL`
/// at its end is left out: the kernel puts it there itself.
fn auxiliary_vector(pid: Pid, known: Option<Vec<u64>>) -> Result<Vec<u64>> {
    let words = known.map_or_else(|| read_auxiliary_vector(pid), Ok)?;
    if words.len() > AUXV_WORDS {
        return Err(Refusal {
            what: "an auxiliary vector that is too long".into(),
            place: Place::Task { pid },
            reason: format!(
                "it has {} words, and CRIU restores {AUXV_WORDS}",
                words.len()
            ),
            remedy: "none: this kernel is too new for the format".into(),
        }
        .into());
    }
    Ok(words)
}

/// The same of a task that has to be asked for it.
///
/// # Errors
///
/// [`Error::Gone`](crate::Error::Gone) when the task is.
pub fn read_auxiliary_vector(pid: Pid) -> Result<Vec<u64>> {
    let bytes = proc::read(pid, "auxv")?;
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let pairs = bytes
        .chunks_exact(16)
        .map(|pair| [word(&pair[..8]), word(&pair[8..])]);
    Ok(pairs.take_while(|[key, _]| *key != 0).flatten().collect())
}

/// `struct aio_ring` (fs/aio.c), at the start of a ring.
#[derive(FromBytes)]
#[repr(C)]
struct AioRing {
    _id: u32,
    events: u32,
    _head: u32,
    _tail: u32,
    magic: u32,
    compat_features: u32,
    incompat_features: u32,
    header_length: u32,
}

/// `AIO_RING_MAGIC` (fs/aio.c).
const AIO_RING_MAGIC: u32 = 0xa10a_10a1;

/// The size of a `struct io_event` (linux/aio_abi.h), in bytes.
const IO_EVENT: u64 = 32;

fn aio_ring(mappings: &Mappings, ring: &Mapping) -> Result<AioRingEntry> {
    let pid = mappings.pid();
    let mut header = [0; size_of::<AioRing>()];
    process_vm::read(pid, ring.range().start(), &mut header)?;
    let header: AioRing = zerocopy::transmute!(header);
    let requests = requests(&header, ring.range().len());
    let refused: Refusal = refusal(
        pid,
        ring.range(),
        "the ring of an AIO context",
        "its header is not as the kernel makes it, or it is longer than an image can say",
        "end the AIO context (io_destroy) before the dump",
    );
    let ring_len = u32::try_from(ring.range().len()).map_err(|_| refused.clone())?;
    Ok(AioRingEntry {
        id: ring.range().start().get(),
        nr_req: requests.ok_or(refused)?,
        ring_len,
    })
}

/// With how many requests io_setup(2) gives a ring of this length: the kernel
/// doubles them, adds two and fills up the last page. `None` where the header
/// belongs to no such ring.
fn requests(header: &AioRing, len: u64) -> Option<u32> {
    let events = (len / PAGE_SIZE * PAGE_SIZE).checked_sub(IO_EVENT)? / IO_EVENT;
    let sane = header.magic == AIO_RING_MAGIC
        && header.compat_features == 1
        && header.incompat_features == 0
        && u64::from(header.header_length) == IO_EVENT
        && u64::from(header.events) == events;
    let requests = u32::try_from(events.checked_sub(2)? / 2).ok()?;
    (sane && requests > 0).then_some(requests)
}
