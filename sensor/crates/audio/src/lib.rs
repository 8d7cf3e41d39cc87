//! The audio of one call: RTP payloads in the order of their arrival become a stereo WAV file,
//! the caller left, the callee right, silence where packets are missing.
//!
//! Knows neither calls nor files: streams and what their payload types mean are given
//! ([`Stream`]), samples go to whatever takes them ([`Sink`]). The libraries that decode and that
//! write WAV are used here and nowhere else.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod codec;
mod course;

mod canvas;
mod decoders;
mod held;
mod recording;
mod wav;

pub use codec::{Codec, Coding, rate};
pub use recording::{Packet, Recording, Side, Stream, Tally};
pub use wav::{Sink, Streamed, Wav};
