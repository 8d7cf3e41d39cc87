//! A host's own interfaces by TCX: programs that see what comes in and what goes out, take
//! nothing, and copy VoIP into rings.
//!
//! In the order of the way: [`load`] loads the programs and attaches them, [`interfaces`] keeps
//! them on the interfaces, [`source`] reads a ring, of which `ring` is the memory;
//! [`trial`] runs the programs without any.

pub mod interfaces;
pub mod load;
mod ring;
pub mod source;
pub mod trial;

pub use interfaces::{Change, TcxInterfaces, TcxOptions, open};
pub use source::TcxSource;
