//! What the payload types of a call's streams mean: by its record, else by RFC 3551. Nothing is
//! guessed from the payloads.

use std::collections::BTreeMap;

use ringtap_audio::{Codec, Coding, Side};
use ringtap_cdr::record::Side as Party;
use ringtap_cdr::{CallRecord, StreamRecord};
use ringtap_media::{self as media, Kind, PayloadInfo};
use ringtap_spool::SpoolError;

use super::packets::Packets;

/// The schema's payload number of video.
const VIDEO: u16 = 10_000;

/// What packets of a payload type are for a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Audio that is decoded.
    Audio(Coding, media::Codec),
    /// Audio that is not decoded here.
    Foreign(media::Codec, u32),
    /// Comfort noise, digits, video: no audio.
    Silence,
    /// Nobody told.
    Unknown,
}

/// Why a whole stream is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mute {
    /// SRTP.
    Encrypted,
    /// The record does not know who sends it.
    NoSide,
    /// Pictures.
    Video,
}

/// A stream's payload types, with what they mean and how many packets each has.
#[derive(Debug)]
pub(super) struct Types {
    pub(super) side: Side,
    pub(super) mute: Option<Mute>,
    pub(super) types: BTreeMap<u8, (Meaning, u64)>,
    /// Packets of which only the headers were kept.
    pub(super) bare: u64,
}

impl Types {
    /// The payload types that can be heard.
    pub(super) fn codings(&self) -> impl Iterator<Item = (u8, Coding)> {
        self.types.iter().filter_map(|(number, (meaning, _))| match meaning {
            Meaning::Audio(coding, _) if self.mute.is_none() => Some((*number, *coding)),
            _ => None,
        })
    }
}

/// What is in the spool of a call's streams.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) streams: Vec<Types>,
    /// Arrival of the first packet that can be heard, UNIX ns.
    pub(super) start_ns: Option<u64>,
}

impl Survey {
    /// Looks at all packets.
    pub(super) fn of(packets: &Packets<'_>, call: &CallRecord) -> Result<Self, SpoolError> {
        let streams = call.streams.iter().map(|stream| Types {
            side: if stream.side == Some(Party::Callee) { Side::Right } else { Side::Left },
            mute: mute(stream),
            types: BTreeMap::new(),
            bare: 0,
        });
        let mut survey = Self { streams: streams.collect(), start_ns: None };
        packets.each(&mut |one| {
            let number = one.rtp.payload_type();
            let found = survey.streams.get_mut(one.stream).zip(call.streams.get(one.stream));
            let Some((types, stream)) = found else { return Ok(()) };
            let known = || (meaning(call, stream, number), 0);
            let (meaning, count) = types.types.entry(number).or_insert_with(known);
            *count += 1;
            types.bare += u64::from(one.bare);
            let heard = matches!(meaning, Meaning::Audio(..)) && types.mute.is_none();
            if heard && !one.bare {
                survey.start_ns.get_or_insert(one.ts_ns);
            }
            Ok(())
        })?;
        Ok(survey)
    }

    /// Packets of all streams.
    pub(super) fn packets(&self) -> u64 {
        self.streams.iter().flat_map(|stream| stream.types.values()).map(|(_, count)| count).sum()
    }

    /// Frames a second of the recording.
    pub(super) fn rate(&self) -> u32 {
        let codings = self.streams.iter().flat_map(Types::codings).map(|(_, coding)| coding);
        ringtap_audio::rate(codings.collect::<Vec<_>>())
    }
}

fn mute(stream: &StreamRecord) -> Option<Mute> {
    match stream {
        StreamRecord { payload: VIDEO, .. } => Some(Mute::Video),
        StreamRecord { srtp: true, .. } => Some(Mute::Encrypted),
        StreamRecord { side: None, .. } => Some(Mute::NoSide),
        _ => None,
    }
}

/// By the stream's own record; else by that of another stream of the call that has the number,
/// one of the same side first; else by RFC 3551.
fn meaning(call: &CallRecord, stream: &StreamRecord, number: u8) -> Meaning {
    let told = |one: &&StreamRecord| one.payload == u16::from(number) && !one.codec.is_empty();
    let of_side = || call.streams.iter().filter(|one| one.side == stream.side).find(told);
    let by_record = Some(stream).filter(told).or_else(of_side);
    let by_record = by_record.or_else(|| call.streams.iter().find(told));
    let (codec, clock_rate) = by_record.map_or_else(
        || {
            let info = PayloadInfo::from_static(number);
            (info.codec, info.clock_rate)
        },
        |one| (media::Codec::from_name(&one.codec), one.clock_rate),
    );
    let clock_rate = if clock_rate == 0 { codec.clock_rate() } else { clock_rate };
    let decoded = match codec {
        media::Codec::Pcmu => Some(Codec::Pcmu),
        media::Codec::Pcma => Some(Codec::Pcma),
        media::Codec::G722 => Some(Codec::G722),
        media::Codec::Opus => Some(Codec::Opus),
        _ => None,
    };
    match codec.kind() {
        Kind::Audio => decoded
            .and_then(|decoded| Coding::new(decoded, clock_rate))
            .map_or(Meaning::Foreign(codec, clock_rate), |coding| Meaning::Audio(coding, codec)),
        Kind::Repair if codec == media::Codec::Red => Meaning::Foreign(codec, clock_rate),
        Kind::Event | Kind::Noise | Kind::Repair | Kind::Video => Meaning::Silence,
        Kind::Other | Kind::Unknown => Meaning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(payload: u16, codec: &str, clock_rate: u32) -> StreamRecord {
        let side = Some(Party::Caller);
        StreamRecord { side, payload, codec: codec.into(), clock_rate, ..StreamRecord::default() }
    }

    #[test]
    fn the_record_says_what_a_payload_type_means() {
        let own = stream(96, "opus", 48_000);
        let other = StreamRecord { side: Some(Party::Callee), ..stream(97, "G722", 8000) };
        let wrong = StreamRecord { side: Some(Party::Callee), ..stream(96, "speex", 16_000) };
        let nameless = stream(98, "", 0);
        let streams = vec![wrong, other, nameless, own.clone()];
        let call = CallRecord { streams, ..CallRecord::default() };
        let of = |number| meaning(&call, &own, number);
        let audio = |codec, name, clock| Meaning::Audio(Coding::new(codec, clock).unwrap(), name);
        assert_eq!(of(96), audio(Codec::Opus, media::Codec::Opus, 48_000));
        assert_eq!(of(97), audio(Codec::G722, media::Codec::G722, 8000));
        assert_eq!(of(8), audio(Codec::Pcma, media::Codec::Pcma, 8000));
        assert_eq!(of(18), Meaning::Foreign(media::Codec::G729, 8000));
        assert_eq!((of(13), of(34)), (Meaning::Silence, Meaning::Silence));
        assert_eq!((of(98), of(101)), (Meaning::Unknown, Meaning::Unknown));
        let odd = stream(0, "PCMU", 44_100);
        assert_eq!(meaning(&call, &odd, 0), Meaning::Foreign(media::Codec::Pcmu, 44_100));
    }

    #[test]
    fn streams_that_cannot_be_heard_say_why() {
        let plain = stream(0, "PCMU", 8000);
        assert_eq!(mute(&plain), None);
        assert_eq!(mute(&StreamRecord { srtp: true, ..plain.clone() }), Some(Mute::Encrypted));
        assert_eq!(mute(&StreamRecord { side: None, ..plain.clone() }), Some(Mute::NoSide));
        assert_eq!(mute(&StreamRecord { payload: VIDEO, ..plain }), Some(Mute::Video));
    }
}
