//! One call as a list of what happens when: which SIP messages, when media starts and stops.
//!
//! It draws the dice; it writes no message and sends none.

use super::path;
use super::plan::{Duration, Plan};
use super::truth::Outcome;
use crate::rng::Rng;
use crate::sip::{Method, Side};

const MS: u64 = 1_000_000;
/// A sender that gets no answer repeats its request after this time (RFC 3261, timer T1).
const T1: u64 = 500 * MS;

/// What a SIP message carries beside its usual headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    Challenge,
    Credentials,
}

/// One SIP message to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) from: Side,
    pub(super) status: u16,
    pub(super) method: Method,
    pub(super) cseq: u32,
    /// Version of the session description, 0 for none.
    pub(super) sdp: u64,
    pub(super) extra: Extra,
    /// Sent again after a timeout.
    pub(super) again: bool,
    /// Inside the established dialog.
    pub(super) inside: bool,
    /// An ACK to a failure.
    pub(super) of_failure: bool,
}

/// What happens at one moment of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A SIP message.
    Sip(Line),
    /// This side starts to send RTP.
    Talk(Side),
    /// Both sides stop.
    Hush,
    /// Nothing more will come.
    End,
}

/// A call's fate and its steps, with times since the first INVITE.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<(u64, Step)>,
    pub(super) outcome: Outcome,
    pub(super) response: u16,
    pub(super) hung_up: Option<Side>,
    pub(super) bye_code: u8,
    pub(super) auth: bool,
    pub(super) reinvite: bool,
    pub(super) early_media: bool,
}

impl Script {
    pub(super) fn draw(plan: &Plan, rng: &mut Rng) -> Self {
        let outcome = draw_outcome(plan, rng);
        let shares = &plan.shares;
        let mut writer = Writer { steps: Vec::with_capacity(24), now: 0, cseq: 1 };
        let auth = rng.chance(shares.auth);
        let rings = !matches!(outcome, Outcome::Busy | Outcome::Rejected);
        let early_media = rng.chance(shares.early_media) && rings;
        let retransmitted = rng.chance(shares.retransmitted);
        let reinvite = rng.chance(shares.reinvite) && outcome == Outcome::Answered;
        writer.invite(rng, auth, retransmitted);
        if rings {
            writer.ring(rng, early_media, plan.ring_ms);
        }
        let mut script = Self {
            steps: Vec::new(),
            outcome,
            response: 200,
            hung_up: None,
            bye_code: 0,
            auth,
            reinvite,
            early_media,
        };
        match outcome {
            Outcome::Answered => writer.conversation(plan, rng, &mut script),
            Outcome::Cancelled => {
                script.response = 487;
                script.hung_up = Some(Side::Caller);
                writer.cancel(rng, early_media);
            }
            Outcome::Busy => script.response = writer.refuse(rng, 486, false),
            Outcome::Rejected => script.response = writer.refuse(rng, 404, false),
            Outcome::NoAnswer => script.response = writer.refuse(rng, 480, early_media),
        }
        writer.put(20 * MS + plan.mirror_delay_us * 1000, Step::End);
        script.steps = writer.steps;
        script
    }

    /// When media ends; 0 if there is none.
    pub(super) fn hush_ns(&self) -> u64 {
        let hush = self.steps.iter().find(|(_, step)| *step == Step::Hush);
        hush.map_or(0, |(after_ns, _)| *after_ns)
    }
}

fn draw_outcome(plan: &Plan, rng: &mut Rng) -> Outcome {
    let shares = &plan.shares;
    let mut dice = rng.unit();
    for (share, outcome) in [
        (shares.busy, Outcome::Busy),
        (shares.cancelled, Outcome::Cancelled),
        (shares.no_answer, Outcome::NoAnswer),
        (shares.rejected, Outcome::Rejected),
    ] {
        if dice < share {
            return outcome;
        }
        dice -= share;
    }
    Outcome::Answered
}

fn draw_talk_ns(plan: &Plan, rng: &mut Rng) -> u64 {
    let mean = plan.talk_ms as f64;
    let ms = match plan.duration {
        Duration::Fixed => mean,
        Duration::Uniform(spread) => mean * (1.0 + spread * (2.0 * rng.unit() - 1.0)),
        Duration::Exponential => (-mean * (1.0 - rng.unit()).ln()).min(10.0 * mean),
    };
    (ms as u64).max(100) * MS
}

/// Time that passes between the last RTP packet sent and BYE, so that packets under way arrive
/// before it.
fn settle_ns(plan: &Plan) -> u64 {
    60 * MS + path::delay_max_ns(plan) + plan.mirror_delay_us * 1000
}

struct Writer {
    steps: Vec<(u64, Step)>,
    now: u64,
    cseq: u32,
}

impl Writer {
    fn put(&mut self, wait_ns: u64, step: Step) {
        self.now += wait_ns;
        self.steps.push((self.now, step));
    }

    fn line(&self, from: Side, status: u16, method: Method) -> Line {
        let cseq = self.cseq;
        let extra = Extra::Nothing;
        let (sdp, again, inside, of_failure) = (0, false, false, false);
        Line { from, status, method, cseq, sdp, extra, again, inside, of_failure }
    }

    fn request(&mut self, wait_ns: u64, from: Side, method: Method) {
        let inside = !matches!(method, Method::Invite | Method::Cancel);
        let line = Line { inside, ..self.line(from, 0, method) };
        self.put(wait_ns, Step::Sip(line));
    }

