//! One fragment of an IPv4 or IPv6 packet, as it lies in its frame (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! It finds the parts that reassembly needs; it keeps nothing.

use ringtap_common::walk::Headers;

use super::Reason;

/// Length of an IPv6 header.
pub(super) const IPV6_LEN: usize = 40;
/// IPv6 extension headers that are stepped over before the search for the fragment header ends.
const EXTENSIONS_MAX: usize = 8;
/// The fragment header's protocol number and length.
const EXT_FRAGMENT: u8 = 44;
const EXT_FRAGMENT_LEN: usize = 8;
const EXT_AUTH: u8 = 51;

/// A fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Link header, IP header, and what of IPv6's extension headers is in every fragment.
    pub(super) prefix: &'a [u8],
    /// Where in `prefix` the IPv6 next-header number stands that named the fragment header, and
    /// the number that takes its place. `None` in IPv4.
    pub(super) next: Option<(usize, u8)>,
    /// Where `data` belongs in the packet's fragmented part.
    pub(super) start: usize,
    /// Whether others follow.
    pub(super) more: bool,
    /// The fragmented part that this fragment carries.
    pub(super) data: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Reads the fragment in a frame that the walk has found to be one.
    pub(super) fn read(headers: &Headers, frame: &'a [u8]) -> Result<Self, Reason> {
        let at = usize::from(headers.l3);
        let piece = match headers.version {
            4 => Self::ipv4(frame, at),
            _ => Self::ipv6(frame, at),
        }?;
        // All but the last carry a multiple of eight bytes; none carries nothing.
        if piece.data.is_empty() || (piece.more && !piece.data.len().is_multiple_of(8)) {
            return Err(Reason::BadLength);
        }
        Ok(piece)
    }

    fn ipv4(frame: &'a [u8], at: usize) -> Result<Self, Reason> {
        let ip = frame.get(at..).and_then(|ip| ip.first_chunk::<20>());
        let ip = ip.ok_or(Reason::Truncated)?;
        let cut = at + usize::from(ip[0] & 0x0f) * 4;
        let end = at + usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let field = u16::from_be_bytes([ip[6], ip[7]]);
        if end < cut {
            return Err(Reason::BadLength);
        }
        Ok(Self {
            prefix: frame.get(..cut).ok_or(Reason::Truncated)?,
            next: None,
            start: usize::from(field & 0x1fff) * 8,
            more: field & 0x2000 != 0,
            data: frame.get(cut..end).ok_or(Reason::Truncated)?,
        })
    }

    fn ipv6(frame: &'a [u8], at: usize) -> Result<Self, Reason> {
        let ip = frame.get(at..).and_then(|ip| ip.first_chunk::<IPV6_LEN>());
        let ip = ip.ok_or(Reason::Truncated)?;
        let end = at + IPV6_LEN + usize::from(u16::from_be_bytes([ip[4], ip[5]]));
        let (mut named_at, mut here) = (at + 6, at + IPV6_LEN);
        let mut number = ip[6];
        for _ in 0..EXTENSIONS_MAX {
            let ext = frame.get(here..).and_then(|ext| ext.first_chunk::<8>());
            let ext = ext.ok_or(Reason::Truncated)?;
            if number == EXT_FRAGMENT {
                let field = u16::from_be_bytes([ext[2], ext[3]]);
                let data = here + EXT_FRAGMENT_LEN;
                if end < data {
                    return Err(Reason::BadLength);
                }
                return Ok(Self {
                    prefix: frame.get(..here).ok_or(Reason::Truncated)?,
                    next: Some((named_at, ext[0])),
                    start: usize::from(field & 0xfff8),
                    more: field & 1 != 0,
                    data: frame.get(data..end).ok_or(Reason::Truncated)?,
                });
            }
            let units = usize::from(ext[1]);
            let length = if number == EXT_AUTH { (units + 2) * 4 } else { (units + 1) * 8 };
            (named_at, number, here) = (here, ext[0], here + length);
        }
        Err(Reason::BadHeader)
    }
}
