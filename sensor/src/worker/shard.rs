//! One shard of the call table: SIP messages in order, claims and closes out, records made.
//!
//! A closed call waits here until every worker has reported the streams it owned; then the call
//! and its streams become one record.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringtap_call::{CallSummary, Calls, Correlation, Event as CallEvent, Live, Place};
use ringtap_cdr::{CallRecord, LogLine, Record, VqReport};
use ringtap_sip::{Message, Method};

use super::endpoints::{CallInstance, Ended, socket_addr};
use super::exchange::{Exchange, Note, SipNote, StreamsOf};
use super::record::Recorder;
use super::record::vq::Heard;
use super::streams::Finished;
use super::streams::correlation::{Correlated, Tokens};
use super::streams::told::without_seen;
use crate::ledger::{Event, Tally};

/// A closed call whose streams have not all been reported.
#[derive(Debug)]
struct Closing {
    summary: Box<CallSummary>,
    waiting: usize,
    streams: Vec<Finished>,
}

/// One shard of the call table.
#[derive(Debug)]
pub struct Shard {
    calls: Calls,
    closing: HashMap<CallInstance, Closing, FixedState>,
    events: Vec<CallEvent>,
    recorder: Recorder,
    heard: Heard,
    tokens: Tokens,
    /// Notes before this position have been handled; those that come now are late.
    handled: u64,
}

impl Shard {
    /// An empty table.
    pub fn new(calls: Calls, recorder: Recorder, seed: u64) -> Self {
        Self {
            calls,
            closing: HashMap::with_hasher(FixedState::with_seed(seed)),
            events: Vec::new(),
            recorder,
            heard: Heard::default(),
            tokens: Tokens::default(),
            handled: 0,
        }
    }

    /// Calls that have not ended.
    pub fn live(&self) -> usize {
        self.calls.live()
    }

    /// Ties beyond what its calls keep.
    pub fn ties_omitted(&self) -> u64 {
        self.calls.counters().ties_omitted
    }

    /// Calls that run, the latest first; with `before`, those that stand before that place.
    pub fn latest(&self, before: Option<Place>) -> impl Iterator<Item = (Place, Live<'_>)> {
        self.calls.latest(before)
    }

    /// The call of that Call-ID, if it runs here, and what is known of it so far.
    pub fn describe(&self, call_id: &[u8]) -> Option<(Live<'_>, CallRecord)> {
        let live = self.calls.find(call_id)?;
        Some((live, self.record_of(live.summary)))
    }

    /// The record that a call would get if it ended now, without streams.
    pub fn record_of(&self, summary: &CallSummary) -> CallRecord {
        self.recorder.call(summary, Vec::new())
    }

    /// Handles all notes before `until`, in order.
    pub fn advance(&mut self, until: u64, exchange: &mut Exchange, tally: &mut Tally) {
        while let Some(stamped) = exchange.next_for_shard(until) {
            let late = matches!(stamped.note, Note::Sip(_)) && stamped.at < self.handled;
            tally.note_many(Event::SipLate, u64::from(late));
            match stamped.note {
                Note::Sip(sip) => {
                    self.message(stamped.at, &sip, tally);
                    self.act((stamped.at, stamped.order), exchange, tally);
                }
                Note::Streams(streams) => self.join(stamped.at, *streams, tally),
                Note::Media { call, clock_ns } => self.calls.saw_media(call, clock_ns),
                Note::Token { token, call } => self.tokens.learn(token, call),
                Note::Correlated(flow) => {
                    let place = (stamped.at, stamped.order);
                    self.correlate(place, *flow, exchange, tally);
                }
                // These go to the other waiting room.
                Note::Rtcp(_)
                | Note::Claim(_)
                | Note::Close { .. }
                | Note::Instants { .. }
                | Note::Dropped { .. } => {}
            }
        }
        self.handled = self.handled.max(until);
    }

    /// An agent says by a token whose a flow is.
    fn correlate(
        &mut self,
        place: (u64, u64),
        said: Correlated,
        exchange: &mut Exchange,
        tally: &mut Tally,
    ) {
        let Correlated { token, flow, clock_ns, found } = said;
        let ends = (socket_addr((flow.src, flow.sport)), socket_addr((flow.dst, flow.dport)));
        match self.calls.correlate(token, ends, clock_ns, &mut self.events) {
            Correlation::New => tally.note(Event::CorrelatedFlows),
            Correlation::Refused => tally.note(Event::CorrelatedRefused),
            Correlation::Known => {}
            Correlation::NoCall => {
                if let Some(call) = self.tokens.call_of(token).filter(|_| !found) {
                    let shard = call.0 % exchange.workers() as u64;
                    let said = Correlated { token: call, found: true, ..said };
                    exchange.send(shard as usize, place, Note::Correlated(Box::new(said)));
                }
            }
        }
        self.act(place, exchange, tally);
    }

    /// Tokens forgotten for newer ones.
    pub fn tokens_forgotten(&self) -> u64 {
        self.tokens.forgotten()
    }

