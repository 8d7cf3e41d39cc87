//! Registrations: what REGISTER attempts make of them, and what time does.
//!
//! A change of state is told, a refresh is not. Failures of one kind in a row are told once, and
//! then again from time to time with their number.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Counters;
use super::exchange::Wish;
use super::name::{binding_of, user_of};
use super::summary::{RegisterState, RegisterSummary, TransactionSummary};
use crate::event::{Event, Moment};
use crate::options::Options;

const SECOND_NS: u64 = 1_000_000_000;
/// Contacts kept for one address of record and source.
pub(super) const BINDINGS_MAX: usize = 16;
/// A refresh that is under way when the time has passed still counts.
const GRACE_NS: u64 = 2 * SECOND_NS;

/// Failures of one kind in a row.
#[derive(Clone, Copy, Debug)]
struct Failing {
    /// The response's number; `None`: nobody answered.
    status: Option<u16>,
    /// Failures since the last record.
    untold: u32,
    told_ns: u64,
}

/// One contact of a user.
#[derive(Debug)]
struct Binding {
    /// The last attempt, in the form of a record.
    facts: Box<RegisterSummary>,
    /// Until when it is registered, and how many seconds were granted.
    until: Option<(Moment, u32)>,
    refreshes: u32,
    failing: Option<Failing>,
    /// The last state told.
    told: Option<RegisterState>,
    touched_ns: u64,
}

/// The contacts of an address of record from one source.
#[derive(Debug, Default)]
struct User {
    bindings: SmallVec<[Binding; 1]>,
    scheduled_ns: Option<u64>,
}

/// All registrations of a shard.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    users: HashMap<u64, User, RandomState>,
    bindings: usize,
}

/// What records need beside the attempt.
pub(super) struct Desk<'a> {
    pub(super) options: &'a Options,
    pub(super) counters: &'a mut Counters,
    pub(super) events: &'a mut Vec<Event>,
}

impl Desk<'_> {
    fn state_timeout_ns(&self) -> u64 {
        u64::from(self.options.sip_register_state_timeout) * SECOND_NS
    }
}

impl Registrar {
    /// Takes a REGISTER that is over; gives the user whose timer has to be looked at.
    pub(super) fn attempt(
        &mut self,
        attempt: &TransactionSummary,
        wish: &Wish,
        desk: &mut Desk<'_>,
    ) -> Option<u64> {
        let user_id = user_of(wish.address_of_record, attempt.caller.address.ip());
        let id = binding_of(user_id, &wish.number, &wish.domain);
        let facts = facts(id, attempt, wish);
        let success = success(attempt).map(|at| (at, wish.granted.unwrap_or_default()));
        if let (Some((at, 0)), "*", Some(user)) =
            (success, wish.number.as_str(), self.users.get_mut(&user_id))
            && user.bindings.iter().any(|b| b.until.is_some())
        {
            for binding in user.bindings.iter_mut().filter(|b| b.until.is_some()) {
                binding.tell_failures(desk);
                *binding.facts = of_all(facts.clone(), &binding.facts);
                binding.unregister(at, desk);
            }
            return Some(user_id);
        }
        let here = self.users.get(&user_id).map_or(&[][..], |user| &user.bindings);
        let known = here.iter().position(|b| b.facts.registration == id);
        let full = here.len() >= BINDINGS_MAX || self.bindings >= desk.options.registrations_max;
        if known.is_none() && full {
            return Self::alone(facts, success, desk);
        }
        let user = self.users.entry(user_id).or_default();
        let index = known.unwrap_or_else(|| {
            self.bindings += 1;
            user.bindings.push(Binding::new(facts.clone()));
            user.bindings.len() - 1
        });
        if let Some(binding) = user.bindings.get_mut(index) {
            binding.settle(facts, success, desk);
        }
        Some(user_id)
    }

    /// There is no room to remember this registration: it is told as if it were the first.
    fn alone(
        facts: RegisterSummary,
        success: Option<(Moment, u32)>,
        desk: &mut Desk<'_>,
    ) -> Option<u64> {
        desk.counters.registrations_refused += 1;
        Binding::new(facts.clone()).settle(facts, success, desk);
        None
    }

