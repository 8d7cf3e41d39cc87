//! The E-model, ITU-T G.107, from codec and effective loss; MOS by its Annex B.
//!
//! `R = 93.2 - Id - Ie,eff` with `Ie,eff = Ie + (95 - Ie) · Ppl / (Ppl / BurstR + Bpl)`. 93.2 is
//! the rating of a connection with all parameters at their defaults. The delay term counts only
//! when a delay is known: from one point of the network it cannot be seen.
//!
//! **Ie and Bpl.** G.113 Appendix I lists packet-loss robustness for few codecs: G.711 in packets
//! of 10 ms without concealment 0 / 4.3, with it (G.711 Appendix I) 0 / 25.1, G.729A with VAD
//! 11 / 19.0, G.723.1 with VAD at 6.3 kbit/s 15 / 16.1, GSM-EFR 5 / 10.0. G.711 is scored *with*
//! concealment, because practically every endpoint conceals; without it one per cent of loss would
//! cost 18 points. G.113 does not list AMR: its mode of 12.2 kbit/s is the GSM-EFR codec and gets
//! that one's figures. For others Ie is G.113's where it lists one, and Bpl, or both, is assumed
//! from the nearest relative; [`Source`] tells which. The figures of all other codecs contain the
//! codec's own concealment.
//!
//! **Wideband** codecs have a scale of their own, ITU-T G.107.1: it reaches to 129, and MOS is
//! that of R / 1.29 (its Annex A). G.113 Appendix IV lists AMR-WB: at 12.65 kbit/s Ie,WB is 13
//! when heard with one ear (20 with both), and Bpl,WB, for both ears and random loss only, 4.3;
//! 13 and 4.3 are taken together here, which is an assumption. All others are assumed: 13 for
//! G.722 at 64 kbit/s and G.722.1 at 32 kbit/s, and 4.5, in the middle of the three Bpl,WB (4.3 to
//! 4.9) that G.113 has. A clean G.722 call so has R 116 and MOS 4.34, of a scale on which clean
//! G.711 would have R 93: a MOS of one scale says nothing about one of the other. [`Scale`] tells
//! which it is.
//!
//! Video, text and unknown codecs get no value.

use crate::codec::Codec;

/// Fewer expected packets than this are too few to judge by: one second of usual audio.
pub const PACKETS_MIN: u32 = 50;

/// Fewer than this are too few to judge one interval by: a second of 40 ms packets has as many.
pub const INTERVAL_PACKETS_MIN: u32 = 25;

const R_NARROW: f32 = 93.2;
const R_WIDE: f32 = 129.0;
/// Points of the wideband scale for one of the narrowband scale, G.107.1 Annex A.
const WIDE_TO_NARROW: f32 = 1.29;
/// Packet-loss robustness of AMR-WB at 12.65 kbit/s, heard with both ears.
const BPL_AMR_WB: f32 = 4.3;
/// Assumed packet-loss robustness of other wideband codecs.
const BPL_WIDE: f32 = 4.5;

/// Effective loss of a stream or of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Packets that should have been played.
    pub expected: u32,
    /// Those that were lost on the way or came too late.
    pub lost: u32,
    /// Runs that the lost ones form.
    pub runs: u32,
}

impl Loss {
    /// Adds another part.
    pub fn merge(&mut self, other: &Self) {
        self.expected += other.expected;
        self.lost += other.lost;
        self.runs += other.runs;
    }

    /// Loss as a part of the expected, 0 to 1.
    #[must_use]
    pub fn ratio(&self) -> f32 {
        if self.expected == 0 { 0.0 } else { self.lost as f32 / self.expected as f32 }
    }

    /// Mean length of runs over that of random loss, at least 1 (G.107 §7.5).
    #[must_use]
    pub fn burst_ratio(&self) -> f32 {
        let length = self.lost as f32 / self.runs.max(1) as f32;
        (length * (1.0 - self.ratio())).max(1.0)
    }
}

/// Where a codec's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Both from ITU-T G.113.
    G113,
    /// Ie from G.113, Bpl assumed.
    BplAssumed,
    /// Both assumed.
    Assumed,
}

impl Source {
    /// As records have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::G113 => "G.113",
            Self::BplAssumed => "G.113, Bpl assumed",
            Self::Assumed => "assumed",
        }
    }
}

/// The scale of R on which a codec is rated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// ITU-T G.107, to 100 (93.2 at its defaults).
    Narrow,
    /// ITU-T G.107.1, to 129.
    Wide,
}