    fn response(&mut self, wait_ns: u64, from: Side, status: u16, method: Method) {
        let line = self.line(from, status, method);
        self.put(wait_ns, Step::Sip(line));
    }

    fn failure_ack(&mut self, wait_ns: u64) {
        let line = self.line(Side::Caller, 0, Method::Ack);
        self.put(wait_ns, Step::Sip(Line { inside: true, of_failure: true, ..line }));
    }

    /// From the first INVITE to the 100 of the one that counts.
    fn invite(&mut self, rng: &mut Rng, auth: bool, retransmitted: bool) {
        let offer = Line { sdp: 1, ..self.line(Side::Caller, 0, Method::Invite) };
        self.put(0, Step::Sip(offer));
        if retransmitted {
            self.put(T1, Step::Sip(Line { again: true, ..offer }));
        }
        if auth {
            let challenge = self.line(Side::Called, 407, Method::Invite);
            let challenge = Line { extra: Extra::Challenge, ..challenge };
            self.put(hop(rng), Step::Sip(challenge));
            self.failure_ack(hop(rng));
            self.cseq += 1;
            let cseq = self.cseq;
            let offer = Line { cseq, extra: Extra::Credentials, ..offer };
            self.put(hop(rng), Step::Sip(offer));
        }
        self.response(hop(rng), Side::Called, 100, Method::Invite);
    }

    fn ring(&mut self, rng: &mut Rng, early_media: bool, ring_ms: (u64, u64)) {
        let wait = rng.between(50 * MS, 400 * MS);
        if early_media {
            let progress = Line { sdp: 1, ..self.line(Side::Called, 183, Method::Invite) };
            self.put(wait, Step::Sip(progress));
            self.put(hop(rng), Step::Talk(Side::Called));
        } else {
            self.response(wait, Side::Called, 180, Method::Invite);
        }
        self.now += rng.between(ring_ms.0 * MS, ring_ms.1 * MS);
    }

    fn conversation(&mut self, plan: &Plan, rng: &mut Rng, script: &mut Script) {
        let answer = Line { sdp: 1, ..self.line(Side::Called, 200, Method::Invite) };
        self.put(0, Step::Sip(answer));
        let answered = self.now;
        self.request(hop(rng), Side::Caller, Method::Ack);
        if !script.early_media {
            self.put(hop(rng), Step::Talk(Side::Called));
        }
        self.put(hop(rng), Step::Talk(Side::Caller));
        let talk_ns = draw_talk_ns(plan, rng);
        let hang_up = (answered + talk_ns).max(self.now + settle_ns(plan) + 20 * MS);
        let hush = hang_up - settle_ns(plan);
        if script.reinvite {
            let middle = (self.now + (hush - self.now) / 2).max(self.now);
            self.now = middle;
            self.reinvite(rng);
        }
        self.now = hush.max(self.now);
        self.put(0, Step::Hush);
        self.now = hang_up.max(self.now);
        self.hang_up(plan, rng, script);
    }

    fn reinvite(&mut self, rng: &mut Rng) {
        self.cseq += 1;
        let offer = self.line(Side::Caller, 0, Method::Invite);
        self.put(0, Step::Sip(Line { sdp: 2, inside: true, ..offer }));
        self.response(hop(rng), Side::Called, 100, Method::Invite);
        let answer = self.line(Side::Called, 200, Method::Invite);
        self.put(hop(rng), Step::Sip(Line { sdp: 2, ..answer }));
        self.request(hop(rng), Side::Caller, Method::Ack);
    }

    fn hang_up(&mut self, plan: &Plan, rng: &mut Rng, script: &mut Script) {
        let side =
            if rng.chance(plan.shares.called_hangs_up) { Side::Called } else { Side::Caller };
        let abandoned = rng.chance(plan.shares.abandoned);
        let unconfirmed = rng.chance(plan.shares.unconfirmed);
        script.bye_code = if abandoned { 1 } else { 3 - u8::from(unconfirmed) };
        if abandoned {
            return;
        }
        script.hung_up = Some(side);
        self.cseq = if side == Side::Caller { self.cseq + 1 } else { 1 };
        self.request(0, side, Method::Bye);
        if !unconfirmed {
            self.response(hop(rng), side.peer(), 200, Method::Bye);
        }
    }

    fn cancel(&mut self, rng: &mut Rng, early_media: bool) {
        self.hush_if(early_media);
        self.request(0, Side::Caller, Method::Cancel);
        self.response(hop(rng), Side::Called, 200, Method::Cancel);
        self.response(hop(rng), Side::Called, 487, Method::Invite);
        self.failure_ack(hop(rng));
    }

    fn refuse(&mut self, rng: &mut Rng, status: u16, early_media: bool) -> u16 {
        self.hush_if(early_media);
        self.response(hop(rng), Side::Called, status, Method::Invite);
        self.failure_ack(hop(rng));
        status
    }

    fn hush_if(&mut self, early_media: bool) {
        if early_media {
            self.put(0, Step::Hush);
            self.now += 10 * MS;
        }
    }
}

/// Time from one message to the next that follows it at once.
fn hop(rng: &mut Rng) -> u64 {
    rng.between(2 * MS, 20 * MS)
}
