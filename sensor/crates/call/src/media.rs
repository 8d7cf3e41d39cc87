//! Session descriptions into claims: where each side of a call receives media.
//!
//! Offers and answers are not matched: whatever a side announces may be used from then on.

use std::net::{IpAddr, SocketAddr};

use ringtap_sip::sdp::{Codec, Media, MediaKind, Sdp};
use smallvec::SmallVec;

use crate::counters::Counters;
use crate::event::{Claim, Event, Moment, PayloadType, Side};
use crate::key::CallKey;
use crate::summary::{CLAIMS_MAX, CallSummary, TEXT_MAX, clip};

/// Payload types kept of one medium.
const PAYLOAD_TYPES_MAX: usize = 16;
/// Payload types kept of media that share an endpoint.
const SHARED_PAYLOAD_TYPES_MAX: usize = 48;
/// Sources kept of one endpoint.
const SSRCS_MAX: usize = 8;
/// ICE candidates claimed of one medium.
const CANDIDATES_MAX: usize = 8;

/// Where a description goes: the call's summary, the events, the counters.
pub(crate) struct Desk<'a> {
    pub(crate) summary: &'a mut CallSummary,
    pub(crate) events: &'a mut Vec<Event>,
    pub(crate) counters: &'a mut Counters,
    /// The description stands in a request.
    pub(crate) request: bool,
}

impl Desk<'_> {
    /// Takes a side's description; `answer` when it stands in a response.
    pub(crate) fn describe(&mut self, side: Side, at: Moment, sdp: &Sdp<'_>, answer: bool) {
        let mut claims: SmallVec<[Claim; 2]> = SmallVec::new();
        for media in sdp.media() {
            match media.kind {
                MediaKind::Image => self.summary.flags.image = true,
                MediaKind::Video => self.summary.flags.video = true,
                MediaKind::Audio => self.note_audio(&media),
                _ => {}
            }
            if !media.is_rtp() || !matches!(media.kind, MediaKind::Audio | MediaKind::Video) {
                continue;
            }
            self.note_codec(&media, answer);
            if media.port == 0 {
                continue;
            }
            let ip = media.connection().and_then(usable_address);
            for endpoint in ip.iter().flat_map(|ip| endpoints(*ip, &media)) {
                self.gather(&mut claims, claim(side, at, &media, endpoint));
            }
            for candidate in
                media.candidates().filter(|c| c.udp && c.component == 1).take(CANDIDATES_MAX)
            {
                if let Some(ip) = usable_address(candidate.endpoint.ip())
                    && candidate.endpoint.port() != 0
                {
                    let endpoint = SocketAddr::new(ip, candidate.endpoint.port());
                    let claim = claim(side, at, &media, endpoint);
                    self.gather(&mut claims, Claim { candidate: true, rtcp: None, ..claim });
                }
            }
        }
        if claims.is_empty() {
            self.counters.descriptions_without_media += 1;
        }
        for claim in claims {
            self.claim(claim);
        }
    }

    /// Adds a claim to those of its description. Media that share an endpoint (RFC 9143) make one
    /// claim, with the payload types of all.
    fn gather(&mut self, claims: &mut SmallVec<[Claim; 2]>, claim: Claim) {
        let Some(first) = claims.iter_mut().find(|first| first.endpoint == claim.endpoint) else {
            if claims.len() < CLAIMS_MAX {
                claims.push(claim);
            } else {
                self.summary.claims_omitted += 1;
                self.counters.claims_refused += 1;
            }
            return;
        };
        for payload_type in claim.payload_types {
            let room = first.payload_types.len() < SHARED_PAYLOAD_TYPES_MAX;
            let known = |one: &PayloadType| one.payload_type == payload_type.payload_type;
            if room && !first.payload_types.iter().any(known) {
                first.payload_types.push(payload_type);
            }
        }
        for ssrc in claim.ssrcs {
            if first.ssrcs.len() < SSRCS_MAX && !first.ssrcs.contains(&ssrc) {
                first.ssrcs.push(ssrc);
            }
        }
        first.secure |= claim.secure;
    }

    fn note_audio(&mut self, media: &Media<'_>) {
        let flags = &mut self.summary.flags;
        flags.audio = true;
        if media.codecs().any(|codec| codec.name.is("telephone-event")) {
            flags.event_in_request |= self.request;
            flags.event_in_response |= !self.request;
        }
    }

    fn note_codec(&mut self, media: &Media<'_>, answer: bool) {
        if media.kind != MediaKind::Audio || (self.summary.codec.is_some() && !answer) {
            return;
        }
        let speech = |c: &Codec<'_>| !c.name.is("telephone-event") && !c.name.is("CN");
        let Some(first) = media.codecs().find(speech) else { return };
        let first = payload_type(first);
        let inside = self.summary.connected.is_some();
        let other = |old: &PayloadType| {
            !old.name.eq_ignore_ascii_case(&first.name) || old.clock_rate != first.clock_rate
        };
        self.summary.flags.codec_changed |=
            inside && answer && self.summary.codec.as_ref().is_some_and(other);
        self.summary.codec = Some(first);
    }

    fn claim(&mut self, mut claim: Claim) {
        claim.call = self.summary.call;
        claim.instance = self.summary.instance;
        let claims = &mut self.summary.claims;
        let room = claims.len() < CLAIMS_MAX;
        let old = claims.iter().position(|c| c.side == claim.side && c.endpoint == claim.endpoint);
        match old.and_then(|index| claims.get_mut(index)) {
            Some(old) if same(old, &claim) => return,
            Some(old) => *old = claim.clone(),
            None if room => {
                // Most calls make two: growing by four would double their memory.
                if claims.capacity() == 0 {
                    claims.reserve_exact(2);
                }
                claims.push(claim.clone());
            }
            None => {
                self.summary.claims_omitted += 1;
                self.counters.claims_refused += 1;
                return;
            }
        }
        self.counters.claims += 1;
        self.events.push(Event::Claim(claim));
    }
}

