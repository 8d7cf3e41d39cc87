//! What became of every HEP message: exactly one outcome each, and what happened beside.

use crate::agents::{Counters, counts};

counts::counted! {
    /// What became of one message.
    Outcome {
        /// Its payload went to a worker.
        Delivered "delivered",
        /// Its key is missing or wrong.
        Unauthorised "unauthorised",
        /// It is no HEP, or contradicts itself.
        Malformed "malformed",
        /// It does not say from where to where.
        NoAddress "no_address",
        /// There is nothing in it: a sign of life.
        Empty "empty",
        /// Its payload cannot be decompressed.
        Incompressible "bad_compression",
        /// Its payload is longer than a packet can be.
        TooLong "too_long",
        /// Its figures of a stream became a record.
        Reported "reported",
        /// JSON that cannot be read, or RTCP that is none.
        Unreadable "unreadable",
        /// Its figures, or its line, name no call.
        NoCall "no_call",
        /// Of its figures none is on its scale.
        NoFigures "no_figures",
        /// A line of a log became a record.
        Logged "logged",
        /// A line of a log, which is not wanted.
        Log "log",
        /// A call has as many lines of logs as are kept.
        LogFull "log_full",
        /// A protocol that is not read.
        OtherProtocol "other_protocol",
        /// Too much waited for the workers.
        QueueFull "queue_full",
    }
}

counts::counted! {
    /// What happened beside.
    Event {
        /// Messages of version 1,
        Version1 "version_1",
        /// version 2,
        Version2 "version_2",
        /// and version 3.
        Version3 "version_3",
        /// Chunks of vendors and of unknown types.
        UnknownChunks "unknown_chunks",
        /// Chunks of a wrong length.
        MisshapenChunks "misshapen_chunks",
    }
}

/// All counters, for all threads.
#[derive(Debug, Default)]
pub struct Counts {
    /// What became of messages.
    pub outcomes: Counters<Outcome>,
    /// What happened beside.
    pub events: Counters<Event>,
}
