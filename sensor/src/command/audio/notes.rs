//! What is said about a recording: what is heard, and a line for everything that is not.

use ringtap_audio::{Side, Tally};
use ringtap_cdr::CallRecord;

use super::Made;
use super::meaning::{Meaning, Mute, Survey, Types};

/// A line that says what was written, then one for each thing that is not heard.
pub(super) fn made(call: &CallRecord, survey: &Survey, made: &Made) -> Vec<String> {
    let rate = survey.rate();
    let seconds = |frames: u64| frames as f64 / f64::from(rate);
    let heard = [Side::Left, Side::Right].map(|side| {
        let of_side = survey.streams.iter().zip(&made.tallies).filter(|(one, _)| one.side == side);
        let packets: u64 = of_side.map(|(_, tally)| tally.decoded).sum();
        format!("{} {packets} packets{}", name(side), codecs(survey, side))
    });
    let mut lines = vec![format!(
        "{:.1} s at {rate} Hz: left {}, right {}",
        seconds(made.frames),
        heard[0],
        heard[1]
    )];
    lines.extend(unheard(call, survey).into_iter().map(|line| format!("silence: {line}")));
    let mut count = |counted: fn(&Tally) -> u64, what: &str| {
        let sum: u64 = made.tallies.iter().map(counted).sum();
        if sum > 0 {
            lines.push(format!("{sum} {what}"));
        }
    };
    count(|tally| tally.damaged, "packets could not be decoded");
    count(
        |tally| tally.unplaced,
        "packets came too late, or too far from their time, to be placed",
    );
    count(|tally| tally.beyond, "packets lie beyond the call's end and are left out");
    count(
        |tally| tally.jumps,
        "times the timestamps of a stream could not be true; it goes on where it arrived",
    );
    let shared: u64 = made.tallies.iter().map(|tally| tally.shared).sum();
    // Streams that follow each other overlap by a packet or two; nobody misses that.
    if shared > u64::from(rate) {
        let shared = seconds(shared);
        lines.push(format!(
            "for {shared:.1} s a side has several streams at once; the one with most packets is \
             heard"
        ));
    }
    if made.damaged > 0 {
        lines.push(format!("{} chunks of the spool could not be read", made.damaged));
    }
    lines
}

/// A line for everything that is not heard.
pub(super) fn unheard(call: &CallRecord, survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    for (types, stream) in survey.streams.iter().zip(&call.streams) {
        let packets: u64 = types.types.values().map(|(_, count)| count).sum();
        let who = name(types.side);
        match types.mute {
            _ if packets == 0 => {}
            Some(Mute::Encrypted) => lines.push(format!("{who}: the audio is encrypted (SRTP)")),
            Some(Mute::NoSide) => lines.push(format!(
                "the stream from {} to {} belongs to neither side",
                stream.src, stream.dst
            )),
            Some(Mute::Video) => {}
            None if types.bare > 0 => lines.push(format!(
                "{who}: {} packets have headers only (savertp = header)",
                types.bare
            )),
            None => lines.extend(not_audio(types).map(|what| format!("{who}: {what}"))),
        }
    }
    let mut said = std::collections::HashSet::new();
    lines.retain(|line| said.insert(line.clone()));
    if lines.is_empty() && survey.start_ns.is_none() {
        lines.push("it has neither audio nor another stream of a known codec".into());
    }
    lines
}

/// The payload types of a stream that are not heard.
fn not_audio(types: &Types) -> impl Iterator<Item = String> {
    types.types.iter().filter_map(|(number, (meaning, count))| match meaning {
        Meaning::Audio(..) | Meaning::Silence => None,
        Meaning::Foreign(codec, clock_rate) => Some(format!(
            "{count} packets of {} at {clock_rate} Hz, which is not decoded",
            codec.name()
        )),
        Meaning::Unknown => Some(format!(
            "{count} packets of payload type {number}, which the record does not tell"
        )),
    })
}

fn codecs(survey: &Survey, side: Side) -> String {
    let of_side = survey.streams.iter().filter(|one| one.side == side && one.mute.is_none());
    let mut names: Vec<&str> = of_side
        .flat_map(|one| one.types.values())
        .filter_map(|(meaning, _)| match meaning {
            Meaning::Audio(_, codec) => Some(codec.name()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Left => "caller",
        Side::Right => "callee",
    }
}
