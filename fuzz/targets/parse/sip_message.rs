//! libFuzzer program of the check `sip_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::sip_message(data));
