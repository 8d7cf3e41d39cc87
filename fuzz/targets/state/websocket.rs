//! libFuzzer program of the check `websocket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::websocket(data));
