//! Runs all calls of a plan in the order of time.

use super::frames::{Call, at, mirror_copy, next_id};
use super::observer::Arrival;
use super::plan::Plan;
use super::script::{Line, Step};
use super::sender::{Arrivals, Packet, TICK_NS};
use super::sink::FrameSink;
use super::truth::{Totals, TruthSink};
use crate::rng::Rng;
use crate::sip::Method;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io;

const MS: u64 = 1_000_000;

/// What happens next to the call in one place.
#[derive(Debug)]
enum Action {
    /// A call begins.
    Begin,
    /// The script goes on.
    Step,
    /// A side sends its next RTP packet.
    Tick(usize),
    /// A side sends its next report.
    Report(usize),
    /// An RTP packet of a side arrives.
    Arrive(usize, Packet),
    /// The mirror delivers a frame again; of a side's RTP, if it is RTP.
    Copy(Option<usize>, Box<[u8]>),
}

/// An action with its time. `serial` keeps the order of equal times, `call` tells actions of an
/// earlier call in the same place.
#[derive(Debug)]
struct Event {
    at_ns: u64,
    serial: u64,
    place: u32,
    call: u64,
    action: Action,
}

impl Event {
    fn key(&self) -> (u64, u64) {
        (self.at_ns, self.serial)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    /// Reversed: the heap gives the earliest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// The state of one generation.
pub(super) struct Engine<'a> {
    plan: &'a Plan,
    sink: &'a mut dyn FrameSink,
    truth: &'a mut dyn TruthSink,
    heap: BinaryHeap<Event>,
    serial: u64,
    places: Vec<Option<Box<Call>>>,
    begun: u64,
    running: u64,
    totals: Totals,
    rng: Rng,
    now_ns: u64,
    frame: Vec<u8>,
    payload: Vec<u8>,
    arrivals: Arrivals,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        sink: &'a mut dyn FrameSink,
        truth: &'a mut dyn TruthSink,
    ) -> Self {
        let count = u64::from(plan.concurrent).min(plan.calls);
        let mut engine = Self {
            plan,
            sink,
            truth,
            heap: BinaryHeap::new(),
            serial: 0,
            places: (0..count).map(|_| None).collect(),
            begun: 0,
            running: 0,
            totals: Totals::default(),
            rng: Rng::new(plan.seed).fork(0xe),
            now_ns: 0,
            frame: Vec::with_capacity(2048),
            payload: Vec::with_capacity(512),
            arrivals: Vec::new(),
        };
        for place in 0..count {
            let wait_ns = plan.ramp_ms * MS * place / count;
            engine.push(plan.start_ns + wait_ns, place as u32, 0, Action::Begin);
        }
        engine
    }

    pub(super) fn run(mut self) -> io::Result<Totals> {
        while let Some(event) = self.heap.pop() {
            self.now_ns = event.at_ns;
            let place = event.place as usize;
            if matches!(event.action, Action::Begin) {
                self.begin(place)?;
                continue;
            }
            // Taken out while it is worked on, so that the engine's other parts can be used.
            let Some(mut call) = self.places.get_mut(place).and_then(Option::take) else {
                continue;
            };
            if call.index != event.call {
                self.places[place] = Some(call);
                continue;
            }
            match event.action {
                Action::Begin => {}
                Action::Step => {
                    self.step(place, call)?;
                    continue;
                }
                Action::Tick(side) => self.tick(place, side, &mut call)?,
                Action::Report(side) => self.report(place, side, &mut call)?,
                Action::Arrive(side, packet) => {
                    call.under_way -= 1;
                    self.arrive(place, side, packet, &mut call)?;
                }
                Action::Copy(side, bytes) => self.copy(side, &bytes, &mut call)?,
            }
            self.places[place] = Some(call);
        }
        Ok(self.totals)
    }

    fn push(&mut self, at_ns: u64, place: u32, call: u64, action: Action) {
        self.serial += 1;
        self.heap.push(Event { at_ns, serial: self.serial, place, call, action });
    }