/// Two claims that say the same, at whatever time.
fn same(a: &Claim, b: &Claim) -> bool {
    a.rtcp == b.rtcp
        && a.kind == b.kind
        && a.secure == b.secure
        && a.ptime_ms == b.ptime_ms
        && a.ssrcs == b.ssrcs
        && a.payload_types == b.payload_types
}

/// An address that media can be sent to; v4-mapped IPv6 as IPv4.
fn usable_address(ip: IpAddr) -> Option<IpAddr> {
    Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified())
}

/// Where a medium is received: at one port, or at several in a row.
fn endpoints(ip: IpAddr, media: &Media<'_>) -> impl Iterator<Item = SocketAddr> {
    media.ports().map(move |port| SocketAddr::new(ip, port))
}

fn payload_type(codec: Codec<'_>) -> PayloadType {
    PayloadType {
        payload_type: codec.payload_type,
        name: clip(codec.name, TEXT_MAX),
        clock_rate: codec.clock_rate,
        channels: codec.channels,
    }
}

fn claim(side: Side, at: Moment, media: &Media<'_>, endpoint: SocketAddr) -> Claim {
    let mut ssrcs = SmallVec::new();
    for ssrc in media.ssrcs() {
        if ssrcs.len() < SSRCS_MAX && !ssrcs.contains(&ssrc) {
            ssrcs.push(ssrc);
        }
    }
    let rtcp = match (media.rtcp(), media.rtcp_mux()) {
        (Some((port, place)), _) if port != 0 => {
            let ip = place.and_then(usable_address).unwrap_or(endpoint.ip());
            Some(SocketAddr::new(ip, port))
        }
        (_, true) => None,
        (_, false) => endpoint.port().checked_add(1).map(|p| SocketAddr::new(endpoint.ip(), p)),
    };
    Claim {
        call: CallKey::default(),
        instance: 0,
        endpoint,
        rtcp: rtcp.filter(|r| *r != endpoint),
        side,
        at_clock_ns: at.clock_ns,
        kind: media.kind,
        candidate: false,
        correlated: false,
        secure: media.is_secure() || media.has_crypto() || media.has_fingerprint(),
        payload_types: media.codecs().take(PAYLOAD_TYPES_MAX).map(payload_type).collect(),
        ptime_ms: media.ptime_ms().map_or(0, |p| u8::try_from(p).unwrap_or(u8::MAX)),
        ssrcs,
    }
}
