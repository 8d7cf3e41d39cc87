//! libFuzzer program of the check `hep`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::hep(data));
