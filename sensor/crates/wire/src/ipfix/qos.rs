//! What a border controller has measured of a call's media, told when it is over.
//!
//! | bytes | |
//! |---|---|
//! | 28 × 4 | the figures of what came in on the caller's side, then of the other side: see below |
//! | 1 | codec |
//! | 4 × 12 | source, destination (IPv4), ports: caller and called side in, caller and called out |
//! | 2 × 4 | slot, port, VLAN of the caller's interface and of the other |
//! | 4 × 4 | begin and end: seconds, microseconds |
//! | | realm and realm of the other side, Call-ID and Call-ID of the other side (RFC 7011 §7) |
//!
//! Figures: RTP bytes, packets, lost, average and largest jitter; by RTCP the same, then average
//! and largest delay; R factor and MOS, both times 100. All ones stand for "not known".

use core::net::Ipv4Addr;

use super::{Cursor, Reject, unix_ns};

/// The value of a figure that is not known.
const NOT_KNOWN: u32 = u32::MAX;

/// The figures of one direction; `None` where the controller does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// RTP: bytes.
    pub rtp_bytes: Option<u32>,
    /// Packets.
    pub rtp_packets: Option<u32>,
    /// Packets that were missing.
    pub rtp_lost: Option<u32>,
    /// Average jitter, ms.
    pub rtp_jitter_ms: Option<u32>,
    /// Largest jitter, ms.
    pub rtp_jitter_ms_max: Option<u32>,
    /// By RTCP: bytes.
    pub rtcp_bytes: Option<u32>,
    /// Packets.
    pub rtcp_packets: Option<u32>,
    /// Packets that were missing.
    pub rtcp_lost: Option<u32>,
    /// Average jitter, ms.
    pub rtcp_jitter_ms: Option<u32>,
    /// Largest jitter, ms.
    pub rtcp_jitter_ms_max: Option<u32>,
    /// Average delay, ms.
    pub rtcp_delay_ms: Option<u32>,
    /// Largest delay, ms.
    pub rtcp_delay_ms_max: Option<u32>,
    /// R factor, times 100.
    pub r_factor: Option<u32>,
    /// MOS, times 100.
    pub mos: Option<u32>,
}

/// Addresses and ports of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source.
    pub src: (Ipv4Addr, u16),
    /// Destination.
    pub dst: (Ipv4Addr, u16),
}

/// The quality of a call's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qos<'a> {
    /// What came from the caller's side.
    pub incoming: Direction,
    /// What came from the other side.
    pub outgoing: Direction,
    /// The codec's number.
    pub codec: u8,
    /// Streams: the caller's and the called side's in, the caller's and the called side's out.
    pub flows: [Flow; 4],
    /// Interfaces of the caller's and the other side: slot, port, VLAN.
    pub interfaces: [(u8, u8, u16); 2],
    /// When it began: UNIX time, s and µs.
    pub begin: (u32, u32),
    /// When it ended: UNIX time, s and µs.
    pub end: (u32, u32),
    /// Names of the controller's realms, the caller's and the other.
    pub realms: [&'a [u8]; 2],
    /// Call-IDs, the caller's and the other.
    pub call_ids: [&'a [u8]; 2],
    /// Bytes of the set behind it.
    pub beyond: usize,
}

impl<'a> Qos<'a> {
    /// Reads the body of a set 268.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(body: &'a [u8]) -> Result<Self, Reject> {
        let mut fields = Cursor { rest: body };
        let (incoming, outgoing) = (direction(&mut fields)?, direction(&mut fields)?);
        let codec = fields.u8()?;
        let mut flow = || flow(&mut fields);
        let flows = [flow()?, flow()?, flow()?, flow()?];
        let mut interface = || Ok((fields.u8()?, fields.u8()?, fields.u16()?));
        let interfaces = [interface()?, interface()?];
        let (begin, end) = ((fields.u32()?, fields.u32()?), (fields.u32()?, fields.u32()?));
        let realms = [fields.variable()?, fields.variable()?];
        let call_ids = [fields.variable()?, fields.variable()?];
        let beyond = fields.rest.len();
        Ok(Self {
            incoming,
            outgoing,
            codec,
            flows,
            interfaces,
            begin,
            end,
            realms,
            call_ids,
            beyond,
        })
    }

    /// When the call ended: UNIX time, ns. `None`: it is no time.
    #[must_use]
    pub fn end_ns(&self) -> Option<u64> {
        unix_ns(self.end)
    }
}

fn direction(fields: &mut Cursor<'_>) -> Result<Direction, Reject> {
    let mut next = || fields.u32().map(|figure| (figure != NOT_KNOWN).then_some(figure));
    Ok(Direction {
        rtp_bytes: next()?,
        rtp_packets: next()?,
        rtp_lost: next()?,
        rtp_jitter_ms: next()?,
        rtp_jitter_ms_max: next()?,
        rtcp_bytes: next()?,
        rtcp_packets: next()?,
        rtcp_lost: next()?,
        rtcp_jitter_ms: next()?,
        rtcp_jitter_ms_max: next()?,
        rtcp_delay_ms: next()?,
        rtcp_delay_ms_max: next()?,
        r_factor: next()?,
        mos: next()?,
    })
}

fn flow(fields: &mut Cursor<'_>) -> Result<Flow, Reject> {
    let (src, dst) = (fields.array::<4>()?, fields.array::<4>()?);
    let (sport, dport) = (fields.u16()?, fields.u16()?);
    Ok(Flow { src: (src.into(), sport), dst: (dst.into(), dport) })
}
