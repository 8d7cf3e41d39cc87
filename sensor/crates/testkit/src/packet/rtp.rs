//! RTP, RFC 4733 events and RTCP (RFC 3550), as bytes appended to a buffer.

/// Fields of an RTP header without CSRC list and extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub seq: u16,
    /// Media timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Rtp {
    /// Appends the 12-byte header.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut head = [0u8; 12];
        head[0] = 0x80;
        head[1] = (self.payload_type & 0x7f) | (u8::from(self.marker) << 7);
        head[2..4].copy_from_slice(&self.seq.to_be_bytes());
        head[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        head[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&head);
    }
}

/// The payload of one telephone-event packet (RFC 4733 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Event code: 0 to 9, 10 is `*`, 11 is `#`, 12 to 15 are A to D.
    pub code: u8,
    /// End of the event.
    pub end: bool,
    /// Level below 0 dBm0, 0 to 63.
    pub volume: u8,
    /// Duration so far, in timestamp units.
    pub duration: u16,
}

impl Event {
    /// The four payload bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | (self.volume & 0x3f), high, low]
    }

    /// The code of a digit; `None` for other characters.
    #[must_use]
    pub fn code_of(digit: char) -> Option<u8> {
        "0123456789*#ABCD".find(digit).map(|at| at as u8)
    }
}

/// Sender information of a sender report (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// 64-bit NTP time.
    pub ntp: u64,
    /// The same moment as an RTP timestamp.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// One report block (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Source reported on.
    pub ssrc: u32,
    /// Share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all; 24 bits, signed.
    pub lost: i32,
    /// Extended highest sequence number.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time.
    pub last_sr: u32,
    /// Delay since then in 65,536ths of a second.
    pub delay: u32,
}

/// Appends a sender report, or a receiver report when `sender` is `None`.
pub fn report(ssrc: u32, sender: Option<Sender>, blocks: &[Block], out: &mut Vec<u8>) {
    let kind = if sender.is_some() { 200 } else { 201 };
    let words = 1 + if sender.is_some() { 5 } else { 0 } + blocks.len() * 6;
    out.extend_from_slice(&[0x80 | blocks.len() as u8, kind]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    if let Some(sender) = sender {
        out.extend_from_slice(&sender.ntp.to_be_bytes());
        out.extend_from_slice(&sender.timestamp.to_be_bytes());
        out.extend_from_slice(&sender.packets.to_be_bytes());
        out.extend_from_slice(&sender.octets.to_be_bytes());
    }
    for block in blocks {
        out.extend_from_slice(&block.ssrc.to_be_bytes());
        let lost = (block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32) & 0xff_ffff;
        out.extend_from_slice(&((u32::from(block.fraction_lost) << 24) | lost).to_be_bytes());
        out.extend_from_slice(&block.highest.to_be_bytes());
        out.extend_from_slice(&block.jitter.to_be_bytes());
        out.extend_from_slice(&block.last_sr.to_be_bytes());
        out.extend_from_slice(&block.delay.to_be_bytes());
    }
}

/// Appends a source description with a CNAME (RFC 3550 section 6.5).
pub fn source_description(ssrc: u32, cname: &str, out: &mut Vec<u8>) {
    let length = (4 + 2 + cname.len() + 1).next_multiple_of(4);
    let end = out.len() + 4 + length;
    out.extend_from_slice(&[0x81, 202]);
    out.extend_from_slice(&((length / 4) as u16).to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[1, cname.len() as u8]);
    out.extend_from_slice(cname.as_bytes());
    out.resize(end, 0);
}

/// Appends a goodbye (RFC 3550 section 6.6).
pub fn goodbye(ssrc: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x81, 203, 0, 1]);
    out.extend_from_slice(&ssrc.to_be_bytes());
}
