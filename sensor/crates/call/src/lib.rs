//! SIP messages into calls, without I/O: one shard's call table.
//!
//! Messages and times go in, claims on media endpoints and finished calls come out. Nothing here
//! reads a clock, a socket or a file, iterates a hash map for its output, or knows RTP; equal
//! input gives equal output.
//!
//! Only INVITE dialogs are kept. Other methods are counted, and noted where they belong to a call.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod call;
pub mod calls;
pub mod counters;
mod deadline;
pub mod event;
pub mod key;
mod media;
pub mod options;
mod recent;
mod side;
pub mod summary;

pub use call::{Live, Place, State, TIES_MAX, Ties};
pub use calls::Calls;
pub use counters::Counters;
pub use event::{Claim, Event, Moment, PayloadType, Side};
pub use key::{CallKey, Meta};
pub use options::Options;
pub use ringtap_sip::sdp::MediaKind;
pub use summary::facts::{Branch, Counts, InfoDigit, SessionTimer, Transfer};
pub use summary::metrics::{RequestDelay, SessionDuration};
pub use summary::{Bye, CallSummary, Cause, Flags, LadderEntry, Party, Response};
