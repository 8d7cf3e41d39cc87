//! What can be decoded, at which rate, and one stream's decoder.

mod g711;
mod g722;

use opus_pure::OpusDecoder;

/// Longest audio of one packet that is believed, in ms; Opus has 120 at most.
const PACKET_MS_MAX: usize = 1000;
/// Opus is decoded at this rate, whatever it was made from (RFC 7587 §4.1).
const OPUS_RATE: u32 = 48_000;
/// 120 ms at [`OPUS_RATE`], RFC 6716 §2.1.4.
const OPUS_SAMPLES_MAX: usize = 5760;
/// Every sample rate and clock that is taken divides this.
const RATE_MAX: u32 = 48_000;

/// A codec that is decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s, the one mode of RTP (RFC 3551 §4.5.2).
    G722,
    /// Opus, RFC 6716.
    Opus,
}

/// A codec and the clock of its timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coding {
    codec: Codec,
    clock_rate: u32,
}

impl Coding {
    /// `None` for a clock that no audio here has: it must divide 48 kHz, and be 8 kHz or more.
    #[must_use]
    pub fn new(codec: Codec, clock_rate: u32) -> Option<Self> {
        let usual = clock_rate >= 8000 && RATE_MAX.is_multiple_of(clock_rate);
        usual.then_some(Self { codec, clock_rate })
    }

    /// Timestamp units a second.
    pub(crate) fn clock_rate(self) -> u32 {
        self.clock_rate
    }

    /// Samples a second that its decoder gives.
    pub(crate) fn sample_rate(self) -> u32 {
        match self.codec {
            Codec::Pcmu | Codec::Pcma => self.clock_rate,
            Codec::G722 => 16_000,
            Codec::Opus => OPUS_RATE,
        }
    }
}

/// The rate of a recording in which all these can be heard: 8 kHz if all are narrowband, else
/// 16 kHz, else 48 kHz.
#[must_use]
pub fn rate(codings: impl IntoIterator<Item = Coding> + Clone) -> u32 {
    let holds = |rate: &u32| {
        let mut codings = codings.clone().into_iter();
        codings
            .all(|one| [one.sample_rate(), one.clock_rate].iter().all(|n| rate.is_multiple_of(*n)))
    };
    [8000, 16_000].into_iter().find(holds).unwrap_or(RATE_MAX)
}

/// The decoder of one stream, with what it remembers.
pub(crate) enum Decoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Decoder>),
    Opus(Box<OpusDecoder>),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pcmu => "Pcmu",
            Self::Pcma => "Pcma",
            Self::G722(_) => "G722",
            Self::Opus(_) => "Opus",
        })
    }
}

impl Decoder {
    /// `None`: the library has no decoder to give.
    pub(crate) fn new(coding: Coding) -> Option<Self> {
        Some(match coding.codec {
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(Box::new(OpusDecoder::new(OPUS_RATE as i32, 1).ok()?)),
        })
    }

    /// Puts the payload's samples over what `out` held. False: it is empty, or no payload of
    /// this codec.
    pub(crate) fn decode(&mut self, payload: &[u8], coding: Coding, out: &mut Vec<i16>) -> bool {
        out.clear();
        let most = coding.sample_rate() as usize * PACKET_MS_MAX / 1000;
        match self {
            Self::Pcmu => out.extend(payload.iter().take(most).map(|code| g711::ulaw(*code))),
            Self::Pcma => out.extend(payload.iter().take(most).map(|code| g711::alaw(*code))),
            Self::G722(state) => {
                for code in payload.iter().take(most / 2) {
                    out.extend(state.decode(*code));
                }
            }
            Self::Opus(decoder) => {
                out.resize(OPUS_SAMPLES_MAX, 0);
                // An empty payload would ask for concealment; a lost packet stays silent here.
                let done = match payload {
                    [] => 0,
                    _ => decoder.decode_s16(payload, OPUS_SAMPLES_MAX, out).unwrap_or(0),
                };
                out.truncate(done);
            }
        }
        !out.is_empty()
    }
}

#[cfg(test)]
mod tests;
