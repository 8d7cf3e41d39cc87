//! Packets that are not simply the next one: lost ones before them, late, double, after a pause,
//! of another payload type, or far off.

use super::section::{Past, Section};
use super::{
    Cut, GAP_NS, Mark, NS_PER_MS, Packet, Pushed, Stream, TIMESTAMP_JUMP_NS, WINDOW_PACKETS_MIN,
};
use crate::codec::{Codec, Kind};
use crate::dtmf;
use crate::loss::Runs;
use crate::score::buffer;
use crate::sequence::{Sequence, WINDOW};
use crate::stream::hole::Hole;

/// A timestamp jump with more missing numbers than this is a jump of both.
const NEAR_STEPS: u32 = 50;
/// Steps ahead that are loss when no timestamp can tell (RFC 3550: MAX_DROPOUT).
const DROPOUT_MAX: u32 = 3000;
/// Two packets this near to each other after a jump confirm it.
const CONFIRM_STEPS: u16 = 16;
/// Later than this, a packet is not late but something else, ns.
const LATE_MAX_NS: u64 = 2_000_000_000;

/// What a packet is within its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Media,
    Event,
    Noise,
    Repair,
    /// Another payload type that carries media.
    Change,
}

impl Stream {
    pub(super) fn unusual(
        &mut self,
        packet: &Packet,
        distance: i16,
        elapsed_ns: u64,
        difference_ns: f64,
    ) -> Pushed {
        if self.vacant {
            self.sequence = Sequence::new(packet.seq);
            self.begin(packet);
            return Pushed::Cut(Cut::Gap);
        }
        let role = self.role(packet);
        let steps = u32::from(distance.unsigned_abs());
        if distance <= 0 {
            let paused = elapsed_ns > GAP_NS && !self.agrees(packet, steps, role);
            if steps >= WINDOW || paused || !self.may_be_late(packet) {
                return self.far(packet);
            }
            return self.behind(packet, steps, role, difference_ns);
        }
        if let Some(held) = self.held.filter(|held| self.doubtful(held)) {
            if confirms(&held, packet) {
                return self.restart(&held, packet);
            }
            self.settle();
            return self.push(packet);
        }
        let timed = self.tick_ns != 0.0 && matches!(role, Role::Media | Role::Noise);
        let jump = timed && difference_ns.abs() > TIMESTAMP_JUMP_NS;
        if (jump && steps > NEAR_STEPS) || (!timed && steps > DROPOUT_MAX) {
            return self.far(packet);
        }
        self.ahead(packet, steps, role, elapsed_ns, difference_ns)
    }

    fn role(&self, packet: &Packet) -> Role {
        // As on the short way: what a payload type means lies far off in memory.
        if self.usual_type == Some(packet.payload_type) {
            return Role::Media;
        }
        let own = packet.payload_type == self.payload_type;
        match self.payloads.get(packet.payload_type).codec.kind() {
            Kind::Event => Role::Event,
            Kind::Noise => Role::Noise,
            _ if own => Role::Media,
            // Redundancy (RFC 2198) carries the audio itself, on the audio's clock.
            Kind::Repair if self.payloads.get(packet.payload_type).codec == Codec::Red => {
                Role::Media
            }
            Kind::Repair => Role::Repair,
            // And the other way around: the audio without its redundancy.
            Kind::Audio if self.payloads.get(self.payload_type).codec == Codec::Red => Role::Media,
            // Before the SDP is known: four bytes of a dynamic type amid audio are an event.
            Kind::Unknown
                if packet.payload_type >= 96 && packet.payload_len == dtmf::PAYLOAD_LEN =>
            {
                Role::Event
            }
            _ => Role::Change,
        }
    }

