//! One shard's call table: which call a message belongs to, and when a call is over.
//!
//! What a message means inside of its call is in `call`; nothing here reads headers beyond what
//! finding the call takes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_sip::{Message, Method};

use crate::call::{Call, Correlation, CustomHeaders, Place};
use crate::counters::Counters;
use crate::deadline::Why;
use crate::event::Event;
use crate::key::{CallKey, Meta, check_of};
use crate::options::Options;
use crate::outside::{self, Outside};
use crate::recent::{Closed, Recent};
use crate::side::Reading;

/// Timers that count no more are kept up to this number beyond twice that of calls.
const STALE_TIMERS_MAX: usize = 1024;

/// The calls of one shard.
#[derive(Debug, Default)]
pub struct Calls {
    options: Options,
    calls: HashMap<CallKey, Box<Call>, RandomState>,
    /// The same calls in the order in which they began.
    places: BTreeSet<Place>,
    /// The earliest first. The entry of a call that says the same as its `scheduled_ns` counts:
    /// it is not later than the deadline, and corrected when it comes up. A heap, because that
    /// asks for no memory.
    timers: BinaryHeap<Reverse<(u64, CallKey)>>,
    recent: Recent,
    match_headers: Vec<CompactString>,
    custom_headers: CustomHeaders,
    outside: Outside,
    counters: Counters,
}

impl Calls {
    /// An empty table.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// The values of these headers tie calls together, beside Session-ID and Replaces.
    #[must_use]
    pub fn tied_by(mut self, headers: Vec<CompactString>) -> Self {
        self.match_headers = headers;
        self
    }

    /// The values of these headers are kept of calls, and of MESSAGEs outside of calls.
    #[must_use]
    pub fn keeping(mut self, of_calls: CustomHeaders, of_messages: CustomHeaders) -> Self {
        self.custom_headers = of_calls;
        self.outside = self.outside.keeping(of_messages);
        self
    }

    /// Takes one message. Claims and closed calls are added to `events`.
    pub fn handle(&mut self, meta: &Meta, message: &Message<'_>, events: &mut Vec<Event>) {
        let reading = Reading::new(meta, message);
        self.count(&reading);
        self.outside.handle_timeout(meta.clock_ns, &self.options, events);
        let call_id = message.call_id().unwrap_or_default();
        let key = match message.call_id() {
            Some(call_id) => CallKey::of(self.options.realm, call_id),
            None => meta.nameless_key(self.options.realm),
        };
        // A REGISTER is no call's, whatever its Call-ID: it may not even be in the call's shard.
        if reading.method == Method::Register || self.outside.expects(key, call_id, &reading) {
            self.outside_of_calls(key, call_id, &reading, events);
            return;
        }
        self.expire(key, meta.clock_ns, events);
        let Some(call) = self.calls.get(&key) else {
            self.without_call(key, call_id, &reading, events);
            return;
        };
        if call.check != check_of(call_id) {
            self.counters.key_collisions += 1;
            self.counters.no_call += 1;
        } else if call.is_replaced_by(&reading) {
            let instance = meta.clock_ns.max(call.summary.instance + 1);
            self.counters.reused_call_ids += 1;
            self.close(key, Why::Replaced, meta.clock_ns, events);
            self.begin(key, instance, call_id, &reading, events);
        } else {
            self.feed(key, &reading, events);
        }
    }

    /// Monotonic nanoseconds of the next timer; it may turn out to be early.
    pub fn poll_timeout(&self) -> Option<u64> {
        let call = self.timers.peek().map(|Reverse((due, _))| *due);
        [call, self.outside.poll_timeout()].into_iter().flatten().min()
    }

    /// Closes what is due at `now_clock_ns`.
    pub fn handle_timeout(&mut self, now_clock_ns: u64, events: &mut Vec<Event>) {
        self.outside.handle_timeout(now_clock_ns, &self.options, events);
        while let Some(&Reverse((due, key))) = self.timers.peek()
            && due <= now_clock_ns
        {
            self.timers.pop();
            let Some(call) = self.calls.get_mut(&key).filter(|c| c.scheduled_ns == due) else {
                continue;
            };
            let (deadline, why) = call.deadline(&self.options);
            if deadline <= due {
                self.close(key, why, deadline, events);
            } else {
                call.scheduled_ns = deadline;
                self.timers.push(Reverse((deadline, key)));
            }
        }
    }

    /// Closes every call, in the order of their beginning: end of input, or shutdown.
    pub fn flush(&mut self, events: &mut Vec<Event>) {
        let mut keys: Vec<_> =
            self.calls.iter().map(|(key, call)| (call.summary.first.clock_ns, *key)).collect();
        keys.sort_unstable();
        for (_, key) in keys {
            let clock_ns = self.calls.get(&key).map_or(0, |call| call.progress.last);
            self.close(key, Why::Flushed, clock_ns, events);
        }
        self.outside.flush(&self.options, events);
    }

    /// Media of a call was seen at this time; it keeps the call alive.
    pub fn saw_media(&mut self, call: CallKey, clock_ns: u64) {
        // A call whose time was up before is closed by its timer, not revived.
        if let Some(found) = self.calls.get_mut(&call)
            && clock_ns < found.deadline(&self.options).0
        {
            found.saw_media(clock_ns);
            self.schedule(call);
        }
    }

    /// An agent says that media from the first end to the second is a call's. Claims are added to
    /// `events`.
    pub fn correlate(
        &mut self,
        call: CallKey,
        flow: (SocketAddr, SocketAddr),
        clock_ns: u64,
        events: &mut Vec<Event>,
    ) -> Correlation {
        let Some(call) = self.calls.get_mut(&call) else { return Correlation::NoCall };
        call.correlate(flow, clock_ns, events)
    }

