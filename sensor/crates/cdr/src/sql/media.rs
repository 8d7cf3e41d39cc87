//! Tables of our own about media: the rest of a stream's quality, what endpoints
//! say, and lines of logs.

pub(super) mod log;
pub(super) mod quality;
pub(super) mod vq;