    /// Ahead by `steps`, which may begin a new section.
    fn ahead(
        &mut self,
        packet: &Packet,
        steps: u32,
        role: Role,
        elapsed_ns: u64,
        difference_ns: f64,
    ) -> Pushed {
        // A talkspurt whose timestamp tells nothing of the pause before it begins anew.
        let fresh = packet.marker && elapsed_ns > GAP_NS && difference_ns.abs() > GAP_NS as f64;
        let jump = fresh || difference_ns.abs() > TIMESTAMP_JUMP_NS;
        let cut = match role {
            // The stream began with events or noise; now it shows what it is.
            Role::Change if self.usual_type.is_none() => {
                self.take_type(packet.payload_type);
                self.anchor(packet);
                None
            }
            Role::Change => Some(Cut::PayloadType),
            Role::Media | Role::Noise if jump => Some(Cut::Timestamp),
            _ if elapsed_ns > GAP_NS => Some(Cut::Gap),
            _ => None,
        };
        let mut open = steps;
        if steps > 1 {
            self.hole = Some(Hole {
                clock_ns: packet.clock_ns,
                ts_ns: packet.ts_ns,
                span_ns: elapsed_ns,
                first: self.sequence.highest().wrapping_add(1),
                count: steps - 1,
                missing: steps - 1,
                numbering: self.numbering,
            });
        }
        if let Some(cut) = cut {
            self.cut(packet, steps - 1, cut);
            self.section.gaps = u32::from(elapsed_ns > GAP_NS);
            open = 1;
        } else {
            self.open_interval(packet.clock_ns);
        }
        let played = match role {
            Role::Change => buffer::ALL,
            Role::Media | Role::Noise if jump => buffer::ALL,
            Role::Media => self.score(packet, difference_ns),
            Role::Noise => self.noise(packet, difference_ns),
            Role::Event => self.event(packet),
            Role::Repair => buffer::ALL,
        };
        if matches!(role, Role::Media | Role::Change | Role::Noise) {
            self.top_ts = packet.timestamp;
        }
        self.arrive(packet, steps, open, played);
        match cut {
            Some(cut) => Pushed::Cut(cut),
            None if steps > 1 => Pushed::Missing,
            None => Pushed::Continues,
        }
    }

    /// At or behind the highest number: a duplicate or a late packet.
    fn behind(&mut self, packet: &Packet, steps: u32, role: Role, difference_ns: f64) -> Pushed {
        let number = self.sequence.highest().wrapping_sub(steps);
        self.open_interval(packet.clock_ns);
        let media = role == Role::Media;
        if !self.sequence.fill(steps) {
            self.section.duplicate += 1;
            if media && self.tick_ns != 0.0 {
                self.sway(packet, difference_ns);
            }
            return Pushed::Continues;
        }
        let played = match role {
            Role::Media => self.score(packet, difference_ns),
            Role::Event => self.event(packet),
            _ => buffer::ALL,
        };
        let section = &mut self.section;
        section.reordered += 1;
        if number >= section.base {
            self.runs.fill(steps, played << 1 | 1);
        } else if !section.fill_lead(section.base - number) && !section.continues {
            // The first to arrive was not the first that was sent.
            let missing = section.base - number - 1;
            self.runs.reopen(section.top.wrapping_sub(section.base), missing);
            section.base = number;
        }
        self.count(packet, played);
        Pushed::Continues
    }

    fn may_be_late(&self, packet: &Packet) -> bool {
        let rate = if self.clock_rate == 0 { 90_000 } else { i64::from(self.clock_rate) };
        let behind = i64::from(self.top_ts.wrapping_sub(packet.timestamp) as i32);
        // Half a second ahead: a number behind an event's can have a later timestamp.
        let near = (-rate / 2..=2 * rate).contains(&behind);
        near && packet.clock_ns.saturating_sub(self.top_clock_ns) <= LATE_MAX_NS
    }

    /// Its type and timestamp are those that belong to a number so far behind, as far as the
    /// usual step can tell.
    fn agrees(&self, packet: &Packet, steps: u32, role: Role) -> bool {
        let behind = self.top_ts.wrapping_sub(packet.timestamp);
        match role {
            Role::Media => self.step == 0 || behind == steps.wrapping_mul(self.step),
            Role::Change => false,
            Role::Event | Role::Noise | Role::Repair => true,
        }
    }

    /// A number out of reach, or one from before a pause with which its timestamp does not agree,
    /// is held back until the next packet tells whether the stream begins anew there.
    fn far(&mut self, packet: &Packet) -> Pushed {
        if let Some(held) = self.held {
            if confirms(&held, packet) {
                return self.restart(&held, packet);
            }
            if self.settle() {
                return self.push(packet);
            }
            self.section.stray += 1;
        }
        self.held = Some(*packet);
        Pushed::Continues
    }

    /// The stream has begun anew at the packet that was held back.
    fn restart(&mut self, held: &Packet, packet: &Packet) -> Pushed {
        self.held = None;
        self.finish();
        self.sequence = Sequence::new(held.seq);
        self.begin(held);
        self.push(packet);
        Pushed::Cut(Cut::Sequence)
    }

    /// A packet held back after a pause that may be late as well; nothing was counted since.
    fn doubtful(&self, held: &Packet) -> bool {
        let distance = self.sequence.distance(held.seq);
        distance <= 0
            && u32::from(distance.unsigned_abs()) < WINDOW
            && held.clock_ns.saturating_sub(self.section.last_clock_ns) > GAP_NS
            && self.may_be_late(held)
    }