    /// Lets timers fire up to `clock_ns`.
    pub fn tick(&mut self, at: u64, clock_ns: u64, exchange: &mut Exchange, tally: &mut Tally) {
        if self.calls.poll_timeout().is_some_and(|due| due <= clock_ns) {
            self.calls.handle_timeout(clock_ns, &mut self.events);
            self.act((at, u64::MAX), exchange, tally);
        }
    }

    /// Ends all calls: the capture is over.
    pub fn finish(&mut self, at: u64, exchange: &mut Exchange, tally: &mut Tally) {
        self.calls.flush(&mut self.events);
        self.act((at, u64::MAX), exchange, tally);
    }

    /// What was counted of requests outside of calls.
    pub fn outside_counters(&self) -> ringtap_call::outside::Counters {
        self.calls.outside_counters()
    }

    /// Voice quality reports forgotten before their time: one that comes again would be news.
    pub fn vq_forgotten(&self) -> u64 {
        self.heard.forgotten
    }

    /// Calls that wait for reports of their streams.
    pub fn waiting(&self) -> usize {
        self.closing.len()
    }

    /// A report of an endpoint about a call, which may live in any shard: it is a record of its
    /// own, and the store finds it by the Call-ID that it names.
    fn voice_quality(&mut self, at: u64, sip: &SipNote, message: &Message<'_>, tally: &mut Tally) {
        if !matches!(message.method(), Some(Method::Publish | Method::Notify)) {
            return;
        }
        if let Some(report) = message.voice_quality() {
            if !self.heard.is_news(&sip.meta, message) {
                tally.note(Event::VqRepeats);
                return;
            }
            tally.note(Event::VqReports);
            let record = self.recorder.vq(&sip.meta, &report);
            self.recorder.emit(at, Record::Vq(Box::new(record)), tally);
        }
    }

    /// What an agent reports about a call: the same, and it is told once.
    pub fn report(&mut self, report: &VqReport, tally: &mut Tally) {
        tally.note(Event::VqReports);
        let record = Record::Vq(Box::new(self.recorder.reported(report)));
        self.recorder.emit(self.handled, record, tally);
    }

    /// A line of a log that an agent tells of a call.
    pub fn log(&mut self, line: &LogLine, tally: &mut Tally) {
        tally.note(Event::LogRecords);
        let record = Record::Log(Box::new(self.recorder.logged(line)));
        self.recorder.emit(self.handled, record, tally);
    }

    fn message(&mut self, at: u64, sip: &SipNote, tally: &mut Tally) {
        tally.note(Event::SipMessages);
        // The worker that took the frame has parsed it once: this is the same text.
        if let Ok(message) = Message::parse(&sip.bytes) {
            tally.note_many(Event::SipMalformed, u64::from(message.malformed().is_some()));
            self.voice_quality(at, sip, &message, tally);
            self.calls.handle(&sip.meta, &message, &mut self.events);
        }
    }

    fn act(&mut self, place: (u64, u64), exchange: &mut Exchange, tally: &mut Tally) {
        for event in self.events.drain(..) {
            match event {
                CallEvent::Claim(claim) => {
                    let claim = Arc::new(claim);
                    exchange.broadcast(place, || Note::Claim(Arc::clone(&claim)));
                }
                CallEvent::Close(summary) => {
                    let ended = Arc::new(Ended {
                        call: (summary.call, summary.instance),
                        call_id: summary.call_id.clone(),
                        closed_clock_ns: summary.closed_clock_ns,
                    });
                    let shard = exchange.worker();
                    let waiting = exchange.workers();
                    let closing = Closing { summary, waiting, streams: Vec::new() };
                    self.closing.insert(ended.call, closing);
                    exchange.broadcast(place, || Note::Close { ended: Arc::clone(&ended), shard });
                }
                CallEvent::Transaction(transaction) => {
                    let record = self.recorder.transaction(&transaction);
                    let message = record.is_message();
                    tally.note(if message { Event::MessageRecords } else { Event::SipRecords });
                    self.recorder.emit(place.0, Record::Transaction(Box::new(record)), tally);
                }
                CallEvent::Register(register) => {
                    tally.note(Event::RegisterRecords);
                    let record = self.recorder.register(&register);
                    self.recorder.emit(place.0, Record::Register(Box::new(record)), tally);
                }
            }
        }
    }

    fn join(&mut self, at: u64, of: StreamsOf, tally: &mut Tally) {
        let key = (of.call, of.instance);
        let Some(closing) = self.closing.get_mut(&key) else { return };
        closing.streams.extend(of.streams);
        closing.waiting -= 1;
        if closing.waiting > 0 {
            return;
        }
        if let Some(mut closing) = self.closing.remove(&key) {
            without_seen(&mut closing.streams);
            tally.note(Event::CallRecords);
            let record = self.recorder.call(&closing.summary, closing.streams);
            self.recorder.emit(at, Record::Call(Box::new(record)), tally);
        }
    }

    /// A stream without a call becomes a record.
    pub fn lone(&mut self, at: u64, finished: &Finished, tally: &mut Tally) {
        tally.note(Event::StreamRecords);
        let record = self.recorder.lone(finished);
        self.recorder.emit(at, Record::Stream(Box::new(record)), tally);
    }
}
