//! What is in message queues and semaphores.

use commensal_images::messages::{IpcMsg, IpcMsgEntry, IpcSemEntry};
use commensal_images::{Image, ImageSet, ImageSink};
use commensal_sys::{Pid, system_v};

use super::table::rows;
use crate::Result;
use crate::userns::Users;

/// The message queues of our thread's namespace, with all messages.
///
/// # Errors
///
/// Where one cannot be read, or the image not be written.
pub fn queues<S: ImageSink>(id: u32, set: &ImageSet<S>, of: (Pid, &Users)) -> Result<()> {
    let mut images = set.entries(Image::IpcnsMsg(id))?;
    for row in rows("msg")? {
        let (qnum, bytes) = (row.number("qnum")?, row.number("cbytes")?);
        images.entry(&IpcMsgEntry {
            desc: row.desc(of)?,
            qbytes: system_v::queue_capacity(row.id)? as u32,
            qnum: qnum as u32,
        })?;
        for index in 0..qnum {
            // None is longer than all of them.
            let (kind, mut text) = system_v::message(row.id, index, bytes as usize)?;
            let message = IpcMsg {
                mtype: kind as u64,
                msize: text.len() as u32,
            };
            pad(&mut text);
            images.entry_with_payload(&message, &text)?;
        }
    }
    Ok(images.finish()?)
}

/// The sets of semaphores of our thread's namespace, with their values.
///
/// # Errors
///
/// As [`queues`].
pub fn semaphores<S: ImageSink>(id: u32, set: &ImageSet<S>, of: (Pid, &Users)) -> Result<()> {
    let mut images = set.entries(Image::IpcnsSem(id))?;
    for row in rows("sem")? {
        let values = system_v::semaphores(row.id)?;
        let entry = IpcSemEntry {
            desc: row.desc(of)?,
            nsems: values.len() as u32,
        };
        let mut bytes: Vec<u8> = values.into_iter().flat_map(u16::to_le_bytes).collect();
        pad(&mut bytes);
        images.entry_with_payload(&entry, &bytes)?;
    }
    Ok(images.finish()?)
}

/// Payloads are whole words of eight bytes.
fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}
