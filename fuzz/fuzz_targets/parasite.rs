//! What the parasite answers: its reply, and what it leaves in the shared pages.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    commensal_infected::fuzz_reply(bytes);
    commensal_dump::fuzzing::parasite_says(bytes);
});
