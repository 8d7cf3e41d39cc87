//! Tables of our own about media: the rest of a stream's quality, and what endpoints say.

pub(super) mod quality;
pub(super) mod vq;
