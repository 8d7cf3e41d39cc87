//! The G.722 decoder, ITU-T G.722 (09/2012) §4 and §6, at 64 kbit/s: from each byte a lower band
//! of six bits and an upper band of two, both adaptive differential, then joined by a quadrature
//! mirror filter to two samples of 16 kHz.
//!
//! Names of figures follow the Recommendation's; it works in 16 bits with saturation.

/// Coefficients of the quadrature mirror filter, half of its symmetric 24 (table 4).
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
/// Logarithmic steps of the lower band's scale factor, by `RL4`.
const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL4: [u8; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
/// The same of the upper band, by its code.
const WH: [i32; 4] = [798, -214, 798, -214];
/// The inverse logarithm of the scale factors.
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Inverse quantiser of the upper band.
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
/// Inverse quantiser of the lower band, four bits: what the predictor learns from.
const QM4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
/// Inverse quantiser of the lower band, six bits: what is heard.
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// Both bands and the filter that joins them.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    low: Band,
    high: Band,
    /// What the filter remembers: sums and differences of the bands, newest last.
    taps: [i32; 24],
}

impl Default for Decoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), taps: [0; 24] }
    }
}

impl Decoder {
    /// The two samples of one byte.
    pub(super) fn decode(&mut self, code: u8) -> [i16; 2] {
        let low = self.low(usize::from(code & 0x3f)).clamp(-16_384, 16_383);
        let high = self.high(usize::from(code >> 6)).clamp(-16_384, 16_383);
        self.taps.copy_within(2.., 0);
        self.taps[22] = low + high;
        self.taps[23] = low - high;
        let (mut first, mut second) = (0, 0);
        for ((pair, forth), back) in self.taps.chunks_exact(2).zip(QMF).zip(QMF.iter().rev()) {
            second += pair[0] * forth;
            first += pair[1] * back;
        }
        [saturate(first >> 11) as i16, saturate(second >> 11) as i16]
    }

    fn low(&mut self, code: usize) -> i32 {
        let band = &mut self.low;
        let heard = band.predicted + scaled(band.scale, QM6[code & 63]);
        let four = (code >> 2) & 15;
        let learnt = scaled(band.scale, QM4[four]);
        band.log = (((band.log * 127) >> 7) + WL[usize::from(RL4[four] & 7)]).clamp(0, 18_432);
        band.scale = linear(band.log, 8);
        band.learn(learnt);
        heard
    }

    fn high(&mut self, code: usize) -> i32 {
        let band = &mut self.high;
        let learnt = scaled(band.scale, QM2[code & 3]);
        let heard = band.predicted + learnt;
        band.log = (((band.log * 127) >> 7) + WH[code & 3]).clamp(0, 22_528);
        band.scale = linear(band.log, 10);
        band.learn(learnt);
        heard
    }
}

/// One band: its scale factor and its predictor of two poles and six zeros.
#[derive(Clone, Debug)]
struct Band {
    /// Logarithm of the scale factor (`NB`), and the factor (`DET`).
    log: i32,
    scale: i32,
    /// What the next sample will be (`S`), and the zeros' part of it (`SZ`).
    predicted: i32,
    by_zeros: i32,
    /// Poles, and the last two reconstructed and partly reconstructed samples.
    poles: [i32; 2],
    samples: [i32; 2],
    parts: [i32; 2],
    /// Zeros, and the last six differences.
    zeros: [i32; 6],
    differences: [i32; 6],
}

impl Band {
    fn new(scale: i32) -> Self {
        let (log, predicted, by_zeros) = (0, 0, 0);
        let ([poles, samples, parts], [zeros, differences]) = ([[0; 2]; 3], [[0; 6]; 2]);
        Self { log, scale, predicted, by_zeros, poles, samples, parts, zeros, differences }
    }

    /// Adapts the predictor to a difference and predicts the next sample.
    fn learn(&mut self, difference: i32) {
        let sample = saturate(self.predicted + difference);
        let part = saturate(self.by_zeros + difference);
        let agree = self.parts.map(|before| (before < 0) == (part < 0));
        self.poles = adapted_poles(self.poles, agree);
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(self.differences) {
            let same = (before < 0) == (difference < 0);
            *zero = saturate(leak(*zero, 32_640) + if same { step } else { -step });
        }
        self.samples = [sample, self.samples[0]];
        self.parts = [part, self.parts[0]];
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        let doubled = |(value, by): (&i32, &i32)| leak(saturate(2 * value), *by);
        let by_poles: i32 = self.samples.iter().zip(&self.poles).map(doubled).sum();
        let by_zeros: i32 = self.differences.iter().zip(&self.zeros).map(doubled).sum();
        self.by_zeros = saturate(by_zeros);
        self.predicted = saturate(saturate(by_poles) + self.by_zeros);
    }
}

/// The poles after a sample whose partly reconstructed value has, or has not, the sign of the
/// one before and of the one before that. The second pole bounds the first (stability).
fn adapted_poles([first, second]: [i32; 2], agree: [bool; 2]) -> [i32; 2] {
    let pull = saturate(4 * first);
    let pull = if agree[0] { saturate(-pull) } else { pull };
    let push = if agree[1] { 128 } else { -128 };
    let second = (push + (pull >> 7) + leak(second, 32_512)).clamp(-12_288, 12_288);
    let push = if agree[0] { 192 } else { -192 };
    let bound = saturate(15_360 - second);
    [saturate(push + leak(first, 32_640)).clamp(-bound, bound), second]
}

fn leak(value: i32, by: i32) -> i32 {
    (value * by) >> 15
}

fn scaled(scale: i32, level: i32) -> i32 {
    (scale * level) >> 15
}

/// The scale factor of its logarithm; `shift` is the band's own.
fn linear(log: i32, shift: i32) -> i32 {
    let mantissa = ILB[(log >> 6) as usize & 31];
    let down = shift - (log >> 11);
    (if down < 0 { mantissa << -down } else { mantissa >> down }) << 2
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}