    fn begin(&mut self, place: usize) -> io::Result<()> {
        if self.begun == self.plan.calls {
            return Ok(());
        }
        let index = self.begun;
        self.begun += 1;
        self.running += 1;
        self.totals.calls += 1;
        self.totals.concurrent = self.totals.concurrent.max(self.running);
        let start_ns = self.now_ns;
        let call = Box::new(Call::new(self.plan, index, place as u64, start_ns));
        self.step(place, call)
    }

    /// Does the script's next step, and all that are due at the same moment.
    fn step(&mut self, place: usize, mut call: Box<Call>) -> io::Result<()> {
        while let Some((after_ns, step)) = call.script.steps.get(call.next_step).copied() {
            let due_ns = call.start_ns + after_ns;
            if due_ns > self.now_ns {
                self.push(due_ns, place as u32, call.index, Action::Step);
                break;
            }
            match step {
                Step::Sip(line) => self.sip(place, &line, &mut call)?,
                Step::Talk(side) => self.talk(place, at(side), &mut call),
                Step::Hush => self.hush(place, &mut call)?,
                Step::End if call.under_way > 0 => {
                    let later_ns = self.now_ns + 20 * MS;
                    self.push(later_ns, place as u32, call.index, Action::Step);
                    break;
                }
                Step::End => return self.end(place, *call),
            }
            call.next_step += 1;
        }
        self.places[place] = Some(call);
        Ok(())
    }

    fn end(&mut self, place: usize, call: Call) -> io::Result<()> {
        self.running -= 1;
        for sender in &call.senders {
            self.totals.lost += sender.lost;
            self.totals.duplicates += sender.observer.duplicate;
        }
        self.truth.call(call.into_truth())?;
        let next_ns = self.now_ns + self.plan.pause_ms * MS;
        self.push(next_ns, place as u32, 0, Action::Begin);
        Ok(())
    }

    fn sip(&mut self, place: usize, line: &Line, call: &mut Call) -> io::Result<()> {
        call.sip(self.plan, line, &mut self.frame);
        let ts_ns = self.write()?;
        self.totals.sip += 1;
        let truth = &mut call.truth;
        truth.sip_messages += 1;
        truth.retransmissions += u64::from(line.again);
        truth.end_ns = ts_ns;
        match (line.method, line.status) {
            (Method::Invite, 0) if truth.sip_messages == 1 => truth.invite_ns = ts_ns,
            (Method::Invite, 180 | 183) => _ = truth.ringing_ns.get_or_insert(ts_ns),
            (Method::Invite, 200) => _ = truth.answer_ns.get_or_insert(ts_ns),
            (Method::Bye, 0) => _ = truth.bye_ns.get_or_insert(ts_ns),
            _ => {}
        }
        self.mirror(place, None, call);
        Ok(())
    }

    fn talk(&mut self, place: usize, side: usize, call: &mut Call) {
        let sender = &mut call.senders[side];
        sender.talking = true;
        let first_ns = self.now_ns + self.rng.below(TICK_NS / 2);
        sender.started_ns = Some(first_ns);
        self.push(first_ns, place as u32, call.index, Action::Tick(side));
        if self.plan.rtcp_ms > 0 {
            let interval_ns = self.plan.rtcp_ms * MS;
            let report_ns = first_ns + interval_ns / 2 + self.rng.below(interval_ns / 2);
            self.push(report_ns, place as u32, call.index, Action::Report(side));
        }
    }

