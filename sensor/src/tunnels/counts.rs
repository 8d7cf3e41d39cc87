//! What became of every datagram or recording: exactly one outcome each.

use crate::agents::counts;

counts::counted! {
    /// What became of one.
    Outcome {
        /// It went to a worker.
        Delivered "delivered",
        /// It is none of its kind of tunnel, or there is no UDP or TCP in it.
        Unopened "unopened",
        /// The packet in it is no VoIP.
        NotVoip "not_voip",
        /// It is longer than a packet can be.
        TooLong "too_long",
        /// Too much waited for the workers.
        QueueFull "queue_full",
    }
}

counts::counted! {
    /// What happened beside.
    Event {
        /// Connections that brought a recording whose end nothing tells.
        NoLength "recordings_without_length",
    }
}