    /// The next timer of a user, where it is sooner than the one that is set.
    pub(super) fn schedule(&mut self, user: u64, options: &Options) -> Option<u64> {
        let found = self.users.get_mut(&user)?;
        let due = found.bindings.iter().map(|b| b.deadline(options)).min()?;
        let sooner = found.scheduled_ns.is_none_or(|set| due < set);
        if sooner {
            found.scheduled_ns = Some(due);
        }
        sooner.then_some(due)
    }

    /// A user's timer came up: tells what time has done, and gives its next timer.
    pub(super) fn timeout(&mut self, user: u64, due_ns: u64, desk: &mut Desk<'_>) -> Option<u64> {
        let found = self.users.get_mut(&user).filter(|u| u.scheduled_ns == Some(due_ns))?;
        let before = found.bindings.len();
        found.bindings.retain(|binding| binding.stays(due_ns, desk));
        self.bindings -= before - found.bindings.len();
        let next = found.bindings.iter().map(|b| b.deadline(desk.options)).min();
        found.scheduled_ns = next;
        if next.is_none() {
            self.users.remove(&user);
        }
        next
    }

    /// A timer of that time for that user still counts.
    pub(super) fn is_scheduled(&self, user: u64, due_ns: u64) -> bool {
        self.users.get(&user).is_some_and(|u| u.scheduled_ns == Some(due_ns))
    }

    /// End of input: failures that were not told are; what is registered stays so.
    pub(super) fn flush(&mut self, desk: &mut Desk<'_>) {
        self.bindings = 0;
        let mut bindings: Vec<Binding> =
            self.users.drain().flat_map(|(_, user)| user.bindings).collect();
        bindings.sort_by_key(|b| (b.facts.at.clock_ns, b.facts.registration));
        for binding in &mut bindings {
            binding.facts.flushed = true;
            binding.tell_failures(desk);
        }
    }

    /// Registrations that are remembered.
    pub(super) fn bindings(&self) -> usize {
        self.bindings
    }
}

impl Binding {
    fn new(facts: RegisterSummary) -> Self {
        let touched_ns = facts.at.clock_ns;
        let facts = Box::new(facts);
        Self { facts, until: None, refreshes: 0, failing: None, told: None, touched_ns }
    }

    /// What an attempt makes of it; of a success, when it came and for how many seconds.
    fn settle(
        &mut self,
        facts: RegisterSummary,
        success: Option<(Moment, u32)>,
        desk: &mut Desk<'_>,
    ) {
        self.touched_ns = self.touched_ns.max(facts.at.clock_ns);
        let Some((at, granted)) = success else { return self.fail(facts, desk) };
        self.tell_failures(desk);
        *self.facts = facts;
        if granted == 0 {
            return self.unregister(at, desk);
        }
        let ns = u64::from(granted) * SECOND_NS;
        let until =
            Moment { ts_ns: at.ts_ns.saturating_add(ns), clock_ns: at.clock_ns.saturating_add(ns) };
        let refreshed = self.until.replace((until, granted)).is_some();
        let recovered = self.failing.take().is_some();
        self.refreshes = if refreshed { self.refreshes.saturating_add(1) } else { 0 };
        if refreshed && !recovered {
            desk.counters.refreshes += 1;
            return;
        }
        self.tell(RegisterState::Registered, at, 1, desk);
    }

    fn unregister(&mut self, at: Moment, desk: &mut Desk<'_>) {
        self.failing = None;
        self.touched_ns = self.touched_ns.max(at.clock_ns);
        // A device that at its start takes back what it may have left behind says it once.
        if self.until.take().is_some() || self.told != Some(RegisterState::Unregistered) {
            self.tell(RegisterState::Unregistered, at, 1, desk);
        }
        self.refreshes = 0;
    }

    fn fail(&mut self, facts: RegisterSummary, desk: &mut Desk<'_>) {
        let (status, at) = (facts.response.as_ref().map(|r| r.status), facts.at);
        if let Some(failing) = self.failing.as_mut().filter(|f| f.status == status) {
            failing.untold = failing.untold.saturating_add(1);
            let waited = at.clock_ns.saturating_sub(failing.told_ns);
            *self.facts = facts;
            if waited >= desk.state_timeout_ns() {
                self.tell_failures(desk);
            }
            return;
        }
        self.tell_failures(desk);
        *self.facts = facts;
        self.failing = Some(Failing { status, untold: 0, told_ns: at.clock_ns });
        self.tell(RegisterState::Failed, at, 1, desk);
    }

