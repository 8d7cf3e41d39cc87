//! libFuzzer program of the check `tcp_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::tcp_stream(data));
