//! SIP messages into calls, without I/O: one shard's call table.
//!
//! Messages and times go in, claims on media endpoints and finished calls come out. Nothing here
//! reads a clock, a socket or a file, iterates a hash map for its output, or knows RTP; equal
//! input gives equal output.
//!
//! INVITE dialogs become calls; other methods are noted where they belong to one. Requests outside
//! of calls are matched with their responses ([`outside`]).
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
pub mod outside;
mod recent;
mod side;
pub mod summary;

pub use call::{CUSTOM_HEADERS_MAX, Correlation, CustomHeader, CustomHeaders};
pub use call::{Live, Place, State, TIES_MAX, Ties};
pub use calls::Calls;
pub use counters::Counters;
pub use event::{Claim, Event, Moment, PayloadType, Side};
pub use key::{CallKey, Meta};
pub use options::{Options, Recorded};
pub use outside::{RegisterState, RegisterSummary, TransactionSummary, registration_route};
pub use ringtap_sip::sdp::MediaKind;
pub use summary::facts::{Branch, Counts, InfoDigit, SessionTimer, Transfer};
pub use summary::metrics::{RequestDelay, SessionDuration};
pub use summary::{Bye, CallSummary, Cause, Flags, LadderEntry, Party, Response};
