//! libFuzzer program of the check `sip_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::sip_frame(data));
