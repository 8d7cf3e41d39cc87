//! What the generated traffic really is, and its form as JSON lines.
//!
//! One object a call, in the order in which calls end, then one object with totals. Times are
//! UNIX nanoseconds, at the resolution of the capture file, so they compare exactly.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;

/// Lengths of loss bursts that are told apart; the last one means "that many or more".
pub const BURSTS: usize = 10;

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with 200.
    Answered,
    /// 486.
    Busy,
    /// CANCEL and 487.
    Cancelled,
    /// 480 after ringing.
    NoAnswer,
    /// 404 at once.
    Rejected,
}

impl Outcome {
    /// As it stands in the truth file.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::NoAnswer => "no_answer",
            Self::Rejected => "rejected",
        }
    }
}

/// The truth about one RTP stream, as an ideal observer at the capture point would see it.
///
/// `sent = received + lost_inside + lost_edges` always holds.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamTruth {
    /// Whether the caller sends it; otherwise the called side.
    pub from_caller: bool,
    /// Source address.
    pub src: SocketAddr,
    /// Destination address.
    pub dst: SocketAddr,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Payload type of the audio.
    pub payload: u8,
    /// Encoding name of the audio.
    pub codec: &'static str,
    /// Sequence number of the first packet sent.
    pub first_seq: u16,
    /// Different packets sent.
    pub sent: u64,
    /// Different packets in the file.
    pub received: u64,
    /// Lost between the first and the last packet in the file: what a receiver can count.
    pub lost_inside: u64,
    /// Lost before the first or after the last packet in the file: nobody can see them.
    pub lost_edges: u64,
    /// Packets that came with a lower extended sequence number than the highest before them.
    /// Duplicates and mirror copies do not count.
    pub reordered: u64,
    /// Packets that their sender sent again: the same sequence number, another IP packet.
    pub duplicate: u64,
    /// Frames that the mirror delivered again.
    pub mirror_copies: u64,
    /// Time of the first frame.
    pub first_ns: Option<u64>,
    /// Time of the last frame that is not a mirror copy.
    pub last_ns: Option<u64>,
    /// RFC 3550 jitter over the audio packets in the order of the file, duplicates left out:
    /// mean of the estimator after each packet, in ms.
    pub jitter_ms_avg: f64,
    /// The estimator's maximum, in ms.
    pub jitter_ms_max: f64,
    /// Bursts of exactly 1, 2, … 9, and of ten or more packets among `lost_inside`.
    pub bursts: [u64; BURSTS],
    /// Digits dialled (RFC 4733) of which at least one packet is in the file.
    pub dtmf: String,
    /// RTCP packets of this direction's sender, mirror copies left out.
    pub rtcp: u64,
}

/// The truth about one call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallTruth {
    /// Number of the call, in the order of beginning.
    pub index: u64,
    /// Call-ID.
    pub call_id: String,
    /// User part of From.
    pub caller: String,
    /// User part of To.
    pub called: String,
    /// Signalling address of the caller.
    pub caller_addr: SocketAddr,
    /// Signalling address of the called side.
    pub called_addr: SocketAddr,
    /// User-Agent of the caller.
    pub caller_agent: String,
    /// User-Agent of the called side.
    pub called_agent: String,
    /// How it went.
    pub outcome: Outcome,
    /// First INVITE.
    pub invite_ns: u64,
    /// First 180 or 183.
    pub ringing_ns: Option<u64>,
    /// 200 to the INVITE.
    pub answer_ns: Option<u64>,
    /// BYE.
    pub bye_ns: Option<u64>,
    /// Last SIP message, mirror copies left out.
    pub end_ns: u64,
    /// Final status of the INVITE, a challenge left out.
    pub response: u16,
    /// `caller` or `callee`; none if nobody sent BYE or CANCEL.
    pub hung_up: Option<&'static str>,
    /// 3: BYE and its answer; 2: BYE without answer; 1: connected, no BYE; 0: not connected.
    pub bye_code: u8,
    /// Challenged with 407.
    pub auth: bool,
    /// With a re-INVITE.
    pub reinvite: bool,
    /// With 183 and early media.
    pub early_media: bool,
    /// SIP messages, mirror copies left out.
    pub sip_messages: u64,
    /// Of these, sent again after a timeout.
    pub retransmissions: u64,
    /// Both directions of an answered call, the caller's first; empty if no RTP was sent.
    pub streams: Vec<StreamTruth>,
}

/// Sums over all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls.
    pub calls: u64,
    /// Frames written, mirror copies included.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// SIP messages, mirror copies left out.
    pub sip: u64,
    /// RTP packets, duplicates included, mirror copies left out.
    pub rtp: u64,
    /// RTCP packets, mirror copies left out.
    pub rtcp: u64,
    /// Frames that the mirror delivered again.
    pub mirror_copies: u64,
    /// RTP packets that their sender sent again.
    pub duplicates: u64,
    /// RTP packets lost, visibly or not.
    pub lost: u64,
    /// Time of the first frame; 0 if there is none.
    pub first_ns: u64,
    /// Time of the last frame.
    pub last_ns: u64,
    /// Most calls at one moment.
    pub concurrent: u64,
}

/// The truth about all of the traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Calls, in the order of beginning.
    pub calls: Vec<CallTruth>,
    /// Sums.
    pub totals: Totals,
}

/// Takes the truth about calls as they end.
pub trait TruthSink {
    /// Takes one call.
    fn call(&mut self, call: CallTruth) -> io::Result<()>;
}

impl TruthSink for Vec<CallTruth> {
    fn call(&mut self, call: CallTruth) -> io::Result<()> {
        self.push(call);
        Ok(())
    }
}

