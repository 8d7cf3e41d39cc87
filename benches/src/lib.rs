//! Benchmarks of ringtap.