impl Scale {
    /// The recommendation, as records have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Narrow => "G.107",
            Self::Wide => "G.107.1",
        }
    }

    /// R of a connection with all parameters at their defaults.
    #[must_use]
    pub fn clean(self) -> f32 {
        match self {
            Self::Narrow => R_NARROW,
            Self::Wide => R_WIDE,
        }
    }

    /// Impairment by pure delay, in points of this scale: the curve of G.107.1 is that of G.107,
    /// as much steeper as its scale is longer.
    #[must_use]
    pub fn delay_impairment(self, one_way_ms: f32) -> f32 {
        match self {
            Self::Narrow => delay_impairment(one_way_ms),
            Self::Wide => delay_impairment(one_way_ms) * WIDE_TO_NARROW,
        }
    }

    /// MOS of an R factor on this scale.
    #[must_use]
    pub fn mos(self, r: f32) -> f32 {
        match self {
            Self::Narrow => mos_of_r(r),
            Self::Wide => mos_of_r(r / WIDE_TO_NARROW),
        }
    }
}

/// What loss does to a codec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Equipment impairment without loss.
    pub ie: f32,
    /// Packet-loss robustness.
    pub bpl: f32,
    /// Where the two come from.
    pub source: Source,
    /// On which scale they are.
    pub scale: Scale,
}

/// The figures of a codec; `None` when it has none.
#[must_use]
pub fn impairment(codec: Codec) -> Option<Impairment> {
    use Source::{Assumed, BplAssumed, G113};
    let (ie, bpl, source) = match codec {
        Codec::Pcmu | Codec::Pcma => (0.0, 25.1, G113),
        Codec::G729 => (11.0, 19.0, G113),
        Codec::G723 => (15.0, 16.1, G113),
        Codec::GsmEfr => (5.0, 10.0, G113),
        Codec::Amr => (5.0, 10.0, Assumed),
        Codec::Gsm => (20.0, 10.0, BplAssumed),
        Codec::GsmHr => (23.0, 10.0, BplAssumed),
        Codec::G726x40 => (2.0, 19.0, BplAssumed),
        Codec::G726x32 => (7.0, 19.0, BplAssumed),
        Codec::G726x24 => (25.0, 19.0, BplAssumed),
        Codec::G726x16 => (50.0, 19.0, BplAssumed),
        Codec::G728 => (7.0, 19.0, BplAssumed),
        Codec::Ilbc => (11.0, 25.1, Assumed),
        Codec::Speex | Codec::Dvi4 => (11.0, 19.0, Assumed),
        Codec::Lpc => (50.0, 10.0, Assumed),
        Codec::Qcelp => (20.0, 10.0, Assumed),
        _ => return wide(codec),
    };
    Some(Impairment { ie, bpl, source, scale: Scale::Narrow })
}

/// The figures of codecs with 7 kHz of speech or more.
fn wide(codec: Codec) -> Option<Impairment> {
    use Source::{Assumed, BplAssumed};
    let (ie, bpl, source) = match codec {
        Codec::AmrWb => (13.0, BPL_AMR_WB, BplAssumed),
        Codec::G722 | Codec::G7221 | Codec::G7291 => (13.0, BPL_WIDE, Assumed),
        Codec::Evs | Codec::Opus | Codec::Silk | Codec::Isac => (13.0, BPL_WIDE, Assumed),
        Codec::Mpa | Codec::Aac | Codec::L16 => (0.0, BPL_WIDE, Assumed),
        _ => return None,
    };
    Some(Impairment { ie, bpl, source, scale: Scale::Wide })
}

impl Impairment {
    /// Effective equipment impairment under loss.
    #[must_use]
    pub fn effective(&self, loss: &Loss) -> f32 {
        let percent = 100.0 * loss.ratio();
        self.ie + (95.0 - self.ie) * percent / (percent / loss.burst_ratio() + self.bpl)
    }
}

/// R factor on the codec's own scale; `None` with too few packets or a codec without figures.
#[must_use]
pub fn r_factor(codec: Codec, loss: &Loss, one_way_ms: Option<f32>) -> Option<f32> {
    if loss.expected < PACKETS_MIN {
        return None;
    }
    rated(codec, loss, one_way_ms)
}

/// R factor of however few packets.
fn rated(codec: Codec, loss: &Loss, one_way_ms: Option<f32>) -> Option<f32> {
    let figures = impairment(codec)?;
    let id = one_way_ms.map_or(0.0, |ms| figures.scale.delay_impairment(ms));
    Some(figures.scale.clean() - id - figures.effective(loss))
}

/// MOS; `None` with too few packets or a codec without figures.
#[must_use]
pub fn mos(codec: Codec, loss: &Loss, one_way_ms: Option<f32>) -> Option<f32> {
    let scale = impairment(codec)?.scale;
    r_factor(codec, loss, one_way_ms).map(|r| scale.mos(r))
}

/// MOS of one interval of a stream; `None` with fewer than [`INTERVAL_PACKETS_MIN`].
#[must_use]
pub fn mos_of_interval(codec: Codec, loss: &Loss) -> Option<f32> {
    if loss.expected < INTERVAL_PACKETS_MIN {
        return None;
    }
    let scale = impairment(codec)?.scale;
    rated(codec, loss, None).map(|r| scale.mos(r))
}

