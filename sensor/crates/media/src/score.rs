//! How a stream would sound: simulated jitter buffers, then the E-model.
//!
//! Judges by headers and arrival times alone; it never hears the audio.

pub mod buffer;
pub mod mos;

pub use buffer::Buffers;
pub use mos::Loss;
