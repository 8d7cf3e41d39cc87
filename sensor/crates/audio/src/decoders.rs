//! The decoders of the streams that speak, and the way from their rates to the recording's.

use crate::codec::{Coding, Decoder};

/// Streams that are decoded at one time; more than a call has. Of more, the one that was silent
/// longest begins anew.
const VOICES_MAX: usize = 32;

/// One stream's voice.
#[derive(Debug)]
struct Voice {
    stream: usize,
    coding: Coding,
    decoder: Decoder,
    /// Where its next sample is due, and its last one, from which the line to the next is drawn.
    due: i64,
    last: i16,
}

/// All voices.
#[derive(Debug, Default)]
pub(crate) struct Decoders {
    voices: Vec<Voice>,
    samples: Vec<i16>,
    frames: Vec<i16>,
}

impl Decoders {
    /// The samples of a packet that stands at `position`, at `rate` frames a second, and where
    /// they begin: before the position where the line from the last sample is drawn. `None`: the
    /// payload is none of this codec.
    pub(crate) fn decode(
        &mut self,
        stream: usize,
        coding: Coding,
        payload: &[u8],
        position: i64,
        rate: u32,
    ) -> Option<(i64, &[i16])> {
        let at = self.voice(stream, coding)?;
        let voice = self.voices.get_mut(at)?;
        if !voice.decoder.decode(payload, coding, &mut self.samples) {
            return None;
        }
        let factor = (rate / coding.sample_rate()).max(1) as i16;
        let before = (voice.due == position).then_some(voice.last);
        let shift = stretch(before, &self.samples, factor, &mut self.frames);
        voice.due = position + self.samples.len() as i64 * i64::from(factor);
        voice.last = self.samples.last().copied().unwrap_or(0);
        Some((position - shift as i64, &self.frames))
    }

    /// The place of a stream's voice; the voice used last stands last.
    fn voice(&mut self, stream: usize, coding: Coding) -> Option<usize> {
        let known = self.voices.iter().position(|voice| voice.stream == stream);
        let kept = known.map(|at| self.voices.remove(at)).filter(|voice| voice.coding == coding);
        if self.voices.len() >= VOICES_MAX {
            self.voices.remove(0);
        }
        let voice = match kept {
            Some(voice) => voice,
            None => {
                let decoder = Decoder::new(coding)?;
                Voice { stream, coding, decoder, due: i64::MIN, last: 0 }
            }
        };
        self.voices.push(voice);
        Some(self.voices.len() - 1)
    }
}

/// Puts `factor` frames for each sample over what `out` held: straight lines from sample to
/// sample, and the last one held until the next packet draws the line on. `before` is the sample
/// before, if it follows without a gap: the frames between it and the first are then put in front,
/// and their number is returned.
fn stretch(before: Option<i16>, samples: &[i16], factor: i16, out: &mut Vec<i16>) -> usize {
    out.clear();
    let line = |from: i16, to: i16, step: i16| {
        let (from, to) = (i32::from(from), i32::from(to));
        (from + (to - from) * i32::from(step) / i32::from(factor)) as i16
    };
    if let Some((before, first)) = before.zip(samples.first()) {
        out.extend((1..factor).map(|step| line(before, *first, step)));
    }
    let shift = out.len();
    let next = samples.iter().skip(1).chain(samples.last());
    for (sample, next) in samples.iter().zip(next) {
        out.extend((0..factor).map(|step| line(*sample, *next, step)));
    }
    shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    #[test]
    fn lines_are_drawn_from_sample_to_sample_across_packets() {
        let mut out = Vec::new();
        assert_eq!(stretch(None, &[0, 20, 10], 2, &mut out), 0);
        assert_eq!(out, [0, 10, 20, 15, 10, 10]);
        assert_eq!(stretch(Some(10), &[40], 3, &mut out), 2);
        assert_eq!(out, [20, 30, 40, 40, 40]);
        assert_eq!(stretch(Some(5), &[i16::MIN, i16::MAX], 1, &mut out), 0);
        assert_eq!(out, [i16::MIN, i16::MAX]);
        stretch(Some(i16::MAX), &[i16::MIN], 6, &mut out);
        assert!(out.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn voices_are_few_and_keep_what_they_remember() {
        let mut decoders = Decoders::default();
        let coding = Coding::new(Codec::Pcmu, 8000).unwrap();
        for stream in 0..100 {
            assert!(decoders.decode(stream, coding, &[0; 10], 0, 16_000).is_some());
        }
        assert_eq!(decoders.voices.len(), VOICES_MAX);
        // A known voice draws its line on, a new one and one behind a gap have none.
        let start = |decoders: &mut Decoders, stream, at| {
            decoders.decode(stream, coding, &[0x80; 10], at, 16_000).map(|(at, _)| at)
        };
        assert_eq!(start(&mut decoders, 99, 20), Some(19));
        assert_eq!(start(&mut decoders, 98, 22), Some(22));
        assert_eq!(start(&mut decoders, 5, 20), Some(20));
        assert!(decoders.decode(5, coding, &[], 40, 16_000).is_none());
    }
}
