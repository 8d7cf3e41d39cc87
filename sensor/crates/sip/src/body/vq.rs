//! Voice quality reports, RFC 6035: bodies of type `application/vq-rtcpxr`.
//!
//! One report a body. The reader takes lines in any order, names in any case, and what it does
//! not know it passes over; a value that is no number is as good as absent. What the endpoint
//! says is given as it says it: nothing is judged or computed.

use crate::text::Text;

/// Lines that are read of one body.
const LINES_MAX: usize = 128;
/// Values that are read of one line.
const VALUES_MAX: usize = 32;

/// What kind of report it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At the end of a session, or of a part of it.
    Session,
    /// While it goes on.
    Interval,
    /// A threshold was crossed.
    Alert,
}

impl Kind {
    /// As records have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Interval => "interval",
            Self::Alert => "alert",
        }
    }
}

/// One report.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Call-ID of the session it is about.
    pub call_id: Text<'a>,
    /// Who reports.
    pub local_id: Text<'a>,
    /// Whom it talked to.
    pub remote_id: Text<'a>,
    /// What the reporter measured.
    pub local: Metrics<'a>,
    /// What the other end told it.
    pub remote: Metrics<'a>,
}

/// One side's figures; `None`: not told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics<'a> {
    /// Payload description: the codec's name.
    pub codec: Option<Text<'a>>,
    /// Sample rate, Hz.
    pub sample_rate: Option<f32>,
    /// Nominal delay of the jitter buffer, ms.
    pub buffer_ms: Option<f32>,
    /// Packets lost on the way, per cent.
    pub loss_percent: Option<f32>,
    /// Packets that the jitter buffer discarded, per cent.
    pub discard_percent: Option<f32>,
    /// Round trip, ms.
    pub round_trip_ms: Option<f32>,
    /// Delay inside the endpoint, ms.
    pub end_system_ms: Option<f32>,
    /// Interarrival jitter, ms.
    pub jitter_ms: Option<f32>,
    /// R factor for listening.
    pub r_lq: Option<f32>,
    /// R factor for conversation.
    pub r_cq: Option<f32>,
    /// MOS for listening.
    pub mos_lq: Option<f32>,
    /// MOS for conversation.
    pub mos_cq: Option<f32>,
}

/// Reads a body; `None`: it is no report, or names no call.
#[must_use]
pub fn parse(body: &[u8]) -> Option<Report<'_>> {
    let mut lines = body.split(|byte| *byte == b'\n').take(LINES_MAX);
    let kind = lines.by_ref().find_map(kind)?;
    let none = Text::new(&[]);
    let mut report = Report {
        kind,
        call_id: none,
        local_id: none,
        remote_id: none,
        local: Metrics::default(),
        remote: Metrics::default(),
    };
    let mut remote = false;
    for line in lines {
        let Some((name, value)) = named(line, b':') else { continue };
        match () {
            () if name.eq_ignore_ascii_case(b"CallID") => report.call_id = Text::new(value),
            () if name.eq_ignore_ascii_case(b"LocalID") => report.local_id = Text::new(value),
            () if name.eq_ignore_ascii_case(b"RemoteID") => report.remote_id = Text::new(value),
            () if name.eq_ignore_ascii_case(b"LocalMetrics") => remote = false,
            () if name.eq_ignore_ascii_case(b"RemoteMetrics") => remote = true,
            () => {
                let side = if remote { &mut report.remote } else { &mut report.local };
                side.read(name, value);
            }
        }
    }
    (!report.call_id.is_empty()).then_some(report)
}

/// `VQSessionReport`, also with `: CallTerm` behind it, and the others.
fn kind(line: &[u8]) -> Option<Kind> {
    let (name, _) = named(line, b':').unwrap_or((line.trim_ascii(), &[]));
    let kinds: [(&[u8], Kind); 3] = [
        (b"VQSessionReport", Kind::Session),
        (b"VQIntervalReport", Kind::Interval),
        (b"VQAlertReport", Kind::Alert),
    ];
    kinds.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, kind)| kind)
}

/// Name and value, without blanks around.
fn named(text: &[u8], between: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == between)?;
    Some((text.get(..at)?.trim_ascii(), text.get(at + 1..)?.trim_ascii()))
}

impl<'a> Metrics<'a> {
    fn read(&mut self, line: &[u8], values: &'a [u8]) {
        let values = values.split(|byte| *byte == b' ').take(VALUES_MAX);
        for (name, value) in values.filter_map(|value| named(value, b'=')) {
            if name.eq_ignore_ascii_case(b"PD") && line.eq_ignore_ascii_case(b"SessionDesc") {
                self.codec = Some(Text::new(value));
                continue;
            }
            if let Some(place) = self.place(line, name) {
                *place = number(value);
            }
        }
    }

