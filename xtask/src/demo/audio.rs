//! What the telephones say: two capture files of G.711 µ-law noise that sipp plays.
//!
//! The same bytes on every run. The server's side has known flaws, so that a comparison of loss
//! compares more than zeros. Nothing here is sent; sipp takes the payloads and puts its own
//! addresses and ports before them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Packets of one side of a conversation: 6 s of 20 ms each.
pub(super) const PACKETS: u16 = 300;
/// Samples, and bytes, of 20 ms.
const SAMPLES: usize = 160;
/// Length of the Ethernet, IPv4, UDP and RTP headers.
const HEADERS: usize = 14 + 20 + 8 + 12;

/// One side's flaws.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    /// The capture file's name.
    pub(super) file: &'static str,
    ssrc: u32,
    /// Which packets are never sent.
    missing: &'static [u16],
    /// This packet and the next are sent in the wrong order.
    swapped: Option<u16>,
}

/// The telephones: faultless.
pub(super) const CALLER: Voice =
    Voice { file: "caller.pcap", ssrc: 0x0ca1_1e12, missing: &[], swapped: None };
/// The server: single losses, a burst, and one exchange.
pub(super) const SERVER: Voice = Voice {
    file: "server.pcap",
    ssrc: 0x5e2e_e201,
    missing: &[25, 75, 125, 160, 161, 162, 225, 275],
    swapped: Some(200),
};

/// Writes the voice's capture file into `folder`.
pub(super) fn write(folder: &Path, voice: Voice) -> Result<()> {
    let path = folder.join(voice.file);
    fs::write(&path, capture(voice)).with_context(|| format!("cannot write {}", path.display()))
}

/// The capture file: microsecond pcap, Ethernet.
fn capture(voice: Voice) -> Vec<u8> {
    let length = (HEADERS + SAMPLES) as u32;
    let mut file = Vec::with_capacity(24 + usize::from(PACKETS) * (16 + length as usize));
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    file.extend([0; 8]);
    file.extend(65_535_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for place in 0..PACKETS {
        let number = match voice.swapped {
            Some(first) if place == first => first + 1,
            Some(first) if place == first + 1 => first,
            _ => place,
        };
        if voice.missing.contains(&number) {
            continue;
        }
        let time_us = u32::from(place) * 20_000;
        file.extend((time_us / 1_000_000).to_le_bytes());
        file.extend((time_us % 1_000_000).to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend(length.to_le_bytes());
        frame(&mut file, voice.ssrc, number);
    }
    file
}

/// One frame, from Ethernet to noise.
fn frame(out: &mut Vec<u8>, ssrc: u32, number: u16) {
    let udp = (8 + 12 + SAMPLES) as u16;
    out.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    out.extend([0x45, 0]);
    out.extend((20 + udp).to_be_bytes());
    out.extend(number.to_be_bytes());
    out.extend([0x40, 0, 64, 17, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2]);
    out.extend([0x4e, 0x20, 0x4e, 0x20]);
    out.extend(udp.to_be_bytes());
    out.extend([0, 0, 0x80, if number == 0 { 0x80 } else { 0 }]);
    out.extend((1_000 + number).to_be_bytes());
    out.extend((8_000 + u32::from(number) * SAMPLES as u32).to_be_bytes());
    out.extend(ssrc.to_be_bytes());
    let mut noise = u64::from(ssrc) << 16 | u64::from(number);
    for _ in 0..SAMPLES {
        // Knuth's 64-bit linear congruence; its high bits are good enough for noise.
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Quiet noise: the lower segments of µ-law, either sign.
        out.push(0x60 | (noise >> 56) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_the_voice_says() {
        let record = 16 + HEADERS + SAMPLES;
        assert_eq!(capture(CALLER).len(), 24 + usize::from(PACKETS) * record);
        let server = capture(SERVER);
        assert_eq!(server.len(), 24 + (usize::from(PACKETS) - SERVER.missing.len()) * record);
        let numbers: Vec<u16> = server[24..]
            .chunks(record)
            .map(|r| u16::from_be_bytes([r[16 + 44], r[16 + 45]]) - 1_000)
            .collect();
        assert_eq!(numbers.first(), Some(&0));
        assert_eq!(numbers.last(), Some(&299));
        assert!(SERVER.missing.iter().all(|lost| !numbers.contains(lost)));
        let at = numbers.iter().position(|n| *n == 201).unwrap();
        assert_eq!(numbers[at + 1], 200);
    }
}
