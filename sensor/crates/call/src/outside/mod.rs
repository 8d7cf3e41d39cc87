//! Requests that belong to no INVITE dialog: matched with their responses, one at a time.
//!
//! `name` says which messages belong together, `exchange` what becomes of one request,
//! `registrar` what REGISTER makes of registrations. INVITE dialogs are for [`crate::Calls`].
//!
//! A transaction is matched by Call-ID, method, `CSeq` and the two hosts of its hop, so that a
//! request seen before and behind a proxy is two. A request that follows a challenge with
//! credentials is the same transaction. All tables are bounded, and count what they refuse.

mod exchange;
mod late;
mod name;
mod registrar;
mod summary;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_sip::Method;

use crate::call::CustomHeaders;
use crate::event::Event;
use crate::key::CallKey;
use crate::options::{Options, Recorded};
use crate::side::Reading;
use exchange::Exchange;
use late::Late;
use name::{Names, TransactionId, fingerprint};
use registrar::{Desk, Registrar};

pub use name::registration_route;
pub use summary::{Body, RegisterState, RegisterSummary, TransactionSummary};

/// Timers that count no more are kept up to this number beyond twice that of what is open.
const STALE_TIMERS_MAX: usize = 1024;

/// Counters of one shard; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handled. Each is in exactly one of the four counters below.
    pub messages: u64,
    /// … that belong to a transaction, its first message included.
    pub in_transaction: u64,
    /// … that came after their transaction was closed.
    pub late: u64,
    /// … that would have begun a transaction, with the table full.
    pub refused: u64,
    /// … of methods that are not wanted.
    pub unwanted: u64,
    /// Transactions begun.
    pub begun: u64,
    /// Transactions closed.
    pub closed: u64,
    /// Closed transactions forgotten before their time.
    pub late_forgotten: u64,
    /// Changes in the state of registrations.
    pub register_changes: u64,
    /// Registrations refreshed in time: no change.
    pub refreshes: u64,
    /// Registrations whose state found no room; what became of each attempt is told.
    pub registrations_refused: u64,
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Transaction(TransactionId),
    User(u64),
}

/// What goes on outside of calls in one shard.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    open: HashMap<TransactionId, Exchange, RandomState>,
    /// The latest open transaction of each conversation.
    conversations: HashMap<u64, TransactionId, RandomState>,
    registrar: Registrar,
    timers: BinaryHeap<Reverse<(u64, Owner)>>,
    late: Late,
    message_headers: CustomHeaders,
    counters: Counters,
}

impl Outside {
    /// The values of these headers are kept of MESSAGEs.
    pub(crate) fn keeping(mut self, of_messages: CustomHeaders) -> Self {
        self.message_headers = of_messages;
        self
    }

    /// Whether an open transaction waits for this message. What makes and ends calls is a call's,
    /// where there is one: a response may have come before its INVITE.
    pub(crate) fn expects(&self, key: CallKey, call_id: &[u8], reading: &Reading<'_>) -> bool {
        let of_call = matches!(
            reading.method,
            Method::Invite
                | Method::Ack
                | Method::Bye
                | Method::Cancel
                | Method::Prack
                | Method::Update
        );
        !of_call
            && !self.open.is_empty()
            && self.open.contains_key(&Names::of(key, call_id, reading).transaction)
    }

    /// Takes one message, after its time was told by [`Self::handle_timeout`].
    pub(crate) fn handle(
        &mut self,
        key: CallKey,
        call_id: &[u8],
        reading: &Reading<'_>,
        options: &Options,
        events: &mut Vec<Event>,
    ) {
        let now_ns = reading.meta.clock_ns;
        self.counters.messages += 1;
        if !is_wanted(reading.method, options.recorded) {
            self.counters.unwanted += 1;
            return;
        }
        let names = Names::of(key, call_id, reading);
        let id = self.known(&names, key, call_id, reading);
        if let Some(open) = self.open.get(&id) {
            if open.is_followed_by(reading) {
                self.close(id, now_ns, options, events);
            } else {
                return self.feed(id, reading, options);
            }
        } else if let Some(print) = self.late.get(id.0, now_ns)
            && (reading.request.is_none()
                || print == fingerprint(reading)
                || id != names.transaction)
        {
            self.counters.late += 1;
            return;
        }
        if self.open.len() >= options.transactions_max {
            self.counters.refused += 1;
            return;
        }
        self.counters.begun += 1;
        let nonce = self.late.get(names.conversation.0, now_ns).unwrap_or(0);
        let exchange = Exchange::begin(key, call_id, names.conversation, nonce, reading);
        self.open.insert(names.transaction, exchange);
        self.conversations.insert(names.conversation.0, names.transaction);
        self.feed(names.transaction, reading, options);
    }

    /// The transaction that this message names, or the one that it goes on with.
    fn known(
        &mut self,
        names: &Names,
        key: CallKey,
        call_id: &[u8],
        reading: &Reading<'_>,
    ) -> TransactionId {
        let id = names.transaction;
        match reading.request {
            Some(Method::Ack) => {
                let invite = Names::of_invite(key, call_id, reading).transaction;
                let known = self.open.contains_key(&invite)
                    || self.late.get(invite.0, reading.meta.clock_ns).is_some();
                if known { invite } else { id }
            }
            Some(_) if !self.open.contains_key(&id) => {
                let before = self.conversations.get(&names.conversation.0).copied();
                let Some(before) = before else { return id };
                if !self.open.get(&before).is_some_and(|open| open.wants(reading)) {
                    return id;
                }
                // The transaction goes on under the number of its new request.
                if let Some(mut open) = self.open.remove(&before) {
                    open.scheduled_ns = u64::MAX;
                    self.late.push(before.0, open.fingerprint, reading.meta.clock_ns);
                    self.open.insert(id, open);
                    self.conversations.insert(names.conversation.0, id);
                }
                id
            }
            _ => id,
        }
    }

