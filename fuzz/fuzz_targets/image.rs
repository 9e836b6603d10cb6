//! What an image file can hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commensal_images::fuzzing::image(bytes));