    /// Calls going on.
    pub fn live(&self) -> usize {
        self.calls.len()
    }

    /// The call of that key, if it runs.
    pub(crate) fn running(&self, key: CallKey) -> Option<&Call> {
        self.calls.get(&key).map(|call| &**call)
    }

    /// The calls that run, in the order in which they began.
    pub(crate) fn places(&self) -> &BTreeSet<Place> {
        &self.places
    }

    /// The realm of all keys.
    pub(crate) fn realm(&self) -> u64 {
        self.options.realm
    }

    /// Requests outside of calls that are waited on, and registrations that are remembered.
    pub fn live_outside(&self) -> (usize, usize) {
        (self.outside.open(), self.outside.registered())
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The counters of what is outside of calls.
    pub fn outside_counters(&self) -> outside::Counters {
        self.outside.counters()
    }

    fn count(&mut self, reading: &Reading<'_>) {
        let counters = &mut self.counters;
        counters.messages += 1;
        counters.malformed += u64::from(reading.malformed.is_some());
        let place = match reading.request {
            Some(method) => counters.requests.get_mut(method as usize),
            None => {
                let class = usize::from(reading.status / 100);
                counters.responses.get_mut(if class > 6 { 0 } else { class })
            }
        };
        if let Some(place) = place {
            *place += 1;
        }
    }

    /// Closes a call whose time was up before this message, as its timer would have done.
    fn expire(&mut self, key: CallKey, clock_ns: u64, events: &mut Vec<Event>) {
        let Some(call) = self.calls.get(&key).filter(|c| c.scheduled_ns <= clock_ns) else {
            return;
        };
        let (deadline, why) = call.deadline(&self.options);
        if deadline <= clock_ns {
            self.close(key, why, deadline, events);
        }
    }

    /// A message that belongs to no call: it begins one, or is counted.
    fn without_call(
        &mut self,
        key: CallKey,
        call_id: &[u8],
        reading: &Reading<'_>,
        events: &mut Vec<Event>,
    ) {
        let invite = reading.request == Some(Method::Invite);
        let mut instance = reading.meta.clock_ns;
        if let Some(closed) = self.recent.get(key, reading.meta.clock_ns) {
            let newer = reading.cseq > closed.invite_cseq || reading.from_tag != closed.from_tag;
            if !reading.is_first_invite() || !newer {
                self.counters.late += 1;
                return;
            }
            instance = instance.max(closed.instance + 1);
        }
        if invite || reading.is_invite_progress() {
            self.begin(key, instance, call_id, reading, events);
            return;
        }
        self.outside_of_calls(key, call_id, reading, events);
    }

    /// A message of a request outside of calls, or of a call whose INVITE was not seen.
    fn outside_of_calls(
        &mut self,
        key: CallKey,
        call_id: &[u8],
        reading: &Reading<'_>,
        events: &mut Vec<Event>,
    ) {
        match reading.method {
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Prack
            | Method::Update => {
                self.counters.without_invite += 1;
            }
            _ => self.counters.other_methods += 1,
        }
        self.outside.handle(key, call_id, reading, &self.options, events);
    }

    fn begin(
        &mut self,
        key: CallKey,
        instance: u64,
        call_id: &[u8],
        reading: &Reading<'_>,
        events: &mut Vec<Event>,
    ) {
        if self.calls.len() >= self.options.calls_max {
            self.counters.refused_calls += 1;
            return;
        }
        self.counters.calls_begun += 1;
        self.counters.begun_by_response += u64::from(reading.request.is_none());
        let mut call = Box::new(Call::begin(key, instance, call_id, reading, &self.options));
        call.scheduled_ns = u64::MAX;
        self.calls.insert(key, call);
        self.places.insert((instance, key));
        self.feed(key, reading, events);
    }

    fn feed(&mut self, key: CallKey, reading: &Reading<'_>, events: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        self.counters.in_call += 1;
        let ties = &mut call.summary.ties;
        self.counters.ties_omitted += ties.learn(reading, self.options.realm, &self.match_headers);
        self.custom_headers.learn(reading.message, &mut call.summary.custom_headers);
        call.take(reading, &self.options, events, &mut self.counters);
        self.schedule(key);
    }

    /// Makes sure that the call's timer comes up no later than its deadline.
    fn schedule(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let (deadline, _) = call.deadline(&self.options);
        if deadline < call.scheduled_ns {
            call.scheduled_ns = deadline;
            self.timers.push(Reverse((deadline, key)));
            self.forget_stale_timers();
        }
    }

    /// Keeps the timers within a few times the number of calls.
    fn forget_stale_timers(&mut self) {
        if self.timers.len() > STALE_TIMERS_MAX + 2 * self.calls.len() {
            let calls = &self.calls;
            self.timers.retain(|Reverse((due, key))| {
                calls.get(key).is_some_and(|call| call.scheduled_ns == *due)
            });
        }
    }

    fn close(&mut self, key: CallKey, why: Why, clock_ns: u64, events: &mut Vec<Event>) {
        let Some(call) = self.calls.remove(&key) else { return };
        self.places.remove(&(call.summary.instance, key));
        if self.calls.is_empty() {
            self.timers.clear();
        }
        let (from_tag, invite_cseq) = call.identity();
        let instance = call.summary.instance;
        let closed = Closed { clock_ns, instance, from_tag, invite_cseq };
        self.counters.recent_forgotten += u64::from(self.recent.push(key, closed));
        self.counters.calls_closed += 1;
        events.push(Event::Close(call.finish(why, clock_ns)));
    }
}
