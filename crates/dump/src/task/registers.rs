//! A thread's general registers and its entries of the GDT, as the image has them.

use commensal_images::messages::{UserDescT, UserX86RegsEntry, UserX86RegsMode};
use commensal_sys::thread_area::{self, TLS_COUNT, TLS_FIRST, UserDesc};
use commensal_sys::{Errno, Registers, Tid};

use crate::Result;

/// The image of the general registers of a 64-bit thread.
pub fn general(regs: &Registers) -> UserX86RegsEntry {
    UserX86RegsEntry {
        r15: regs.r15,
        r14: regs.r14,
        r13: regs.r13,
        r12: regs.r12,
        bp: regs.rbp,
        bx: regs.rbx,
        r11: regs.r11,
        r10: regs.r10,
        r9: regs.r9,
        r8: regs.r8,
        ax: regs.rax,
        cx: regs.rcx,
        dx: regs.rdx,
        si: regs.rsi,
        di: regs.rdi,
        orig_ax: regs.orig_rax,
        ip: regs.rip,
        cs: regs.cs,
        flags: regs.eflags,
        sp: regs.rsp,
        ss: regs.ss,
        fs_base: regs.fs_base,
        gs_base: regs.gs_base,
        ds: regs.ds,
        es: regs.es,
        fs: regs.fs,
        gs: regs.gs,
        mode: Some(UserX86RegsMode::Native.into()),
    }
}

/// The entries of the GDT that the thread set with set_thread_area(2); empty
/// ones on a kernel without 32-bit support.
///
/// # Errors
///
/// When the thread is gone.
pub fn thread_areas(tid: Tid) -> Result<Vec<UserDescT>> {
    (TLS_FIRST..TLS_FIRST + TLS_COUNT)
        .map(|number| match thread_area::get(tid, number) {
            Ok(desc) => Ok(entry(&desc)),
            Err(error) if error.errno == Errno::IO => Ok(entry(&empty(number))),
            Err(error) => Err(error.into()),
        })
        .collect()
}

/// Whether the thread has set one of them.
///
/// # Errors
///
/// When the thread is gone.
pub fn has_thread_areas(tid: Tid) -> Result<bool> {
    Ok(thread_areas(tid)? != no_thread_areas())
}

/// What [`thread_areas`] gives of a thread that set none.
pub fn no_thread_areas() -> Vec<UserDescT> {
    let numbers = TLS_FIRST..TLS_FIRST + TLS_COUNT;
    numbers.map(|number| entry(&empty(number))).collect()
}

/// An unused entry (`LDT_empty`, asm/desc.h): not present, read and execute only.
const fn empty(number: u32) -> UserDesc {
    UserDesc {
        entry_number: number,
        base_addr: 0,
        limit: 0,
        flags: 0b10_1000,
    }
}

/// The bit-fields in the order of `struct user_desc` (asm/ldt.h).
fn entry(desc: &UserDesc) -> UserDescT {
    let bit = |number: u32| desc.flags >> number & 1 == 1;
    UserDescT {
        entry_number: desc.entry_number,
        base_addr: desc.base_addr,
        limit: desc.limit,
        seg_32bit: bit(0),
        contents_l: bit(1),
        contents_h: bit(2),
        read_exec_only: bit(3),
        limit_in_pages: bit(4),
        seg_not_present: bit(5),
        usable: bit(6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_fields_are_told_apart() {
        let unused = entry(&empty(13));
        assert_eq!(unused.entry_number, 13);
        assert!(unused.read_exec_only && unused.seg_not_present);
        assert!(!unused.usable && !unused.seg_32bit && !unused.contents_h);
        // What glibc's 32-bit start-up code sets: seg_32bit, limit_in_pages, usable.
        let used = entry(&UserDesc {
            flags: 0b101_0001,
            ..empty(12)
        });
        assert!(used.seg_32bit && used.limit_in_pages && used.usable);
        assert!(!used.seg_not_present && !used.read_exec_only);
    }
}
