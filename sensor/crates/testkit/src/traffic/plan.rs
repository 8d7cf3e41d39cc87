//! What traffic is wanted.
//!
//! Shares are probabilities from 0 to 1; times carry their unit in their name.

use std::fmt;

/// Calls whose ports can be told apart.
pub const CALLS_MAX: u64 = 5_000_000;
/// Calls at one moment.
pub const CONCURRENT_MAX: u32 = 100_000;
/// VLAN tags on a frame.
pub const VLANS_MAX: usize = 3;
/// How many later packets may overtake a delayed one.
pub const REORDER_DEPTH_MAX: u32 = 100;

/// How long the parties talk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Duration {
    /// Always the same.
    Fixed,
    /// Evenly between (1 − x) and (1 + x) times the mean.
    Uniform(f64),
    /// Exponential, as telephone traffic is, cut off at ten times the mean.
    Exponential,
}

/// Which packets get lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each packet for itself, with this probability.
    Independent(f64),
    /// In bursts (Gilbert): `share` of all packets, `burst` packets in a row on average.
    Burst {
        /// Probability of loss over all packets.
        share: f64,
        /// Mean length of a burst, at least 1.
        burst: f64,
    },
}

impl Loss {
    /// Nothing gets lost.
    pub const NONE: Self = Self::Independent(0.0);
}

/// What a mirror copy differs in from its original. The IP packet behind the network header is
/// always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorShape {
    /// The copy came over a router: other MAC addresses, time to live one less.
    pub routed: bool,
    /// The copy carries this VLAN id instead of the original's tags.
    pub vlan: Option<u16>,
}

/// How IPv4 senders choose identifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpId {
    /// Counting, never 0.
    Counter,
    /// Always 0 with "don't fragment", as RFC 6864 allows.
    Zero,
}

/// Shares of calls that go another way than ring, answer, talk, hang up. The first four exclude
/// each other and may sum up to 1; the others are drawn independently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// 486 after the first ring.
    pub busy: f64,
    /// The caller cancels while it rings: 487.
    pub cancelled: f64,
    /// It rings until the called side gives up: 480.
    pub no_answer: f64,
    /// 404 at once.
    pub rejected: f64,
    /// The first INVITE is challenged with 407.
    pub auth: f64,
    /// A re-INVITE in the middle of the conversation.
    pub reinvite: f64,
    /// 183 with early media of the called side instead of 180.
    pub early_media: f64,
    /// The called side hangs up.
    pub called_hangs_up: f64,
    /// BYE stays without an answer.
    pub unconfirmed: f64,
    /// Media ends, and no BYE comes.
    pub abandoned: f64,
    /// The first INVITE is sent once more after 500 ms, because its 100 came too late.
    pub retransmitted: f64,
    /// The caller dials digits (RFC 4733).
    pub dtmf: f64,
    /// IPv6 instead of IPv4.
    pub ipv6: f64,
    /// A-law instead of µ-law.
    pub pcma: f64,
}

/// All of the traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Same seed, same bytes.
    pub seed: u64,
    /// Time of the first INVITE, UNIX ns.
    pub start_ns: u64,
    /// All stamps are multiples of this; 1000 suits microsecond files.
    pub resolution_ns: u64,
    /// Calls in all.
    pub calls: u64,
    /// Calls at one moment.
    pub concurrent: u32,
    /// Over which time the first `concurrent` calls begin.
    pub ramp_ms: u64,
    /// Pause between a call's end and the next call in its place.
    pub pause_ms: u64,
    /// Mean time from answer to hang-up.
    pub talk_ms: u64,
    /// Distribution of that time.
    pub duration: Duration,
    /// Shortest and longest ringing.
    pub ring_ms: (u64, u64),
    /// Which calls go which way.
    pub shares: Shares,
    /// Digits of a caller who dials.
    pub dtmf_digits: u32,
    /// Time between RTCP reports of a direction; 0 for none.
    pub rtcp_ms: u64,
    /// Loss of RTP.
    pub loss: Loss,
    /// Standard deviation of the network's delay; cut off at three times that. Never changes
    /// the order.
    pub jitter_ms: f64,
    /// Share of RTP packets that are overtaken.
    pub reorder: f64,
    /// By how many later packets at most.
    pub reorder_depth: u32,
    /// Share of RTP packets that their sender sends twice.
    pub duplicates: f64,
    /// Share of all frames that the mirror delivers twice.
    pub mirror: f64,
    /// What such copies look like, chosen evenly; empty: no difference.
    pub mirror_shapes: Vec<MirrorShape>,
    /// Longest time between a frame and its copy.
    pub mirror_delay_us: u64,
    /// All streams carry the same SSRC.
    pub ssrc_reuse: bool,
    /// Sequence numbers and timestamps start so that they wrap within the first two seconds.
    pub wrap: bool,
    /// VLAN ids, outermost first.
    pub vlans: Vec<u16>,
    /// A call takes the addresses and ports of the one that ended in its place.
    pub reuse_ports: bool,
    /// IPv4 identifications.
    pub ip_id: IpId,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            start_ns: 1_767_225_600_000_000_000,
            resolution_ns: 1000,
            calls: 10,
            concurrent: 10,
            ramp_ms: 1000,
            pause_ms: 200,
            talk_ms: 10_000,
            duration: Duration::Fixed,
            ring_ms: (300, 1500),
            shares: Shares::default(),
            dtmf_digits: 4,
            rtcp_ms: 5000,
            loss: Loss::NONE,
            jitter_ms: 0.0,
            reorder: 0.0,
            reorder_depth: 3,
            duplicates: 0.0,
            mirror: 0.0,
            mirror_shapes: Vec::new(),
            mirror_delay_us: 5000,
            ssrc_reuse: false,
            wrap: false,
            vlans: Vec::new(),
            reuse_ports: false,
            ip_id: IpId::Counter,
        }
    }
}