/// Impairment by pure delay on the narrowband scale, `Idd` of G.107 §7.4; echo is not known here.
#[must_use]
pub fn delay_impairment(one_way_ms: f32) -> f32 {
    if one_way_ms <= 100.0 {
        return 0.0;
    }
    let x = (one_way_ms / 100.0).log2();
    let root = |value: f32| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// MOS of an R factor, G.107 Annex B.
#[must_use]
pub fn mos_of_r(r: f32) -> f32 {
    if r <= 0.0 {
        1.0
    } else if r >= 100.0 {
        4.5
    } else {
        // Between 0 and 6.5 the polynomial dips below 1.
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f32, expected: f32) {
        assert!((found - expected).abs() < 0.005, "{found} is not {expected}");
    }

    #[test]
    fn clean_calls() {
        let clean = Loss { expected: 500, lost: 0, runs: 0 };
        near(r_factor(Codec::Pcma, &clean, None).unwrap(), 93.2);
        near(mos(Codec::Pcma, &clean, None).unwrap(), 4.409);
        near(r_factor(Codec::G729, &clean, None).unwrap(), 82.2);
        near(mos(Codec::G729, &clean, None).unwrap(), 4.105);
        near(mos(Codec::Gsm, &clean, Some(50.0)).unwrap(), 3.744);
    }

    #[test]
    fn wideband_has_its_own_scale() {
        let clean = Loss { expected: 500, lost: 0, runs: 0 };
        near(r_factor(Codec::G722, &clean, None).unwrap(), 116.0);
        near(mos(Codec::G722, &clean, None).unwrap(), mos_of_r(116.0 / 1.29));
        near(mos(Codec::G722, &clean, None).unwrap(), 4.337);
        // 1 %: 13 + 82 · 1 / (1 + 4.5) = 27.909, AMR-WB 13 + 82 · 1 / (1 + 4.3) = 28.472.
        let some = Loss { expected: 1000, lost: 10, runs: 10 };
        near(r_factor(Codec::G722, &some, None).unwrap(), 129.0 - 27.909);
        near(r_factor(Codec::AmrWb, &some, None).unwrap(), 129.0 - 28.472);
        // Delay weighs 1.29 times as much: 1.29 · 3.0444 = 3.927.
        near(r_factor(Codec::G722, &clean, Some(200.0)).unwrap(), 116.0 - 3.927);
        assert_eq!(impairment(Codec::Opus).unwrap().source, Source::Assumed);
        assert_eq!(impairment(Codec::AmrWb).unwrap().source, Source::BplAssumed);
        assert_eq!(impairment(Codec::Amr).unwrap().source, Source::Assumed);
        assert_eq!(impairment(Codec::Pcmu).unwrap().scale, Scale::Narrow);
    }

    #[test]
    fn loss_by_hand() {
        // 5 % at random: 95 · 5 / (5 + 25.1) = 15.781.
        let random = Loss { expected: 1000, lost: 50, runs: 50 };
        near(random.burst_ratio(), 1.0);
        near(r_factor(Codec::Pcmu, &random, None).unwrap(), 93.2 - 15.781);
        // In runs of four: BurstR 3.8; 95 · 5 / (5 / 3.8 + 25.1) = 17.981.
        let runs = Loss { expected: 1000, lost: 50, runs: 12 };
        near(runs.burst_ratio(), 50.0 / 12.0 * 0.95);
        let ie = 95.0 * 5.0 / (5.0 / (50.0 / 12.0 * 0.95) + 25.1);
        near(r_factor(Codec::Pcmu, &runs, None).unwrap(), 93.2 - ie);
        // G.729: 11 + 84 · 5 / (5 + 19) = 28.5.
        near(r_factor(Codec::G729, &random, None).unwrap(), 64.7);
        near(mos(Codec::G729, &random, None).unwrap(), 3.340);
    }

    #[test]
    fn too_little_to_judge_gives_none() {
        let few = Loss { expected: 49, lost: 0, runs: 0 };
        assert_eq!(mos(Codec::Pcmu, &few, None), None);
        let enough = Loss { expected: 50, lost: 0, runs: 0 };
        assert!(mos(Codec::Pcmu, &enough, None).is_some());
        assert_eq!(mos(Codec::Unknown, &enough, None), None);
        assert_eq!(mos(Codec::H264, &enough, None), None);
    }

    #[test]
    fn delay_and_limits() {
        assert!(delay_impairment(100.0).abs() < f32::EPSILON);
        // x = 1: 25 (2^(1/6) - 3 (1 + 3^-6)^(1/6) + 2) = 3.045; x = 2: 25.4 in all.
        near(delay_impairment(200.0), 3.045);
        assert!((delay_impairment(400.0) - 24.17).abs() < 0.5, "{}", delay_impairment(400.0));
        near(mos_of_r(-5.0), 1.0);
        near(mos_of_r(3.0), 1.0);
        near(mos_of_r(120.0), 4.5);
        near(mos_of_r(50.0), 2.575);
    }
}
