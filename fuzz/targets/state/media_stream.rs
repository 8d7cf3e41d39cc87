//! libFuzzer program of the check `media_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::media_stream(data));
