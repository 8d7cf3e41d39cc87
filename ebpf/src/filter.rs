//! Which frames are VoIP.

use ringtap_common::classify::{Class, classify};
use ringtap_common::cursor::Cursor;
use ringtap_common::maps::Endpoint;
use ringtap_common::verdict::{Fate, Verdict};
use ringtap_common::walk::{Fragment, Headers, Ip, PROTO_UDP, walk_ethernet};

use crate::bounds::Packet;
use crate::maps;

/// A frame that user space wants.
pub(crate) struct Wanted {
    pub(crate) headers: Headers,
    /// Index of its verdict. A number and not the verdict itself, so that the verifier can forget
    /// which one it is, and follows what comes next once and not once for each verdict.
    pub(crate) verdict: u32,
}

/// Walks and classifies a frame: `Ok` if user space wants it, else why not.
#[inline(always)]
pub(crate) fn sift(packet: &Packet) -> Result<Wanted, Verdict> {
    let headers = match walk_ethernet(packet) {
        Ok(headers) => headers,
        Err(stop) => return Err(stop.into()),
    };
    if !matches!(headers.fragment, Fragment::Whole) {
        return Ok(wanted(packet, headers, Verdict::Fragment));
    }
    let Some(ports) = maps::PORTS.get_ptr(0) else { return Err(Verdict::NotVoip) };
    // SAFETY: the map's only value; user space may replace it meanwhile, and any bits are valid.
    let ports = unsafe { &*ports };
    let class = classify(packet, &headers, ports);
    let verdict = if maps::is_learned_only() && !matches!(class, Class::Sip) {
        learned(&headers)
    } else {
        Verdict::of(class, headers.proto)
    };
    match verdict.fate() {
        Fate::Redirected => Ok(wanted(packet, headers, verdict)),
        Fate::Dropped | Fate::Rest => Err(verdict),
    }
}

#[inline(always)]
fn wanted(packet: &Packet, headers: Headers, verdict: Verdict) -> Wanted {
    Wanted { headers, verdict: packet.forget(verdict.index() as usize) as u32 }
}

#[inline(always)]
fn learned(h: &Headers) -> Verdict {
    if h.proto == PROTO_UDP && (is_learned(h.dst, h.dport) || is_learned(h.src, h.sport)) {
        Verdict::Learned
    } else {
        Verdict::NotVoip
    }
}

#[inline(always)]
fn is_learned(ip: Ip, port: u16) -> bool {
    maps::LEARNED.get_ptr(Endpoint::new(ip, port)).is_some()
}
