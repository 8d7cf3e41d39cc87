//! Checks of parsers: bytes in, a view or a reason out.

pub mod capture_file;
pub mod frame;
pub mod hep;
pub mod ipfix;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip_message;
pub mod spool_read;
pub mod vq;
