//! Zero-copy views of SIP and SDP text: any bytes in, a view or a `Copy` reason out.
//!
//! The reader is tolerant: it takes what a careful person would still understand (compact names,
//! folded lines, bare line feeds, wrong lengths, broken quotes) and says afterwards, through
//! [`Message::malformed`], what was wrong. It keeps no state between messages, finds no message
//! boundaries in a byte stream, and decides nothing about calls.
//!
//! Nothing here can allocate: outside its tests the crate is built without `std` and `alloc`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod address;
pub mod body;
pub mod fields;
pub mod header;
pub mod message;
pub mod quick;
pub mod reason;
pub mod sdp;
pub mod start;
pub mod text;

pub use address::{NameAddr, Uri};
pub use body::vq;
pub use fields::{CSeq, Cause, Credentials, Replaces, SessionId, Via};
pub use header::Header;
pub use message::Message;
pub use quick::{call_id_of, looks_like_sip};
pub use reason::Reason;
pub use sdp::Sdp;
pub use start::{Method, StartLine};
pub use text::Text;

#[cfg(test)]
mod torture;
