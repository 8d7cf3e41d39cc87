//! Payload types: the static ones of RFC 3551, names of `a=rtpmap`, and a clock rate guessed from
//! the packets where neither tells.
//!
//! What a codec loses by lost packets is told in [`crate::score::mos`].

/// What a payload type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Speech or music.
    Audio,
    /// Moving pictures.
    Video,
    /// RFC 4733 events: digits.
    Event,
    /// Comfort noise, RFC 3389.
    Noise,
    /// Redundancy, error correction, retransmission.
    Repair,
    /// Text and all else that has no quality by ear or eye.
    Other,
    /// A dynamic type that no SDP explained.
    Unknown,
}

macro_rules! codecs {
    ($($variant:ident, $name:literal, $rate:literal, $kind:ident;)+) => {
        /// A codec, by its rtpmap name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
        #[repr(u8)]
        pub enum Codec {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
            /// A dynamic type that no SDP explained, or a name that we do not know.
            #[default]
            Unknown,
        }

        impl Codec {
            /// The codec of an rtpmap encoding name, in any case.
            #[must_use]
            pub fn from_name(name: &str) -> Self {
                $(if name.eq_ignore_ascii_case($name) { return Self::$variant; })+
                Self::alias(name)
            }

            /// Its registered encoding name; empty when unknown.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ Self::Unknown => "" }
            }

            /// The RTP clock in Hz that it has where nothing else is said; 0 when unknown.
            #[must_use]
            pub fn clock_rate(self) -> u32 {
                match self { $(Self::$variant => $rate,)+ Self::Unknown => 0 }
            }

            /// What it carries.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ Self::Unknown => Kind::Unknown }
            }
        }
    };
}

codecs! {
    Pcmu, "PCMU", 8000, Audio;
    Pcma, "PCMA", 8000, Audio;
    // G.722 samples at 16 kHz, but its RTP clock is 8 kHz, RFC 3551 §4.5.2.
    G722, "G722", 8000, Audio;
    G7221, "G7221", 16000, Audio;
    G723, "G723", 8000, Audio;
    G726x16, "G726-16", 8000, Audio;
    G726x24, "G726-24", 8000, Audio;
    G726x32, "G726-32", 8000, Audio;
    G726x40, "G726-40", 8000, Audio;
    G728, "G728", 8000, Audio;
    G729, "G729", 8000, Audio;
    G7291, "G7291", 16000, Audio;
    Gsm, "GSM", 8000, Audio;
    GsmEfr, "GSM-EFR", 8000, Audio;
    GsmHr, "GSM-HR-08", 8000, Audio;
    Ilbc, "iLBC", 8000, Audio;
    Isac, "ISAC", 16000, Audio;
    Silk, "SILK", 24000, Audio;
    Speex, "speex", 8000, Audio;
    Amr, "AMR", 8000, Audio;
    AmrWb, "AMR-WB", 16000, Audio;
    Evs, "EVS", 16000, Audio;
    Opus, "opus", 48000, Audio;
    Dvi4, "DVI4", 8000, Audio;
    Lpc, "LPC", 8000, Audio;
    L16, "L16", 44100, Audio;
    Qcelp, "QCELP", 8000, Audio;
    Mpa, "MPA", 90000, Audio;
    Aac, "mpeg4-generic", 48000, Audio;
    Clearmode, "CLEARMODE", 8000, Other;
    H261, "H261", 90000, Video;
    H263, "H263", 90000, Video;
    H263x1998, "H263-1998", 90000, Video;
    H264, "H264", 90000, Video;
    H265, "H265", 90000, Video;
    Vp8, "VP8", 90000, Video;
    Vp9, "VP9", 90000, Video;
    Av1, "AV1", 90000, Video;
    Jpeg, "JPEG", 90000, Video;
    CelB, "CelB", 90000, Video;
    Nv, "nv", 90000, Video;
    Mpv, "MPV", 90000, Video;
    Mp2t, "MP2T", 90000, Video;
    TelephoneEvent, "telephone-event", 8000, Event;
    ComfortNoise, "CN", 8000, Noise;
    Red, "red", 8000, Repair;
    UlpFec, "ulpfec", 90000, Repair;
    FlexFec, "flexfec-03", 90000, Repair;
    Rtx, "rtx", 90000, Repair;
    T140, "t140", 1000, Other;
}

impl Codec {
    fn alias(name: &str) -> Self {
        const ALIASES: [(&str, Codec); 8] = [
            ("G711U", Codec::Pcmu),
            ("G711A", Codec::Pcma),
            ("G723.1", Codec::G723),
            ("G729A", Codec::G729),
            ("G726", Codec::G726x32),
            ("AAL2-G726-32", Codec::G726x32),
            ("H263-2000", Codec::H263x1998),
            ("MP4A-LATM", Codec::Aac),
        ];
        ALIASES
            .iter()
            .find(|(alias, _)| name.eq_ignore_ascii_case(alias))
            .map_or(Self::Unknown, |&(_, codec)| codec)
    }
}

/// What one payload type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PayloadInfo {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Its codec.
    pub codec: Codec,
    /// Its RTP clock in Hz; 0 when unknown.
    pub clock_rate: u32,
}

impl PayloadInfo {
    /// From an `a=rtpmap` line. A clock of 0 takes the codec's own.
    #[must_use]
    pub fn from_rtpmap(payload_type: u8, name: &str, clock_rate: u32) -> Self {
        let codec = Codec::from_name(name);
        let own = codec.clock_rate();
        Self { payload_type, codec, clock_rate: if clock_rate == 0 { own } else { clock_rate } }
    }

