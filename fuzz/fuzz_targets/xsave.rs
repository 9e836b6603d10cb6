//! A thread's extended state.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commensal_dump::fuzzing::extended_state(bytes));
