//! libFuzzer program of the check `capture_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::capture_file(data));
