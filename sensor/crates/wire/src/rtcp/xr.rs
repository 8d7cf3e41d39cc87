//! Extended reports, RFC 3611: VoIP metrics, receiver reference time and its answer.
//!
//! Other block types are given as bytes. Values that say "unavailable" are `None`.

use super::Reject;
use crate::read;

const BLOCK_HEADER_LEN: usize = 4;

/// An extended report.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug)]
pub enum Block<'a> {
    /// Type 4: the reporter's NTP time.
    ReferenceTime(u64),
    /// Type 5: answers to reference times.
    LastReference(LastReferences<'a>),
    /// Type 7.
    Voip(VoipMetrics),
    /// All else: type, the type's own byte, what follows.
    Other(u8, u8, &'a [u8]),
}

/// The sub-blocks of a DLRR block, §4.5.
#[derive(Clone, Copy, Debug)]
pub struct LastReferences<'a>(&'a [u8]);

/// One sub-block of a DLRR block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastReference {
    /// The receiver whose reference time is answered.
    pub ssrc: u32,
    /// Middle 32 bits of its NTP time.
    pub last_rr: u32,
    /// Time since it arrived, in 1/65536 s.
    pub delay: u32,
}

/// What an endpoint says of the call's quality, §4.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoipMetrics {
    /// The source that it is about.
    pub ssrc: u32,
    /// Packets lost on the way, in 1/256.
    pub loss_rate: u8,
    /// Packets that its jitter buffer discarded, in 1/256.
    pub discard_rate: u8,
    /// Lost or discarded within bursts, in 1/256.
    pub burst_density: u8,
    /// Lost or discarded between bursts, in 1/256.
    pub gap_density: u8,
    /// Mean length of bursts, ms.
    pub burst_duration_ms: u16,
    /// Mean length between bursts, ms.
    pub gap_duration_ms: u16,
    /// Round trip between the RTP interfaces, ms; 0 when unknown.
    pub round_trip_delay_ms: u16,
    /// Delay inside the endpoint, ms.
    pub end_system_delay_ms: u16,
    /// Signal level, dBm0.
    pub signal_level: Option<i8>,
    /// Noise level, dBm0.
    pub noise_level: Option<i8>,
    /// Residual echo return loss, dB.
    pub rerl: Option<u8>,
    /// Loss and discards under this distance in packets belong to one burst.
    pub gmin: u8,
    /// R factor of the packet network, 0 to 100.
    pub r_factor: Option<u8>,
    /// R factor of a further network.
    pub ext_r_factor: Option<u8>,
    /// MOS for listening, times 10.
    pub mos_lq_x10: Option<u8>,
    /// MOS for conversation, times 10.
    pub mos_cq_x10: Option<u8>,
    /// Loss concealment and type of jitter buffer, as the RFC packs them.
    pub rx_config: u8,
    /// Jitter buffer: nominal delay, ms.
    pub jb_nominal_ms: u16,
    /// Jitter buffer: present maximum, ms.
    pub jb_maximum_ms: u16,
    /// Jitter buffer: the most it can do, ms.
    pub jb_abs_max_ms: u16,
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Reject> {
        let ssrc = read::u32(body, 0).ok_or(Reject::Body)?;
        Ok(Self { ssrc, blocks: body.get(4..).ok_or(Reject::Body)? })
    }

    /// Its blocks; ends at the first that runs beyond the end.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'a> {
        Blocks { rest: self.blocks }
    }
}

/// Goes through the blocks of an extended report.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    fn step(&mut self) -> Option<Block<'a>> {
        let all = core::mem::take(&mut self.rest);
        let [kind, own, high, low] = read::bytes(all, 0)?;
        let len = BLOCK_HEADER_LEN + usize::from(u16::from_be_bytes([high, low])) * 4;
        let (block, rest) = all.split_at_checked(len)?;
        self.rest = rest;
        let body = block.get(BLOCK_HEADER_LEN..)?;
        let known = match kind {
            4 => read::u64(body, 0).map(Block::ReferenceTime),
            5 => Some(Block::LastReference(LastReferences(body))),
            7 => VoipMetrics::parse(body).map(Block::Voip),
            _ => None,
        };
        Some(known.unwrap_or(Block::Other(kind, own, body)))
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step()
    }
}

impl<'a> LastReferences<'a> {
    /// The sub-blocks.
    pub fn iter(&self) -> impl Iterator<Item = LastReference> + 'a {
        self.0.chunks_exact(12).filter_map(|part| {
            Some(LastReference {
                ssrc: read::u32(part, 0)?,
                last_rr: read::u32(part, 4)?,
                delay: read::u32(part, 8)?,
            })
        })
    }
}

impl VoipMetrics {
    fn parse(body: &[u8]) -> Option<Self> {
        let byte = |at| read::u8(body, at);
        let known = |at| byte(at).map(|value| (value != 127).then_some(value));
        let level = |at| known(at).map(|value| value.map(|value| value as i8));
        Some(Self {
            ssrc: read::u32(body, 0)?,
            loss_rate: byte(4)?,
            discard_rate: byte(5)?,
            burst_density: byte(6)?,
            gap_density: byte(7)?,
            burst_duration_ms: read::u16(body, 8)?,
            gap_duration_ms: read::u16(body, 10)?,
            round_trip_delay_ms: read::u16(body, 12)?,
            end_system_delay_ms: read::u16(body, 14)?,
            signal_level: level(16)?,
            noise_level: level(17)?,
            rerl: known(18)?,
            gmin: byte(19)?,
            r_factor: known(20)?,
            ext_r_factor: known(21)?,
            mos_lq_x10: known(22)?,
            mos_cq_x10: known(23)?,
            rx_config: byte(24)?,
            jb_nominal_ms: read::u16(body, 26)?,
            jb_maximum_ms: read::u16(body, 28)?,
            jb_abs_max_ms: read::u16(body, 30)?,
        })
    }
}
