//! libFuzzer program of the check `spool_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringtap_fuzz_checks::spool_read(data));
