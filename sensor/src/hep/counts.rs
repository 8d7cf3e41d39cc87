//! What became of every HEP message: exactly one outcome each, and what happened beside.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counted {
    ($(#[$doc:meta])* $name:ident, $count:ident, $labels:ident {
        $($(#[$one:meta])* $variant:ident $label:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum $name { $($(#[$one])* $variant,)* }

        const $count: usize = [$($label),*].len();
        static $labels: [&str; $count] = [$($label),*];
    };
}

counted! {
    /// What became of one message.
    Outcome, OUTCOMES, OUTCOME_LABELS {
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
        /// JSON that cannot be read, or RTCP that is none.
        Unreadable "unreadable",
        /// Figures of a stream, which are not read.
        Qos "qos",
        /// A line of a log, which is not read.
        Log "log",
        /// A protocol that is not read.
        OtherProtocol "other_protocol",
        /// Too much waited for the workers.
        QueueFull "queue_full",
    }
}

counted! {
    /// What happened beside.
    Event, EVENTS, EVENT_LABELS {
        /// Messages of version 1,
        Version1 "version_1",
        /// version 2,
        Version2 "version_2",
        /// and version 3.
        Version3 "version_3",
        /// Datagrams that the socket had no room for.
        SocketDropped "socket_dropped",
        /// Chunks of vendors and of unknown types.
        UnknownChunks "unknown_chunks",
        /// Chunks of a wrong length.
        MisshapenChunks "misshapen_chunks",
        /// Messages that told no time.
        TimeMissing "time_missing",
        /// Messages whose time was too far off.
        TimeDistrusted "time_distrusted",
        /// Sources forgotten for others.
        SourcesForgotten "sources_forgotten",
        /// Connections made.
        Connections "connections",
        /// Connections refused because there were too many.
        ConnectionsRefused "connections_refused",
        /// Connections ended because others wanted their place.
        ConnectionsEvicted "connections_evicted",
        /// Connections ended because what came was no HEP 3.
        ConnectionsBroken "connections_broken",
        /// Connections ended because a message, or the start of TLS, took too long.
        ConnectionsSlow "connections_slow",
        /// Connections that ended inside of a message.
        ConnectionsCut "connections_cut",
        /// Connections on which TLS failed.
        TlsFailed "tls_failed",
    }
}

/// All counters, for all threads.
#[derive(Debug)]
pub struct Counts {
    outcomes: [AtomicU64; OUTCOMES],
    events: [AtomicU64; EVENTS],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            outcomes: [const { AtomicU64::new(0) }; OUTCOMES],
            events: [const { AtomicU64::new(0) }; EVENTS],
        }
    }
}

impl Counts {
    /// Counts a message.
    pub fn count(&self, what: Outcome) {
        self.outcomes[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what happened beside.
    pub fn note(&self, what: Event, times: u64) {
        if times > 0 {
            self.events[what as usize].fetch_add(times, Ordering::Relaxed);
        }
    }

    /// Sets what somebody else counts.
    pub fn set(&self, what: Event, value: u64) {
        self.events[what as usize].store(value, Ordering::Relaxed);
    }

    /// Messages with this outcome.
    pub fn of(&self, what: Outcome) -> u64 {
        self.outcomes[what as usize].load(Ordering::Relaxed)
    }

    /// All messages.
    pub fn messages(&self) -> u64 {
        self.outcomes.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Label and count of every outcome.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        OUTCOME_LABELS.into_iter().zip(self.outcomes.iter().map(|c| c.load(Ordering::Relaxed)))
    }

    /// Label and count of every event.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        EVENT_LABELS.into_iter().zip(self.events.iter().map(|c| c.load(Ordering::Relaxed)))
    }
}
