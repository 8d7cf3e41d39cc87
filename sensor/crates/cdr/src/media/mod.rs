//! What records say of media beyond the columns of the schema: a stream's quality, a call's marks,
//! and what endpoints report themselves.

pub mod marks;
pub mod quality;
pub mod vq;