    /// The static assignment of RFC 3551 §6; an unknown codec with clock 0 for the rest.
    #[must_use]
    pub fn from_static(payload_type: u8) -> Self {
        let (codec, rate) = match payload_type {
            0 => (Codec::Pcmu, 8000),
            3 => (Codec::Gsm, 8000),
            4 => (Codec::G723, 8000),
            5 => (Codec::Dvi4, 8000),
            6 => (Codec::Dvi4, 16000),
            7 => (Codec::Lpc, 8000),
            8 => (Codec::Pcma, 8000),
            9 => (Codec::G722, 8000),
            10 | 11 => (Codec::L16, 44100),
            12 => (Codec::Qcelp, 8000),
            // 19 was comfort noise in drafts, and devices that use it are still about.
            13 | 19 => (Codec::ComfortNoise, 8000),
            14 => (Codec::Mpa, 90000),
            15 => (Codec::G728, 8000),
            16 => (Codec::Dvi4, 11025),
            17 => (Codec::Dvi4, 22050),
            18 => (Codec::G729, 8000),
            25 => (Codec::CelB, 90000),
            26 => (Codec::Jpeg, 90000),
            28 => (Codec::Nv, 90000),
            31 => (Codec::H261, 90000),
            32 => (Codec::Mpv, 90000),
            33 => (Codec::Mp2t, 90000),
            34 => (Codec::H263, 90000),
            _ => (Codec::Unknown, 0),
        };
        Self { payload_type, codec, clock_rate: rate }
    }
}

/// Payload types that one stream remembers from its SDP.
pub const PAYLOADS_MAX: usize = 8;

/// What SDP said of a stream's payload types.
#[derive(Clone, Copy, Debug, Default)]
pub struct Payloads {
    known: [PayloadInfo; PAYLOADS_MAX],
    len: u8,
}

impl Payloads {
    /// Takes what SDP says. Beyond [`PAYLOADS_MAX`] those are kept that matter most: the type in
    /// use, events and noise, then the offer's order.
    pub fn set(&mut self, infos: &[PayloadInfo], in_use: u8) {
        self.len = 0;
        let rank = |info: &PayloadInfo| match info.codec.kind() {
            _ if info.payload_type == in_use => 0,
            Kind::Event | Kind::Noise => 1,
            _ => 2,
        };
        for wanted in 0..3 {
            for info in infos.iter().filter(|info| rank(info) == wanted) {
                if let Some(place) = self.known.get_mut(usize::from(self.len)) {
                    *place = *info;
                    self.len += 1;
                }
            }
        }
    }

    /// What a payload type means: by SDP, else by RFC 3551.
    #[must_use]
    pub fn get(&self, payload_type: u8) -> PayloadInfo {
        let known = self.known.get(..usize::from(self.len)).unwrap_or(&[]);
        let found = known.iter().find(|info| info.payload_type == payload_type);
        found.copied().unwrap_or_else(|| PayloadInfo::from_static(payload_type))
    }
}

// 44.1 kHz is left out: it is rare, and too near to 48 kHz to be told apart in a moment.
const CLOCKS: [u32; 7] = [8000, 12000, 16000, 24000, 32000, 48000, 90000];

/// The usual clock nearest to the observed one, when it is within a tenth.
#[must_use]
pub fn infer_clock(ticks: u32, elapsed_ns: u64) -> Option<u32> {
    if elapsed_ns == 0 {
        return None;
    }
    let observed = f64::from(ticks) * 1e9 / elapsed_ns as f64;
    let off = |rate: u32| (observed / f64::from(rate) - 1.0).abs();
    let nearest = CLOCKS.into_iter().min_by(|a, b| off(*a).total_cmp(&off(*b)))?;
    (off(nearest) < 0.1).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_static_types() {
        assert_eq!(Codec::from_name("pcmu"), Codec::Pcmu);
        assert_eq!(Codec::from_name("G729A"), Codec::G729);
        assert_eq!(Codec::from_name("x-codec"), Codec::Unknown);
        assert_eq!(PayloadInfo::from_static(18).codec, Codec::G729);
        assert_eq!(PayloadInfo::from_static(9).clock_rate, 8000);
        assert_eq!(PayloadInfo::from_static(96).codec, Codec::Unknown);
        assert_eq!(PayloadInfo::from_rtpmap(97, "speex", 32000).clock_rate, 32000);
        assert_eq!(PayloadInfo::from_rtpmap(97, "opus", 0).clock_rate, 48000);
    }

    #[test]
    fn sdp_beats_the_static_table_and_keeps_what_matters() {
        let mut infos: Vec<_> =
            (100..110).map(|pt| PayloadInfo::from_rtpmap(pt, "speex", 16000)).collect();
        infos.push(PayloadInfo::from_rtpmap(111, "telephone-event", 8000));
        infos.push(PayloadInfo::from_rtpmap(0, "PCMU", 16000));
        let mut payloads = Payloads::default();
        payloads.set(&infos, 109);
        assert_eq!(payloads.get(109).codec, Codec::Speex);
        assert_eq!(payloads.get(111).codec, Codec::TelephoneEvent);
        assert_eq!(payloads.get(105).codec, Codec::Speex);
        assert_eq!(payloads.get(106).codec, Codec::Unknown);
        assert_eq!(payloads.get(0).clock_rate, 8000);
        payloads.set(&infos[11..], 0);
        assert_eq!(payloads.get(0).clock_rate, 16000);
    }

    #[test]
    fn clocks_are_inferred() {
        assert_eq!(infer_clock(1600, 200_000_000), Some(8000));
        assert_eq!(infer_clock(9600, 204_000_000), Some(48000));
        assert_eq!(infer_clock(18000, 199_000_000), Some(90000));
        assert_eq!(infer_clock(0, 200_000_000), None);
        assert_eq!(infer_clock(1600, 0), None);
        assert_eq!(infer_clock(4_000_000, 200_000_000), None);
    }
}
