//! G.711: one byte a sample, logarithmic, ITU-T G.711 (11/88) tables 1a to 2b.
//!
//! Values are scaled to 16 bits: the 13 bits of A-law by 8, the 14 bits of µ-law by 4.

/// The sample of a µ-law code. All bits are inverted on the wire; the four low bits are the step
/// within one of eight segments, each twice as wide as the one before.
pub(super) const fn ulaw(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4) & 7;
    let step = (code & 15) as i16;
    let magnitude = (((step << 3) + 0x84) << segment) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

/// The sample of an A-law code. Every second bit is inverted on the wire; the two lowest segments
/// are equally wide.
pub(super) const fn alaw(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = ((code & 15) as i16) << 4;
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}