    /// Takes a packet that was held back in doubt for late. False: there is none.
    pub(super) fn settle(&mut self) -> bool {
        let Some(held) = self.held.filter(|held| !self.vacant && self.doubtful(held)) else {
            return false;
        };
        self.held = None;
        let steps = u32::from(self.sequence.distance(held.seq).unsigned_abs());
        let (role, difference_ns) = (self.role(&held), self.difference(&held));
        self.behind(&held, steps, role, difference_ns);
        true
    }

    fn event(&mut self, packet: &Packet) -> u8 {
        if packet.payload_len >= dtmf::PAYLOAD_LEN {
            let info = self.payloads.get(packet.payload_type);
            let rate = match info.clock_rate {
                0 => self.clock_rate,
                rate => rate,
            };
            self.dtmf.push(packet.ts_ns, packet.timestamp, rate, packet.head);
        }
        buffer::ALL
    }

    fn noise(&mut self, packet: &Packet, difference_ns: f64) -> u8 {
        if self.tick_ns != 0.0 {
            self.follows_noise = true;
            self.sway(packet, difference_ns);
            self.delay.push(self.transit_ns);
        }
        self.follows_noise = true;
        buffer::ALL
    }

    /// Begins to measure time anew at this packet.
    fn anchor(&mut self, packet: &Packet) {
        (self.media_ts, self.media_clock_ns) = (packet.timestamp, packet.clock_ns);
        (self.infer_ts, self.infer_clock_ns) = (packet.timestamp, packet.clock_ns);
        self.transit_ns = 0.0;
        self.delay.anchor(0.0);
        self.buffers.anchor(0.0);
    }

    /// Ends the present section; the next begins with this packet, which the caller counts.
    fn cut(&mut self, packet: &Packet, missing: u32, reason: Cut) {
        self.finish();
        let base = self.sequence.highest().wrapping_add(missing + 1);
        self.open(packet, base);
        self.section.continues = true;
        self.section.lead_in(missing);
        match reason {
            Cut::Gap => {
                if packet.marker {
                    // A talkspurt: receivers take the chance to start afresh.
                    let transit_ns = self.transit_ns + self.difference(packet);
                    self.delay.anchor(transit_ns);
                    self.buffers.anchor(transit_ns);
                }
            }
            Cut::PayloadType => {
                self.codec_changes = self.codec_changes.saturating_add(1);
                self.take_type(packet.payload_type);
                self.anchor(packet);
            }
            Cut::Timestamp | Cut::Sequence => self.anchor(packet),
        }
    }

    /// Begins a section whose numbers follow nothing; the packet is counted.
    pub(super) fn begin(&mut self, packet: &Packet) {
        self.vacant = false;
        self.numbering = self.numbering.wrapping_add(1);
        self.open(packet, self.sequence.highest());
        self.take_type(packet.payload_type);
        self.anchor(packet);
        self.top_ts = packet.timestamp;
        if self.role(packet) == Role::Event {
            self.event(packet);
        }
        self.arrive(packet, 0, 1, buffer::ALL);
    }

    fn open(&mut self, packet: &Packet, base: u32) {
        self.section = Section {
            first_clock_ns: packet.clock_ns,
            last_clock_ns: packet.clock_ns,
            first_ts_ns: packet.ts_ns,
            last_ts_ns: packet.ts_ns,
            base,
            top: base,
            ttl_min: u8::MAX,
            payload_type: self.payload_type,
            first_byte: packet.head.to_be_bytes()[0],
            ..Section::default()
        };
        self.first_byte = self.section.first_byte;
        self.interval_mark = Mark::default();
        self.window_mark = Mark::default();
        self.window_start_ns = packet.clock_ns;
        let length_ns = u64::from(self.intervals.length_ms()) * NS_PER_MS;
        let offset_ns = packet.clock_ns.saturating_sub(self.origin_clock_ns);
        self.interval_start_ms = (offset_ns / NS_PER_MS) as u32;
        self.interval_end_ns =
            self.origin_clock_ns + (offset_ns - offset_ns % length_ns) + length_ns;
        self.interval_cut = true;
    }

    /// Ends the present section and keeps it.
    pub(super) fn finish(&mut self) {
        self.close_interval();
        self.close_window(WINDOW_PACKETS_MIN);
        self.runs.close(&mut self.section.runs);
        self.runs = Runs::default();
        let section = core::mem::take(&mut self.section);
        self.past.get_or_insert_with(Box::<Past>::default).push(section);
    }
}

/// A packet so near to one held back that the stream has begun anew there.
fn confirms(held: &Packet, packet: &Packet) -> bool {
    let steps = packet.seq.wrapping_sub(held.seq) as i16;
    let age_ns = packet.clock_ns.saturating_sub(held.clock_ns);
    steps != 0 && steps.unsigned_abs() <= CONFIRM_STEPS && age_ns <= LATE_MAX_NS
}
