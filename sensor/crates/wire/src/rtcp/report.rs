//! Sender and receiver reports, RFC 3550 §6.4.1 and §6.4.2.
//!
//! Gives the fields as they stand; what they say about a stream is computed elsewhere.

use super::Reject;
use crate::read;

const BLOCK_LEN: usize = 24;
const SENDER_INFO_LEN: usize = 20;

/// What a sender says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP time of the report: seconds since 1900 in the high half, fraction in the low one.
    pub ntp: u64,
    /// The same moment on the stream's RTP clock.
    pub rtp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub octets: u32,
}

impl SenderInfo {
    /// The middle 32 bits of the NTP time, as a receiver repeats them in `last_sr`.
    #[must_use]
    pub fn ntp_middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What a receiver says about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that it is about.
    pub ssrc: u32,
    /// Loss since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; duplicates can make it negative.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with cycles in the high half.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report, 0 if there was none.
    pub last_sr: u32,
    /// Time from that report to this one, in 1/65536 s.
    pub delay_since_sr: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let lost = read::u32(bytes, 4)?;
        Some(Self {
            ssrc: read::u32(bytes, 0)?,
            fraction_lost: (lost >> 24) as u8,
            // Sign extension from 24 bits.
            cumulative_lost: (lost << 8) as i32 >> 8,
            highest_sequence: read::u32(bytes, 8)?,
            jitter: read::u32(bytes, 12)?,
            last_sr: read::u32(bytes, 16)?,
            delay_since_sr: read::u32(bytes, 20)?,
        })
    }
}

fn blocks(bytes: &[u8]) -> impl Iterator<Item = ReportBlock> {
    bytes.chunks_exact(BLOCK_LEN).filter_map(ReportBlock::parse)
}

/// Splits the report blocks from a profile's extension behind them.
fn split_blocks(count: u8, bytes: &[u8]) -> Result<(&[u8], &[u8]), Reject> {
    bytes.split_at_checked(usize::from(count) * BLOCK_LEN).ok_or(Reject::Body)
}

/// A sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// The sender's own figures.
    pub info: SenderInfo,
    blocks: &'a [u8],
    /// A profile's extension, mostly empty.
    pub extension: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, Reject> {
        let ssrc = read::u32(body, 0).ok_or(Reject::Body)?;
        let info = sender_info(body).ok_or(Reject::Body)?;
        let rest = body.get(4 + SENDER_INFO_LEN..).ok_or(Reject::Body)?;
        let (blocks, extension) = split_blocks(count, rest)?;
        Ok(Self { ssrc, info, blocks, extension })
    }

    /// What it says about the sources it receives.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + 'a {
        blocks(self.blocks)
    }
}

fn sender_info(body: &[u8]) -> Option<SenderInfo> {
    Some(SenderInfo {
        ntp: read::u64(body, 4)?,
        rtp: read::u32(body, 12)?,
        packets: read::u32(body, 16)?,
        octets: read::u32(body, 20)?,
    })
}

/// A receiver report.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
    /// A profile's extension, mostly empty.
    pub extension: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, Reject> {
        let ssrc = read::u32(body, 0).ok_or(Reject::Body)?;
        let (blocks, extension) = split_blocks(count, body.get(4..).ok_or(Reject::Body)?)?;
        Ok(Self { ssrc, blocks, extension })
    }

    /// What it says about the sources it receives.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + 'a {
        blocks(self.blocks)
    }
}
