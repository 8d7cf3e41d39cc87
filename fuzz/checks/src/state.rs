//! Checks of state machines: the input is a script of what happens to them.

pub mod audio;
pub mod call_machine;
pub mod fragments;
pub mod media_stream;
pub mod recording;
pub mod sip_frame;
pub mod tcp_stream;
pub mod websocket;
