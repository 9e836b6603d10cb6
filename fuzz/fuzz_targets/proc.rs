//! The texts of proc(5).
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commensal_dump::fuzzing::proc_text(bytes));