impl Default for Shares {
    /// Every call is answered, rings with 180, and the caller hangs up in three of four.
    fn default() -> Self {
        Self {
            busy: 0.0,
            cancelled: 0.0,
            no_answer: 0.0,
            rejected: 0.0,
            auth: 0.0,
            reinvite: 0.0,
            early_media: 0.0,
            called_hangs_up: 0.25,
            unconfirmed: 0.0,
            abandoned: 0.0,
            retransmitted: 0.0,
            dtmf: 0.0,
            ipv6: 0.0,
            pcma: 0.0,
        }
    }
}

/// Why a plan cannot be carried out: the option and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPlan(&'static str);

impl fmt::Display for BadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadPlan {}

impl Plan {
    /// Whether the plan can be carried out.
    pub fn validate(&self) -> Result<(), BadPlan> {
        let share = |p: f64| (0.0..=1.0).contains(&p);
        let s = &self.shares;
        let rules = [
            ((1..=CALLS_MAX).contains(&self.calls), "calls: 1 to 5,000,000"),
            ((1..=CONCURRENT_MAX).contains(&self.concurrent), "concurrent calls: 1 to 100,000"),
            (self.resolution_ns > 0, "resolution: at least 1 ns"),
            (self.pause_ms >= 100, "pause between calls in one place: at least 100 ms"),
            ((100..=86_400_000).contains(&self.talk_ms), "talk time: 100 ms to a day"),
            (self.ring_ms.0 <= self.ring_ms.1, "ringing: the shortest must not exceed the longest"),
            (self.ring_ms.1 <= 600_000, "ringing: at most ten minutes"),
            (self.dtmf_digits <= 32, "digits: at most 32"),
            (self.rtcp_ms == 0 || self.rtcp_ms >= 100, "RTCP interval: 0, or at least 100 ms"),
            ((0.0..=500.0).contains(&self.jitter_ms), "jitter: 0 to 500 ms"),
            (share(self.reorder), "reordering: 0 to 100 %"),
            ((1..=REORDER_DEPTH_MAX).contains(&self.reorder_depth), "reorder depth: 1 to 100"),
            (share(self.duplicates), "duplicates: 0 to 100 %"),
            (share(self.mirror), "mirror copies: 0 to 100 %"),
            (self.mirror_delay_us <= 1_000_000, "mirror delay: at most a second"),
            (self.vlans.len() <= VLANS_MAX, "VLAN tags: at most 3"),
            (self.vlans.iter().all(|v| (1..4095).contains(v)), "VLAN id: 1 to 4094"),
            (self.duration_is_sound(), "duration spread: 0 to 99 %"),
            (self.loss_is_sound(), "loss: 0 to 95 %, bursts of 1 to 1000 packets"),
            (
                s.all().iter().all(|p| share(*p))
                    && s.busy + s.cancelled + s.no_answer + s.rejected <= 1.000_001,
                "shares of calls: each 0 to 100 %, those of failed calls together at most 100 %",
            ),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, text)| Err(BadPlan(text)))
    }

    fn duration_is_sound(&self) -> bool {
        !matches!(self.duration, Duration::Uniform(x) if !(0.0..=0.99).contains(&x))
    }

    fn loss_is_sound(&self) -> bool {
        match self.loss {
            Loss::Independent(p) => (0.0..=0.95).contains(&p),
            Loss::Burst { share, burst } => {
                (0.0..=0.95).contains(&share) && (1.0..=1000.0).contains(&burst)
            }
        }
    }
}

impl Shares {
    fn all(&self) -> [f64; 14] {
        [
            self.busy,
            self.cancelled,
            self.no_answer,
            self.rejected,
            self.auth,
            self.reinvite,
            self.early_media,
            self.called_hangs_up,
            self.unconfirmed,
            self.abandoned,
            self.retransmitted,
            self.dtmf,
            self.ipv6,
            self.pcma,
        ]
    }
}
