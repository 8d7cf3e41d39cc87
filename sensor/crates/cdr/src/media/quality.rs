//! What is recorded of a stream's quality beyond the columns of the schema: whose its loss was,
//! what its scores rest on, what its receiver said of the voice, and its course over time.
//!
//! It computes nothing: the figures come ready.

use compact_str::CompactString;

/// More of one stream's quality.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Of `lost`: what the sensor's own sockets may have lost.
    pub lost_sensor: u64,
    /// Of `lost`: what was lost when a large part of all streams of the interface lost packets.
    pub lost_mirror: u64,
    /// The moments of these, the first of them.
    pub evidence: Vec<Evidence>,
    /// How its media is encrypted, as far as signalling or the flow tells.
    pub encryption: Encryption,
    /// Pauses of more than 200 ms.
    pub gaps: u32,
    /// Packets whose numbers fit nowhere.
    pub stray: u64,
    /// How often the payload type changed to another that carries media.
    pub codec_changes: u32,
    /// DSCP of the last packet.
    pub dscp: u8,
    /// The recommendation whose scale its scores are on; empty without scores.
    pub mos_scale: CompactString,
    /// Where the codec's figures come from; empty without scores.
    pub mos_figures: CompactString,
    /// R factor behind the buffer of 50 ms, on that scale.
    pub r_f1: Option<f32>,
    /// One-way delay of the path that its scores contain, in ms.
    pub path_ms: Option<f32>,
    /// From the sensor to the receiver and back, mean, in ms (RTCP).
    pub half_trip_ms: Option<f32>,
    /// Sender reports of its source.
    pub sender_reports: u32,
    /// Good-byes of its source.
    pub byes: u16,
    /// What its receiver said of the voice (RFC 3611).
    pub xr: Option<Xr>,
    /// Length of an interval, in ms; 0 without intervals.
    pub interval_ms: u32,
    /// Its course over time, oldest first.
    pub intervals: Vec<Interval>,
}

/// How media is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Not that we know.
    #[default]
    Unknown,
    /// Signalling says SRTP.
    Srtp,
    /// A DTLS handshake was seen on the flow.
    Dtls,
}

impl Encryption {
    /// The number in the database.
    pub fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Srtp => 1,
            Self::Dtls => 2,
        }
    }

    /// What has that number.
    pub fn from_code(code: u8) -> Self {
        [Self::Srtp, Self::Dtls].into_iter().find(|one| one.code() == code).unwrap_or_default()
    }

    /// As records have it.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Srtp => Some("SRTP"),
            Self::Dtls => Some("DTLS"),
        }
    }
}

/// VoIP metrics of RTCP XR, by the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Xr {
    /// Blocks seen.
    pub blocks: u32,
    /// Mean MOS.
    pub mos_avg: Option<f32>,
    /// Least MOS.
    pub mos_min: Option<f32>,
    /// The last R factor.
    pub r_factor: Option<u8>,
    /// Packets lost on the way, in 1/256.
    pub loss_rate: u8,
    /// Packets that the jitter buffer discarded, in 1/256.
    pub discard_rate: u8,
    /// Round trip, in ms.
    pub round_trip_ms: Option<u16>,
    /// Delay inside the endpoint, in ms.
    pub end_system_ms: Option<u16>,
}

/// Who may have lost packets that the network has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The sensor's sockets dropped frames meanwhile.
    Sensor,
    /// Many streams of the interface miss packets at this moment.
    Mirror,
}

impl Cause {
    /// As records have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::Mirror => "mirror",
        }
    }

    fn from_label(label: &str) -> Option<Self> {
        [Self::Sensor, Self::Mirror].into_iter().find(|one| one.label() == label)
    }
}

/// One moment of loss that may not be the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The packet after the gap, UNIX microseconds.
    pub ts_us: u64,
    /// Packets lost.
    pub lost: u32,
    /// Who may have lost them.
    pub cause: Cause,
    /// Sensor: frames that its sockets dropped. Mirror: streams with a gap at that moment.
    pub seen: u32,
    /// Mirror: streams that were running.
    pub of: u32,
}

/// One interval of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// Its begin, ms after the stream's first packet.
    pub start_ms: u32,
    /// Packets that came in it.
    pub received: u32,
    /// Packets found missing in it.
    pub lost: u32,
    /// Mean jitter, in steps of 10 µs.
    pub jitter_avg_10us: u32,
    /// Greatest jitter, in steps of 10 µs.
    pub jitter_max_10us: u32,
    /// MOS times 100 behind the buffers of 50 ms and 200 ms and the adaptive one; 0: not scored.
    pub mos_mult100: [u32; 3],
}

impl Interval {
    /// MOS behind a buffer.
    pub fn mos(&self, buffer: usize) -> Option<f32> {
        self.mos_mult100.get(buffer).filter(|mos| **mos > 0).map(|mos| *mos as f32 / 100.0)
    }
}

impl Quality {
    /// Of `lost` packets: what is left for the network.
    pub fn lost_network(&self, lost: u64) -> u64 {
        lost.saturating_sub(self.lost_sensor).saturating_sub(self.lost_mirror)
    }

    /// The evidence as lines of five fields with blanks between.
    pub(crate) fn evidence_text(&self) -> Option<String> {
        let line = |one: &Evidence| {
            let Evidence { ts_us, lost, cause, seen, of } = *one;
            format!("{ts_us} {lost} {} {seen} {of}\n", cause.label())
        };
        (!self.evidence.is_empty()).then(|| self.evidence.iter().map(line).collect())
    }

    /// The intervals as lines of eight numbers with blanks between.
    pub(crate) fn course_text(&self) -> Option<String> {
        let line = |one: &Interval| {
            let [f1, f2, adapt] = one.mos_mult100;
            let Interval { start_ms, received, lost, jitter_avg_10us, jitter_max_10us, .. } = *one;
            format!(
                "{start_ms} {received} {lost} {jitter_avg_10us} {jitter_max_10us} {f1} {f2} \
                 {adapt}\n"
            )
        };
        (!self.intervals.is_empty()).then(|| self.intervals.iter().map(line).collect())
    }
}

/// Evidence from its text; lines that cannot be read are left out.
pub(crate) fn evidence_of(text: &str) -> Vec<Evidence> {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        Some(Evidence {
            ts_us: fields.next()?.parse().ok()?,
            lost: fields.next()?.parse().ok()?,
            cause: Cause::from_label(fields.next()?)?,
            seen: fields.next()?.parse().ok()?,
            of: fields.next()?.parse().ok()?,
        })
    };
    text.lines().filter_map(line).collect()
}

/// Intervals from their text; lines that cannot be read are left out.
pub(crate) fn course_of(text: &str) -> Vec<Interval> {
    let line = |line: &str| {
        let mut fields = line.split(' ').map_while(|field| field.parse::<u32>().ok());
        let mut next = || fields.next();
        Some(Interval {
            start_ms: next()?,
            received: next()?,
            lost: next()?,
            jitter_avg_10us: next()?,
            jitter_max_10us: next()?,
            mos_mult100: [next()?, next()?, next()?],
        })
    };
    text.lines().filter_map(line).collect()
}