    fn place(&mut self, line: &[u8], name: &[u8]) -> Option<&mut Option<f32>> {
        let is = |of: &str, wanted: &str| {
            line.eq_ignore_ascii_case(of.as_bytes()) && name.eq_ignore_ascii_case(wanted.as_bytes())
        };
        let known = [
            ("SessionDesc", "SR", &mut self.sample_rate),
            ("JitterBuffer", "JBN", &mut self.buffer_ms),
            ("PacketLoss", "NLR", &mut self.loss_percent),
            ("PacketLoss", "JDR", &mut self.discard_percent),
            ("Delay", "RTD", &mut self.round_trip_ms),
            ("Delay", "ESD", &mut self.end_system_ms),
            ("Delay", "IAJ", &mut self.jitter_ms),
            ("QualityEst", "RLQ", &mut self.r_lq),
            ("QualityEst", "RCQ", &mut self.r_cq),
            ("QualityEst", "MOSLQ", &mut self.mos_lq),
            ("QualityEst", "MOSCQ", &mut self.mos_cq),
        ];
        known.into_iter().find(|(of, wanted, _)| is(of, wanted)).map(|(.., place)| place)
    }
}

fn number(value: &[u8]) -> Option<f32> {
    let text = core::str::from_utf8(value).ok()?;
    text.parse::<f32>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REPORT: &str = "VQSessionReport: CallTerm\r\nCallID:abc@192.0.2.1\r\n\
        LocalID:<sip:alice@example.org>\r\nRemoteID:<sip:bob@example.net>\r\n\
        LocalAddr:IP=192.0.2.1 PORT=5000 SSRC=0x1a3b\r\nLocalMetrics:\r\n\
        Timestamps:START=2026-01-01T10:00:00Z STOP=2026-01-01T10:01:00Z\r\n\
        SessionDesc:PT=18 PD=G729 SR=8000 FD=20\r\nJitterBuffer:JBA=3 JBR=2 JBN=40 JBM=80\r\n\
        PacketLoss:NLR=5.0 JDR=2.0\r\nDelay:RTD=200 ESD=140 IAJ=2 MAJ=10\r\n\
        QualityEst:RLQ=90 RCQ=85 MOSLQ=4.2 MOSCQ=4.1\r\nRemoteMetrics:\r\n\
        PacketLoss:NLR=0.5 JDR=x\r\nQualityEst:MOSLQ=3.3\r\nDialogID:1@a;to-tag=2;from-tag=3\r\n";

    #[test]
    fn a_report_at_the_end_of_a_call() {
        let report = parse(REPORT.as_bytes()).unwrap();
        assert_eq!(report.kind, Kind::Session);
        assert_eq!(report.call_id.plain(), Some("abc@192.0.2.1"));
        assert_eq!(report.remote_id.plain(), Some("<sip:bob@example.net>"));
        let local = report.local;
        assert_eq!(local.codec.and_then(|codec| codec.plain()), Some("G729"));
        assert_eq!((local.sample_rate, local.buffer_ms), (Some(8000.0), Some(40.0)));
        assert_eq!((local.loss_percent, local.discard_percent), (Some(5.0), Some(2.0)));
        assert_eq!((local.round_trip_ms, local.end_system_ms), (Some(200.0), Some(140.0)));
        assert_eq!((local.jitter_ms, local.r_lq, local.r_cq), (Some(2.0), Some(90.0), Some(85.0)));
        assert_eq!((local.mos_lq, local.mos_cq), (Some(4.2), Some(4.1)));
        let remote = report.remote;
        assert_eq!((remote.loss_percent, remote.discard_percent), (Some(0.5), None));
        assert_eq!((remote.mos_lq, remote.codec.is_none()), (Some(3.3), true));
    }

    #[test]
    fn kinds_cases_and_bare_line_feeds() {
        for (text, kind) in [
            ("VQIntervalReport\ncallid: x\n", Kind::Interval),
            ("\nVQALERTREPORT: Type=NLR Severity=Critical Dir=local\nCALLID:x", Kind::Alert),
            ("VQSessionReport :CallTerm\r\nCallID : x", Kind::Session),
        ] {
            let report = parse(text.as_bytes()).unwrap();
            assert_eq!((report.kind, report.call_id.plain()), (kind, Some("x")), "{text:?}");
        }
        assert!(parse(b"VQSessionReport\r\nLocalMetrics:\r\n").is_none(), "names no call");
        assert!(parse(b"CallID:x\r\n").is_none());
        assert!(parse(b"").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_an_end(cut in 0usize..600, more in "[ -~\n:=]{0,200}",
                                      bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let head = &REPORT.as_bytes()[..cut.min(REPORT.len())];
            let all = [head, more.as_bytes(), &bytes].concat();
            if let Some(report) = parse(&all) {
                prop_assert!(!report.call_id.is_empty());
            }
            prop_assert!(parse(&bytes).is_none_or(|report| !report.call_id.is_empty()));
        }
    }
}
