//! libFuzzer program of the check `vq`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::vq(data));