    fn feed(&mut self, id: TransactionId, reading: &Reading<'_>, options: &Options) {
        let Some(open) = self.open.get_mut(&id) else { return };
        self.counters.in_transaction += 1;
        if reading.method == Method::Message {
            self.message_headers.learn(reading.message, &mut open.summary.custom_headers);
        }
        open.take(reading, options);
        let due = open.deadline(options);
        if due < open.scheduled_ns {
            open.scheduled_ns = due;
            self.timers.push(Reverse((due, Owner::Transaction(id))));
            self.forget_stale_timers();
        }
    }

    /// Closes a transaction, and tells what it was or what it makes of a registration.
    fn close(
        &mut self,
        id: TransactionId,
        clock_ns: u64,
        options: &Options,
        events: &mut Vec<Event>,
    ) {
        let Some(exchange) = self.open.remove(&id) else { return };
        self.counters.closed += 1;
        let Exchange { summary, wish, conversation, fingerprint, nonce, .. } = exchange;
        if self.conversations.get(&conversation.0) == Some(&id) {
            self.conversations.remove(&conversation.0);
        }
        let mut forgot = self.late.push(id.0, fingerprint, clock_ns);
        if nonce != 0 {
            forgot |= self.late.push(conversation.0, nonce, clock_ns);
        }
        self.counters.late_forgotten += u64::from(forgot);
        let succeeded = summary.response.as_ref().is_some_and(|r| (200..300).contains(&r.status));
        match wish {
            // A success without a contact was a question, and changes nothing.
            Some(wish) if !(succeeded && wish.number.is_empty() && wish.domain.is_empty()) => {
                let mut desk = Desk { options, counters: &mut self.counters, events };
                let user = self.registrar.attempt(&summary, &wish, &mut desk);
                let due =
                    user.and_then(|user| Some((self.registrar.schedule(user, options)?, user)));
                if let Some((due, user)) = due {
                    self.timers.push(Reverse((due, Owner::User(user))));
                }
            }
            _ => events.push(Event::Transaction(summary)),
        }
        self.forget_stale_timers();
    }

    /// Monotonic nanoseconds of the next timer; it may turn out to be early.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.timers.peek().map(|Reverse((due, _))| *due)
    }

    /// Does what is due at `now_ns`, in the order of time.
    pub(crate) fn handle_timeout(
        &mut self,
        now_ns: u64,
        options: &Options,
        events: &mut Vec<Event>,
    ) {
        while let Some(&Reverse((due, owner))) = self.timers.peek()
            && due <= now_ns
        {
            self.timers.pop();
            match owner {
                Owner::Transaction(id) => self.transaction_due(id, due, options, events),
                Owner::User(user) => {
                    let mut desk = Desk { options, counters: &mut self.counters, events };
                    if let Some(next) = self.registrar.timeout(user, due, &mut desk) {
                        self.timers.push(Reverse((next, owner)));
                    }
                    self.forget_stale_timers();
                }
            }
        }
    }

    fn transaction_due(
        &mut self,
        id: TransactionId,
        due: u64,
        options: &Options,
        events: &mut Vec<Event>,
    ) {
        let Some(open) = self.open.get_mut(&id).filter(|open| open.scheduled_ns == due) else {
            return;
        };
        let deadline = open.deadline(options);
        if deadline <= due {
            self.close(id, deadline, options, events);
        } else {
            open.scheduled_ns = deadline;
            self.timers.push(Reverse((deadline, Owner::Transaction(id))));
        }
    }

    /// Closes everything, in the order of its beginning: end of input, or shutdown.
    pub(crate) fn flush(&mut self, options: &Options, events: &mut Vec<Event>) {
        let mut open: Vec<_> =
            self.open.iter().map(|(id, open)| (open.summary.first.clock_ns, *id)).collect();
        open.sort_unstable();
        for (_, id) in open {
            let Some(exchange) = self.open.get_mut(&id) else { continue };
            exchange.summary.flushed = !exchange.is_over();
            let clock_ns = exchange.summary.last.clock_ns;
            self.close(id, clock_ns, options, events);
        }
        let mut desk = Desk { options, counters: &mut self.counters, events };
        self.registrar.flush(&mut desk);
        self.timers.clear();
    }

    /// Transactions going on.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Registrations of which something is remembered.
    pub(crate) fn registered(&self) -> usize {
        self.registrar.bindings()
    }

    /// The counters so far.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Keeps the timers within a few times the number of what is open, and none for nothing.
    fn forget_stale_timers(&mut self) {
        let open = self.open.len() + self.registrar.bindings();
        if open == 0 {
            self.timers.clear();
        }
        if self.timers.len() > STALE_TIMERS_MAX + 2 * open {
            let (open, registrar) = (&self.open, &self.registrar);
            self.timers.retain(|Reverse((due, owner))| match owner {
                Owner::Transaction(id) => open.get(id).is_some_and(|o| o.scheduled_ns == *due),
                Owner::User(user) => registrar.is_scheduled(*user, *due),
            });
        }
    }
}

/// Whether transactions of this method become records.
fn is_wanted(method: Method, recorded: Recorded) -> bool {
    match method {
        Method::Register => recorded.register,
        Method::Message => recorded.message,
        Method::Options => recorded.options,
        Method::Subscribe => recorded.subscribe,
        Method::Notify => recorded.notify,
        _ => recorded.other,
    }
}
