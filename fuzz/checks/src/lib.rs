//! What must hold for any input, one function for each parser of hostile bytes and each state
//! machine that they drive. A breach is a panic.
//!
//! The same functions are called by the libFuzzer programs in `fuzz/targets` and by the test that
//! replays `fuzz/corpus`. Parsers take their input as it is; state machines take it as a script
//! (see [`input`]). Nothing here generates input.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod input;

pub mod parse;
pub mod state;

pub use parse::capture_file::capture_file;
pub use parse::frame::{link, tunnel, walk};
pub use parse::hep::hep;
pub use parse::ipfix::ipfix;
pub use parse::rtcp::rtcp;
pub use parse::rtp::rtp;
pub use parse::sdp::sdp;
pub use parse::sip_message::sip_message;
pub use parse::spool_read::spool_read;
pub use parse::vq::vq;
pub use state::audio::audio;
pub use state::call_machine::call_machine;
pub use state::fragments::fragments;
pub use state::media_stream::media_stream;
pub use state::recording::recording;
pub use state::sip_frame::sip_frame;
pub use state::tcp_stream::tcp_stream;
pub use state::websocket::websocket;

/// A check: returns when all that must hold holds, whatever the bytes.
pub type Check = fn(&[u8]);

/// All checks by name. A corpus folder and a libFuzzer program bear the same name.
pub const CHECKS: [(&str, Check); 20] = [
    ("walk", walk),
    ("link", link),
    ("tunnel", tunnel),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("sip_message", sip_message),
    ("sdp", sdp),
    ("capture_file", capture_file),
    ("spool_read", spool_read),
    ("vq", vq),
    ("hep", hep),
    ("ipfix", ipfix),
    ("recording", recording),
    ("sip_frame", sip_frame),
    ("fragments", fragments),
    ("tcp_stream", tcp_stream),
    ("websocket", websocket),
    ("call_machine", call_machine),
    ("media_stream", media_stream),
    ("audio", audio),
];
