//! libFuzzer program of the check `ipfix`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::ipfix(data));
