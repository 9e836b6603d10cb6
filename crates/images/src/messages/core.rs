//! `core-TID.img`: one thread, and with the first thread its task.

use crate::messages::{TaskCoreEntry, TaskKobjIdsEntry, ThreadCoreEntry, ThreadInfoX86};

/// The processor family that an image was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum March {
    /// Not known.
    Unknown = 0,
    /// x86-64, also for 32-bit tasks on it.
    X8664 = 1,
    /// 32-bit Arm.
    Arm = 2,
    /// 64-bit Arm.
    Aarch64 = 3,
    /// 64-bit POWER.
    Ppc64 = 4,
    /// IBM Z.
    S390 = 5,
    /// MIPS.
    Mips = 6,
    /// 64-bit LoongArch.
    Loongarch64 = 7,
    /// 64-bit RISC-V.
    Riscv64 = 8,
}

/// All about one thread, in `core-TID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CoreEntry {
    /// The processor family, a [`March`].
    #[prost(enumeration = "March", required, tag = "1")]
    pub mtype: i32,
    /// Registers; a zombie has none.
    #[prost(message, optional, tag = "2")]
    pub thread_info: Option<ThreadInfoX86>,
    /// What belongs to the task; only with its first thread.
    #[prost(message, optional, tag = "3")]
    pub tc: Option<TaskCoreEntry>,
    /// Identities of what the task shares with others; only with its first thread.
    #[prost(message, optional, tag = "4")]
    pub ids: Option<TaskKobjIdsEntry>,
    /// What belongs to the thread on any processor; a zombie has none.
    #[prost(message, optional, tag = "5")]
    pub thread_core: Option<ThreadCoreEntry>,
}
