//! A capture agent: what it has seen, as messages of each version.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};

pub(crate) const SIP: u8 = 1;
pub(crate) const RTP: u8 = 4;
pub(crate) const RTCP: u8 = 5;

/// One packet that an agent has seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) way: (SocketAddr, SocketAddr),
    /// UNIX time.
    pub(crate) at: Duration,
    pub(crate) kind: u8,
    /// Number of the IP protocol.
    pub(crate) protocol: u8,
    pub(crate) payload: Vec<u8>,
}

/// What an agent adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agent {
    pub(crate) number: u32,
    pub(crate) key: Option<&'static str>,
    pub(crate) compressed: bool,
    /// What messages of one call have in common.
    pub(crate) correlation: Option<String>,
    /// Its clock is ahead, s.
    pub(crate) ahead: u64,
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

pub(crate) fn chunk(vendor: u16, kind: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(6 + body.len()).unwrap();
    [[vendor, kind, len].map(u16::to_be_bytes).as_flattened(), body].concat()
}

/// A message of version 3 around chunks.
pub(crate) fn message(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [b"HEP3", &u16::try_from(6 + body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

impl Agent {
    /// Version 3.
    pub(crate) fn hep3(&self, seen: &Seen) -> Vec<u8> {
        let at = seen.at + Duration::from_secs(self.ahead);
        let octets = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let (src, dst) = seen.way;
        let v6 = src.is_ipv6();
        let mut chunks = vec![
            chunk(0, 1, &[if v6 { 10 } else { 2 }]),
            chunk(0, 2, &[seen.protocol]),
            chunk(0, if v6 { 5 } else { 3 }, &octets(src.ip())),
            chunk(0, if v6 { 6 } else { 4 }, &octets(dst.ip())),
            chunk(0, 7, &src.port().to_be_bytes()),
            chunk(0, 8, &dst.port().to_be_bytes()),
            chunk(0, 9, &u32::try_from(at.as_secs()).unwrap().to_be_bytes()),
            chunk(0, 10, &at.subsec_micros().to_be_bytes()),
            chunk(0, 11, &[seen.kind]),
            chunk(0, 12, &self.number.to_be_bytes()),
            chunk(7, 1, b"a vendor's own"),
        ];
        chunks.extend(self.key.map(|key| chunk(0, 14, key.as_bytes())));
        chunks.extend(self.correlation.as_ref().map(|id| chunk(0, 17, id.as_bytes())));
        if self.compressed {
            let mut zlib =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            zlib.write_all(&seen.payload).unwrap();
            chunks.push(chunk(0, 16, &zlib.finish().unwrap()));
        } else {
            chunks.push(chunk(0, 15, &seen.payload));
        }
        message(&chunks)
    }

    /// Version 1 or 2, as Kamailio on a small machine sends it.
    pub(crate) fn early(&self, version: u8, seen: &Seen) -> Vec<u8> {
        let (src, dst) = seen.way;
        let mut bytes = vec![version, 16, 2, seen.protocol];
        bytes.extend([src.port(), dst.port()].map(u16::to_be_bytes).as_flattened());
        for end in [src, dst] {
            let IpAddr::V4(ip) = end.ip() else { panic!("IPv4 only") };
            bytes.extend(ip.octets());
        }
        if version == 2 {
            bytes.extend(u32::try_from(seen.at.as_secs()).unwrap().to_le_bytes());
            bytes.extend(seen.at.subsec_micros().to_le_bytes());
            bytes.extend(u16::try_from(self.number).unwrap().to_le_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(&seen.payload);
        bytes
    }
}

/// A call that two hosts make.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) dialog: Dialog,
    /// When its INVITE was.
    pub(crate) began: Duration,
    pub(crate) protocol: u8,
    /// Where the caller receives media, and where the called side does.
    pub(crate) media: [SocketAddr; 2],
}

/// Where media is received, unless something else is said.
const MEDIA: [([u8; 4], u16); 2] = [([10, 1, 0, 1], 4000), ([10, 1, 0, 2], 6000)];

impl Call {
    /// Call `n`, between ports of two hosts.
    pub(crate) fn new(n: u64, ports: (u16, u16)) -> Self {
        let dialog =
            Dialog::new(n, ([10, 0, 0, 1], ports.0).into(), ([10, 0, 0, 2], ports.1).into());
        let began = now() - Duration::from_secs(10);
        Self { dialog, began, protocol: 17, media: MEDIA.map(Into::into) }
    }

    fn sip(&self, ms: u64, message: &Message<'_>) -> Seen {
        Seen {
            way: self.dialog.way(message.from),
            at: self.began + Duration::from_millis(ms),
            kind: SIP,
            protocol: self.protocol,
            payload: self.dialog.text(message).into_bytes(),
        }
    }

    /// INVITE, 180, 200, ACK.
    pub(crate) fn answered(&self) -> Vec<Seen> {
        let media = self.media.map(|at| Media::new(at, 0, "PCMU/8000"));
        let [offer, answer] = &media;
        [
            (0, Message::request(Side::Caller, Method::Invite, 1).media(offer)),
            (500, Message::response(Side::Called, 180, Method::Invite, 1)),
            (2000, Message::response(Side::Called, 200, Method::Invite, 1).media(answer)),
            (2010, Message::request(Side::Caller, Method::Ack, 1)),
        ]
        .map(|(ms, message)| self.sip(ms, &message))
        .into()
    }

    /// BYE and its 200, six seconds after the INVITE.
    pub(crate) fn ended(&self) -> Vec<Seen> {
        [
            (6000, Message::request(Side::Caller, Method::Bye, 2)),
            (6010, Message::response(Side::Called, 200, Method::Bye, 2)),
        ]
        .map(|(ms, message)| self.sip(ms, &message))
        .into()
    }

    /// The whole call.
    pub(crate) fn all(&self) -> Vec<Seen> {
        [self.answered(), self.ended()].concat()
    }

    /// RTP of the caller.
    pub(crate) fn rtp(&self, packets: u16) -> Vec<Seen> {
        let packet = |seq: u16| {
            let mut payload = Vec::new();
            let timestamp = u32::from(seq) * 160;
            let header = Rtp { payload_type: 0, marker: seq == 0, seq, timestamp, ssrc: 0xabc };
            header.write(&mut payload);
            payload.extend([0xff; 160]);
            let way = (self.media[0], self.media[1]);
            let at = self.began + Duration::from_millis(2100 + u64::from(seq) * 20);
            Seen { way, at, kind: RTP, protocol: 17, payload }
        };
        (0..packets).map(packet).collect()
    }

    /// What the called side says in JSON about what it received.
    pub(crate) fn rtcp_json(&self) -> Seen {
        let [to, from] = self.media.map(|at| (at.ip(), at.port() + 1).into());
        let payload = br#"{"type":201,"ssrc":99,"report_count":1,"report_blocks":[{
            "source_ssrc":2748,"fraction_lost":0,"packets_lost":3,"highest_seq_no":49,
            "ia_jitter":80,"lsr":0,"dlsr":0}]}"#;
        let at = self.began + Duration::from_millis(4000);
        let payload = payload.to_vec();
        Seen { way: (from, to), at, kind: RTCP, protocol: 17, payload }
    }
}