    /// Failures since the last record become one.
    fn tell_failures(&mut self, desk: &mut Desk<'_>) {
        let Some(failing) = self.failing.as_mut().filter(|f| f.untold > 0) else { return };
        let count = std::mem::take(&mut failing.untold);
        let at = self.facts.at;
        failing.told_ns = at.clock_ns;
        self.tell(RegisterState::Failed, at, count, desk);
    }

    fn tell(&mut self, state: RegisterState, at: Moment, counter: u32, desk: &mut Desk<'_>) {
        self.told = Some(state);
        let refreshes = self.refreshes;
        let record = RegisterSummary { state, at, counter, refreshes, ..(*self.facts).clone() };
        desk.counters.register_changes += 1;
        desk.events.push(Event::Register(Box::new(record)));
    }

    /// What time has done by `due_ns`; false: there is nothing more to remember.
    fn stays(&mut self, due_ns: u64, desk: &mut Desk<'_>) -> bool {
        if let Some((until, granted)) = self.until
            && until.clock_ns.saturating_add(GRACE_NS) <= due_ns
        {
            self.until = None;
            self.touched_ns = due_ns;
            self.told = Some(RegisterState::Expired);
            desk.counters.register_changes += 1;
            desk.events.push(Event::Register(Box::new(RegisterSummary {
                state: RegisterState::Expired,
                at: until,
                counter: 1,
                refreshes: self.refreshes,
                expires: Some(granted),
                response: None,
                request_delay_ns: None,
                repetitions: 0,
                ..(*self.facts).clone()
            })));
        }
        let wait = desk.state_timeout_ns();
        if self.failing.is_some_and(|f| f.told_ns.saturating_add(wait) <= due_ns) {
            self.tell_failures(desk);
        }
        self.until.is_some() || self.touched_ns.saturating_add(wait) > due_ns
    }

    fn deadline(&self, options: &Options) -> u64 {
        let wait = u64::from(options.sip_register_state_timeout) * SECOND_NS;
        let untold = self.failing.filter(|f| f.untold > 0);
        let failing = untold.map(|f| f.told_ns.saturating_add(wait));
        let expiry = match self.until {
            Some((until, _)) => until.clock_ns.saturating_add(GRACE_NS),
            None => self.touched_ns.saturating_add(wait),
        };
        failing.map_or(expiry, |failing| failing.min(expiry))
    }
}

/// When the registrar said yes.
fn success(attempt: &TransactionSummary) -> Option<Moment> {
    let response = attempt.response.as_ref()?;
    (200..300).contains(&response.status).then_some(attempt.responded?)
}

/// What one attempt tells.
fn facts(registration: u64, attempt: &TransactionSummary, wish: &Wish) -> RegisterSummary {
    let succeeded = success(attempt).is_some();
    RegisterSummary {
        registration,
        call: attempt.call,
        call_id: attempt.call_id.clone(),
        state: RegisterState::Failed,
        at: attempt.responded.unwrap_or(attempt.last),
        counter: 1,
        source: attempt.caller.address,
        target: attempt.called.address,
        from_number: attempt.caller.number.clone(),
        from_domain: attempt.caller.domain.clone(),
        to_number: attempt.called.number.clone(),
        to_domain: attempt.called.domain.clone(),
        contact_number: wish.number.clone(),
        contact_domain: wish.domain.clone(),
        digest_username: attempt.digest_username.clone(),
        digest_realm: attempt.digest_realm.clone(),
        user_agent: attempt.caller.user_agent.clone(),
        expires_asked: wish.asked,
        expires: wish.granted.filter(|_| succeeded),
        response: attempt.response.clone(),
        request_delay_ns: attempt.delay_ns.filter(|_| succeeded),
        repetitions: attempt.repetitions,
        refreshes: 0,
        challenged: attempt.challenged,
        malformed: attempt.malformed,
        flushed: attempt.flushed,
        tcp: attempt.tcp,
        vlan: attempt.vlan,
        tunnel: attempt.tunnel,
        origin: attempt.origin,
    }
}

/// An attempt for all contacts, as that of one of them.
fn of_all(all: RegisterSummary, one: &RegisterSummary) -> RegisterSummary {
    RegisterSummary {
        registration: one.registration,
        contact_number: one.contact_number.clone(),
        contact_domain: one.contact_domain.clone(),
        ..all
    }
}
