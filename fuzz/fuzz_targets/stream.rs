//! A stream of images, compressed or not.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commensal_images::fuzzing::stream(bytes));
