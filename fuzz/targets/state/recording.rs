//! libFuzzer program of the check `recording`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::recording(data));
