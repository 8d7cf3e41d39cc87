//! libFuzzer program of the check `call_machine`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::call_machine(data));
