//! The settings of an IPC namespace, in `/proc/sys`.

use std::fs;
use std::str::FromStr;

use commensal_images::messages::IpcVarEntry;

/// The settings of our thread's namespace. What this kernel does not have is 0.
pub fn read() -> IpcVarEntry {
    let number = |name: &str| value(name).unwrap_or_default();
    let large = |name: &str| value(name).unwrap_or_default();
    IpcVarEntry {
        sem_ctls: semaphores(),
        msg_ctlmax: number("kernel/msgmax"),
        msg_ctlmnb: number("kernel/msgmnb"),
        msg_ctlmni: number("kernel/msgmni"),
        auto_msgmni: number("kernel/auto_msgmni"),
        shm_ctlmax: large("kernel/shmmax"),
        shm_ctlall: large("kernel/shmall"),
        shm_ctlmni: number("kernel/shmmni"),
        shm_rmid_forced: number("kernel/shm_rmid_forced"),
        mq_queues_max: number("fs/mqueue/queues_max"),
        mq_msg_max: number("fs/mqueue/msg_max"),
        mq_msgsize_max: number("fs/mqueue/msgsize_max"),
        mq_msg_default: value("fs/mqueue/msg_default"),
        mq_msgsize_default: value("fs/mqueue/msgsize_default"),
        // They are -1, and are not set again, where none was asked for.
        msg_next_id: value("kernel/msg_next_id"),
        sem_next_id: value("kernel/sem_next_id"),
        shm_next_id: value("kernel/shm_next_id"),
    }
}

fn text(name: &str) -> String {
    fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default()
}

fn value<T: FromStr>(name: &str) -> Option<T> {
    text(name).trim().parse().ok()
}

/// Semaphores in a set, in all, operations in a call, and sets.
fn semaphores() -> Vec<u32> {
    let text = text("kernel/sem");
    let values = text.split_whitespace();
    values
        .map(|value| value.parse().unwrap_or_default())
        .collect()
}