    fn hush(&mut self, place: usize, call: &mut Call) -> io::Result<()> {
        for side in 0..2 {
            if !call.senders[side].talking {
                continue;
            }
            call.senders[side].talking = false;
            let mut arrivals = std::mem::take(&mut self.arrivals);
            let after_ns = call.senders[side].path.arrival_ns(self.now_ns);
            call.senders[side].release(None, after_ns, &mut arrivals);
            self.deliver(place, side, arrivals, call)?;
            if self.plan.rtcp_ms > 0 {
                self.rtcp(place, side, true, call)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, place: usize, side: usize, call: &mut Call) -> io::Result<()> {
        let (sender, id) = call.sender(side);
        if !sender.talking {
            return Ok(());
        }
        let plan = self.plan;
        let mut arrivals = std::mem::take(&mut self.arrivals);
        sender.tick(plan, self.now_ns, || next_id(plan, id), &mut arrivals);
        self.push(self.now_ns + TICK_NS, place as u32, call.index, Action::Tick(side));
        self.deliver(place, side, arrivals, call)
    }

    /// Writes packets that arrive now and lets the others wait.
    fn deliver(
        &mut self,
        place: usize,
        side: usize,
        mut arrivals: Arrivals,
        call: &mut Call,
    ) -> io::Result<()> {
        for (at_ns, packet) in arrivals.drain(..) {
            if at_ns <= self.now_ns {
                self.arrive(place, side, packet, call)?;
            } else {
                call.under_way += 1;
                self.push(at_ns, place as u32, call.index, Action::Arrive(side, packet));
            }
        }
        self.arrivals = arrivals;
        Ok(())
    }

    fn arrive(
        &mut self,
        place: usize,
        side: usize,
        packet: Packet,
        call: &mut Call,
    ) -> io::Result<()> {
        call.rtp(self.plan, side, packet, &mut self.payload, &mut self.frame);
        let ts_ns = self.write()?;
        self.totals.rtp += 1;
        let Packet { index, again, .. } = packet;
        let sender = &mut call.senders[side];
        let digit = sender.digit_at(index).map(|(digit, _)| digit);
        let audio_timestamp = digit.is_none().then(|| sender.timestamp(index));
        sender.observer.arrived(Arrival { ts_ns, index, again, audio_timestamp, digit });
        self.mirror(place, Some(side), call);
        Ok(())
    }

    fn report(&mut self, place: usize, side: usize, call: &mut Call) -> io::Result<()> {
        if !call.senders[side].talking {
            return Ok(());
        }
        self.rtcp(place, side, false, call)?;
        let next_ns = self.now_ns + self.plan.rtcp_ms * MS;
        self.push(next_ns, place as u32, call.index, Action::Report(side));
        Ok(())
    }

    fn rtcp(&mut self, place: usize, side: usize, last: bool, call: &mut Call) -> io::Result<()> {
        call.rtcp(self.plan, side, self.now_ns, last, &mut self.payload, &mut self.frame);
        self.write()?;
        self.totals.rtcp += 1;
        self.mirror(place, None, call);
        Ok(())
    }

    /// Decides whether the mirror delivers the frame just written once more.
    fn mirror(&mut self, place: usize, side: Option<usize>, call: &mut Call) {
        if !self.rng.chance(self.plan.mirror) {
            return;
        }
        let shapes = &self.plan.mirror_shapes;
        let shape = shapes.get(self.rng.below(shapes.len() as u64) as usize).copied();
        let bytes = mirror_copy(self.plan, shape, &self.frame);
        let at_ns = self.now_ns + self.rng.below(self.plan.mirror_delay_us * 1000 + 1);
        call.under_way += 1;
        self.push(at_ns, place as u32, call.index, Action::Copy(side, bytes));
    }

    fn copy(&mut self, side: Option<usize>, bytes: &[u8], call: &mut Call) -> io::Result<()> {
        call.under_way -= 1;
        self.frame.clear();
        self.frame.extend_from_slice(bytes);
        self.write()?;
        self.totals.mirror_copies += 1;
        if let Some(side) = side {
            call.senders[side].observer.mirror_copies += 1;
        }
        Ok(())
    }

    /// Hands the frame to the sink and gives its stamp.
    #[inline]
    fn write(&mut self) -> io::Result<u64> {
        let ts_ns = self.now_ns - self.now_ns % self.plan.resolution_ns;
        self.sink.frame(ts_ns, &self.frame)?;
        if self.totals.frames == 0 {
            self.totals.first_ns = ts_ns;
        }
        self.totals.frames += 1;
        self.totals.bytes += self.frame.len() as u64;
        self.totals.last_ns = ts_ns;
        Ok(ts_ns)
    }
}
