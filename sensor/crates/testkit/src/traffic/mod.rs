//! Telephone traffic with the truth about it.
//!
//! A [`Plan`] says what is wanted; [`generate`] writes the frames in time order to a
//! [`FrameSink`] and gives the [`Truth`]; [`generate_to`] does the same for traffic too large to
//! keep the truth in memory. Everything follows from the plan's seed.
//!
//! ```
//! use ringtap_testkit::traffic::{self, Loss, Plan};
//!
//! let plan = Plan { calls: 2, talk_ms: 1000, loss: Loss::Independent(0.05), ..Plan::default() };
//! let mut frames = traffic::Memory::default();
//! let truth = traffic::generate(&plan, &mut frames)?;
//! assert_eq!(frames.len() as u64, truth.totals.frames);
//! assert_eq!(truth.calls[0].streams.len(), 2);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How it is made
//!
//! Each call has a script of SIP messages (`script`) and two senders of RTP (`sender`). One
//! heap holds what happens next anywhere: a step of a script, a sender's 20 ms tick, a packet
//! that is still under way, a mirror copy. Memory therefore grows with calls at one moment and
//! packets under way, not with the length of the traffic.
//!
//! # What is lost, what is out of order
//!
//! Loss, delay and reordering happen before the capture point, mirror copies at it; SIP and RTCP
//! suffer neither. Jitter never changes the order. The first four packets of a stream and those
//! of its last 100 ms and more are not overtaken, so a stream's first packet in the file is also
//! its lowest, and the last one its highest. The truth is not computed from the plan but counted
//! by an observer at the capture point (`observer`), who knows every packet's number. Where
//! duplicates could not be told from mirror copies (IPv6, or IP id 0) the sender repeats after
//! 25 to 45 ms instead of within 5.

pub mod plan;
pub mod truth;

mod carry;
mod engine;
mod frames;
mod observer;
mod path;
mod script;
mod sender;
mod sink;

#[cfg(test)]
mod tests;

pub use carry::{Carrier, Carry, websocket_frame};
pub use plan::{BadPlan, Duration, IpId, Loss, MirrorShape, Plan, Shares};
pub use sink::{Count, FrameSink, Memory};
pub use truth::{CallTruth, Outcome, StreamTruth, Totals, Truth, TruthSink, TruthWriter};

use std::io;

/// Writes the traffic to `frames` and gives the truth about it. A plan that cannot be carried
/// out gives an error of kind `InvalidInput`; others come from the sink.
pub fn generate(plan: &Plan, frames: &mut dyn FrameSink) -> io::Result<Truth> {
    let mut calls = Vec::new();
    let totals = generate_to(plan, frames, &mut calls)?;
    calls.sort_by_key(|call: &CallTruth| call.index);
    Ok(Truth { calls, totals })
}

/// Like [`generate`], but hands the truth about each call to `calls` when the call has ended.
pub fn generate_to(
    plan: &Plan,
    frames: &mut dyn FrameSink,
    calls: &mut dyn TruthSink,
) -> io::Result<Totals> {
    plan.validate().map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
    engine::Engine::new(plan, frames, calls).run()
}
