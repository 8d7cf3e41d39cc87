//! The agents' clocks: how far each is ahead of ours, and whether its time is believed.
//!
//! The least delayed of a source's messages shows its clock best, so of each ten seconds the one
//! counts that is furthest ahead. A source is an address and the number of its agent.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde_json::{Value, json};

use super::counts::{Counters, Event};

/// Sources that are remembered; the one that was silent for longest is forgotten first.
const SOURCES_MAX: usize = 1024;

/// A clock is measured anew in this time, ns.
const WINDOW_NS: u64 = 10_000_000_000;

/// An agent.
type Name = (IpAddr, u32);

#[derive(Clone, Copy, Debug)]
struct Source {
    messages: u64,
    /// Its clock minus ours, ns: in this window, and in the last that had any.
    ahead_ns: Option<i64>,
    before_ns: Option<i64>,
    window_ns: u64,
    heard_ns: u64,
    distrusted: bool,
}

impl Source {
    /// How far its clock is ahead, as far as we know.
    fn ahead(&self) -> Option<i64> {
        self.ahead_ns.max(self.before_ns)
    }

    fn measure(&mut self, ahead_ns: i64, now_ns: u64) {
        if now_ns.saturating_sub(self.window_ns) >= WINDOW_NS {
            self.before_ns = self.ahead_ns.take().or(self.before_ns);
            self.window_ns = now_ns;
        }
        self.ahead_ns = self.ahead_ns.max(Some(ahead_ns));
    }
}

/// All agents that were heard.
#[derive(Debug)]
pub(crate) struct Sources {
    all: Mutex<HashMap<Name, Source, RandomState>>,
    system_time: bool,
    skew_max_ns: u64,
}

/// One message's times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// From where.
    pub(crate) name: Name,
    /// What the agent says, UNIX ns.
    pub(crate) told_ns: Option<u64>,
    /// When it came, UNIX ns.
    pub(crate) unix_ns: u64,
    /// The same on the monotonic clock.
    pub(crate) clock_ns: u64,
}

impl Sources {
    pub(crate) fn new(system_time: bool, skew_max: Duration) -> Self {
        let skew_max_ns = u64::try_from(skew_max.as_nanos()).unwrap_or(u64::MAX);
        Self { all: Mutex::default(), system_time, skew_max_ns }
    }

    /// The time of a message, UNIX ns: what its source tells where that is to be believed.
    pub(crate) fn time(&self, heard: &Heard, counts: &Counters<Event>) -> u64 {
        let mut all = self.lock();
        if all.len() >= SOURCES_MAX && !all.contains_key(&heard.name) {
            let oldest = all.iter().min_by_key(|(_, source)| source.heard_ns).map(|(n, _)| *n);
            if let Some(name) = oldest {
                all.remove(&name);
                counts.note(Event::SourcesForgotten, 1);
            }
        }
        let source = all.entry(heard.name).or_insert(Source {
            messages: 0,
            ahead_ns: None,
            before_ns: None,
            window_ns: heard.clock_ns,
            heard_ns: 0,
            distrusted: false,
        });
        source.messages += 1;
        source.heard_ns = heard.clock_ns;
        let Some(told_ns) = heard.told_ns else {
            counts.note(Event::TimeMissing, u64::from(!self.system_time));
            return heard.unix_ns;
        };
        let ahead_ns = i128::from(told_ns) - i128::from(heard.unix_ns);
        let ahead_ns = i64::try_from(ahead_ns).unwrap_or(i64::MAX);
        source.measure(ahead_ns, heard.clock_ns);
        let far = |ahead_ns: i64| ahead_ns.unsigned_abs() > self.skew_max_ns;
        source.distrusted = source.ahead().is_some_and(far);
        if self.system_time {
            return heard.unix_ns;
        }
        if source.distrusted || far(ahead_ns) {
            counts.note(Event::TimeDistrusted, 1);
            return heard.unix_ns;
        }
        told_ns
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Source, RandomState>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that were heard most recently come first.
    pub(crate) fn json(&self) -> Value {
        let mut all: Vec<_> = self.lock().iter().map(|(name, source)| (*name, *source)).collect();
        all.sort_by_key(|(name, source)| (std::cmp::Reverse(source.heard_ns), *name));
        let one = |((address, agent), source): (Name, Source)| {
            json!({
                "address": address.to_canonical().to_string(),
                "agent": agent,
                "messages": source.messages,
                "ahead_ms": source.ahead().map(|ns| ns / 1_000_000),
                "believed": !source.distrusted && !self.system_time,
            })
        };
        all.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const T: u64 = 1_700_000_000 * S;

    fn heard(last: u8, told_ns: Option<u64>, at_s: u64) -> Heard {
        let name = (IpAddr::from([10, 0, 0, last]), 7);
        Heard { name, told_ns, unix_ns: T + at_s * S, clock_ns: at_s * S }
    }

    #[test]
    fn each_source_is_believed_or_not_by_its_own_clock() {
        let (sources, counts) = (Sources::new(false, Duration::from_secs(60)), Counters::default());
        let time = |last, told, at| sources.time(&heard(last, told, at), &counts);
        assert_eq!(time(1, Some(T - 50 * S), 0), T - 50 * S);
        assert_eq!(time(2, Some(T + 3600 * S), 0), T, "an hour ahead");
        assert_eq!(time(1, Some(T + 59 * S), 1), T + 59 * S);
        assert_eq!(time(1, None, 2), T + 2 * S);
        // One delayed message of a source that is ahead looks right, and is not.
        assert_eq!(time(2, Some(T + 3 * S), 3), T + 3 * S);
        // It is set right: measured anew, it is believed again.
        for at in [12, 24, 36] {
            time(2, Some(T + at * S - 5), at);
        }
        assert_eq!(time(2, Some(T + 40 * S - 5), 40), T + 40 * S - 5);
        let json = sources.json();
        assert_eq!(json[0]["address"], "10.0.0.2");
        assert_eq!((&json[0]["believed"], &json[0]["ahead_ms"]), (&true.into(), &0.into()));
        assert_eq!(json[1]["ahead_ms"], 58_000);
        let ours = Sources::new(true, Duration::from_secs(60));
        assert_eq!(ours.time(&heard(1, Some(T - 5), 1), &counts), T + S);
    }

    #[test]
    fn sources_are_bounded_and_the_silent_go_first() {
        let (sources, counts) = (Sources::new(false, Duration::from_secs(1)), Counters::default());
        for agent in 0..SOURCES_MAX as u32 + 3 {
            let name = (IpAddr::from([10, 0, 0, 1]), agent);
            let heard = Heard { name, told_ns: None, unix_ns: T, clock_ns: agent.into() };
            sources.time(&heard, &counts);
        }
        let json = sources.json();
        let agents: Vec<_> = json.as_array().unwrap().iter().map(|s| s["agent"].clone()).collect();
        assert_eq!(agents.len(), SOURCES_MAX);
        assert_eq!(agents.last(), Some(&3.into()));
        let forgotten = counts.pairs().find(|(label, _)| *label == "sources_forgotten");
        assert_eq!(forgotten, Some(("sources_forgotten", 3)));
    }
}
