//! Counters by kind for all threads of a listener, and what every listener counts.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// Kinds of something that is counted.
pub trait Counted: Copy + 'static {
    /// The name of each kind, in their order.
    const LABELS: &'static [&'static str];

    /// Which one it is.
    fn place(self) -> usize;
}

/// An enum whose variants are counted, each with its name.
macro_rules! counted {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$one:meta])* $variant:ident $label:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum $name { $($(#[$one])* $variant,)* }

        impl $crate::agents::Counted for $name {
            const LABELS: &'static [&'static str] = &[$($label),*];

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

pub(crate) use counted;

counted! {
    /// What happens to any listener.
    Event {
        /// Datagrams that a socket had no room for.
        SocketDropped "socket_dropped",
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
        /// Connections ended because what came was no message.
        ConnectionsBroken "connections_broken",
        /// Connections ended because a message, or the start of TLS, took too long.
        ConnectionsSlow "connections_slow",
        /// Connections ended because the peer did not take its answer.
        ConnectionsDeaf "connections_deaf",
        /// Connections that ended inside of a message.
        ConnectionsCut "connections_cut",
        /// Connections on which TLS failed.
        TlsFailed "tls_failed",
    }
}

/// A counter for each kind.
#[derive(Debug)]
pub struct Counters<K> {
    all: Box<[AtomicU64]>,
    kind: PhantomData<fn(K)>,
}

impl<K: Counted> Default for Counters<K> {
    fn default() -> Self {
        let all = K::LABELS.iter().map(|_| AtomicU64::new(0)).collect();
        Self { all, kind: PhantomData }
    }
}

impl<K: Counted> Counters<K> {
    /// Counts it so many times.
    pub fn note(&self, what: K, times: u64) {
        if times > 0
            && let Some(count) = self.all.get(what.place())
        {
            count.fetch_add(times, Ordering::Relaxed);
        }
    }

    /// How often this was counted.
    pub fn of(&self, what: K) -> u64 {
        self.all.get(what.place()).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// All together.
    pub fn sum(&self) -> u64 {
        self.pairs().map(|(_, count)| count).sum()
    }

    /// Name and count of every kind.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        K::LABELS.iter().copied().zip(self.all.iter().map(|c| c.load(Ordering::Relaxed)))
    }
}