/// Writes the truth as JSON lines.
#[derive(Debug)]
pub struct TruthWriter<W: Write> {
    out: W,
    line: String,
}

impl<W: Write> TruthWriter<W> {
    /// Writes to `out`, which should buffer.
    pub fn new(out: W) -> Self {
        Self { out, line: String::new() }
    }

    /// Writes the last line and gives `out` back, flushed.
    pub fn finish(mut self, totals: &Totals) -> io::Result<W> {
        self.line.clear();
        totals.write_json(&mut self.line);
        writeln!(self.out, "{}", self.line)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> TruthSink for TruthWriter<W> {
    fn call(&mut self, call: CallTruth) -> io::Result<()> {
        self.line.clear();
        call.write_json(&mut self.line);
        writeln!(self.out, "{}", self.line)
    }
}

impl CallTruth {
    /// Appends the call as one JSON object.
    pub fn write_json(&self, out: &mut String) {
        let mut object = Object::new(out);
        object.text("type", "call").number("index", self.index).text("callid", &self.call_id);
        object.text("caller", &self.caller).text("called", &self.called);
        object.text("sipcallerip", &self.caller_addr.ip().to_string());
        object.number("sipcallerport", u64::from(self.caller_addr.port()));
        object.text("sipcalledip", &self.called_addr.ip().to_string());
        object.number("sipcalledport", u64::from(self.called_addr.port()));
        object.text("a_ua", &self.caller_agent).text("b_ua", &self.called_agent);
        object.text("outcome", self.outcome.label()).number("invite_ns", self.invite_ns);
        object.maybe("ringing_ns", self.ringing_ns).maybe("answer_ns", self.answer_ns);
        object.maybe("bye_ns", self.bye_ns).number("end_ns", self.end_ns);
        object.number("response", u64::from(self.response));
        match self.hung_up {
            Some(side) => object.text("whohanged", side),
            None => object.raw("whohanged", "null"),
        };
        object.number("bye", u64::from(self.bye_code)).flag("auth", self.auth);
        object.flag("reinvite", self.reinvite).flag("early_media", self.early_media);
        object.number("sip_messages", self.sip_messages);
        object.number("retransmissions", self.retransmissions);
        let mut streams = String::new();
        for (at, stream) in self.streams.iter().enumerate() {
            streams.push_str(if at == 0 { "" } else { "," });
            stream.write_json(&mut streams);
        }
        object.raw("streams", &format!("[{streams}]")).end();
    }
}

impl StreamTruth {
    /// Appends the stream as one JSON object.
    pub fn write_json(&self, out: &mut String) {
        let mut object = Object::new(out);
        object.text("from", if self.from_caller { "caller" } else { "called" });
        object.text("saddr", &self.src.ip().to_string());
        object.number("sport", u64::from(self.src.port()));
        object.text("daddr", &self.dst.ip().to_string());
        object.number("dport", u64::from(self.dst.port()));
        object.number("ssrc", u64::from(self.ssrc)).number("payload", u64::from(self.payload));
        object.text("codec", self.codec).number("first_seq", u64::from(self.first_seq));
        object.number("sent", self.sent).number("received", self.received);
        object.number("lost_inside", self.lost_inside).number("lost_edges", self.lost_edges);
        object.number("reordered", self.reordered).number("duplicate", self.duplicate);
        object.number("mirror_copies", self.mirror_copies);
        object.maybe("first_ns", self.first_ns).maybe("last_ns", self.last_ns);
        object.raw("jitter_ms_avg", &format!("{:.6}", self.jitter_ms_avg));
        object.raw("jitter_ms_max", &format!("{:.6}", self.jitter_ms_max));
        let bursts: Vec<String> = self.bursts.iter().map(u64::to_string).collect();
        object.raw("sl", &format!("[{}]", bursts.join(",")));
        object.text("dtmf", &self.dtmf).number("rtcp", self.rtcp).end();
    }
}

impl Totals {
    /// Appends the sums as one JSON object.
    pub fn write_json(&self, out: &mut String) {
        let mut object = Object::new(out);
        object.text("type", "totals").number("calls", self.calls).number("frames", self.frames);
        object.number("bytes", self.bytes).number("sip", self.sip).number("rtp", self.rtp);
        object.number("rtcp", self.rtcp).number("mirror_copies", self.mirror_copies);
        object.number("duplicates", self.duplicates).number("lost", self.lost);
        object.number("first_ns", self.first_ns).number("last_ns", self.last_ns);
        object.number("concurrent", self.concurrent).end();
    }
}

impl Truth {
    /// Writes all calls and the totals as JSON lines.
    pub fn write_json_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut writer = TruthWriter::new(out);
        for call in &self.calls {
            writer.call(call.clone())?;
        }
        writer.finish(&self.totals).map(|_| ())
    }
}

/// A JSON object under construction.
struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    fn raw(&mut self, key: &str, value: &str) -> &mut Self {
        self.out.push_str(if self.empty { "" } else { "," });
        self.empty = false;
        // Writing to a String cannot fail.
        let _ = write!(self.out, "\"{key}\":{value}");
        self
    }

    fn text(&mut self, key: &str, value: &str) -> &mut Self {
        let mut quoted = String::with_capacity(value.len() + 2);
        quoted.push('"');
        for c in value.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        self.raw(key, &quoted)
    }

    fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.raw(key, &value.to_string())
    }

    fn maybe(&mut self, key: &str, value: Option<u64>) -> &mut Self {
        self.raw(key, &value.map_or_else(|| "null".into(), |v| v.to_string()))
    }

    fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    fn end(&mut self) {
        self.out.push('}');
    }
}
