//! libFuzzer program of the check `tunnel`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::tunnel(data));
