//! A call's frames: its SIP messages, RTCP reports and RTP packets as bytes on the wire, and the
//! copies that a mirror makes of frames.

use super::plan::{IpId, MirrorShape, Plan};
use super::script::{Extra, Line, Script};
use super::sender::{CALM_NS, Packet as RtpPacket, Sender, TICK_NS};
use super::truth::{CallTruth, StreamTruth};
use crate::packet::rtp::{self, Block};
use crate::packet::{Packet, checksum};
use crate::rng::Rng;
use crate::sip::{Dialog, Media, Message, Side};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const CALLER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
const CALLED_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];
const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];
const SIP_PORT: u16 = 5060;
/// Hosts a side's endpoints are spread over.
const HOSTS: u64 = 250;
/// Port pairs of a host.
const PAIRS: u64 = 27_000;
const CHALLENGE: &str = "Proxy-Authenticate: Digest realm=\"example.org\", \
     nonce=\"84a4cc6f3082121f\", algorithm=MD5\r\n";
/// NTP time of the UNIX epoch, in seconds.
const NTP_EPOCH: u64 = 2_208_988_800;

/// A call that runs.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: u64,
    pub(super) start_ns: u64,
    pub(super) script: Script,
    pub(super) next_step: usize,
    pub(super) senders: [Sender; 2],
    pub(super) truth: CallTruth,
    /// Packets and copies that the heap still holds.
    pub(super) under_way: u32,
    dialog: Dialog,
    media: [Media; 2],
    ids: [u16; 2],
    text: String,
}

/// Index of a side in a call's arrays.
pub(super) fn at(side: Side) -> usize {
    match side {
        Side::Caller => 0,
        Side::Called => 1,
    }
}

impl Call {
    pub(super) fn new(plan: &Plan, index: u64, place: u64, start_ns: u64) -> Self {
        let root = Rng::new(plan.seed).fork(index);
        let mut rng = root.fork(0);
        let script = Script::draw(plan, &mut rng);
        let ipv6 = rng.chance(plan.shares.ipv6);
        let [caller, called] = endpoints(if plan.reuse_ports { place } else { index }, ipv6);
        let signalling = |media: SocketAddr| SocketAddr::new(media.ip(), SIP_PORT);
        let dialog = Dialog {
            call_id: format!("{:016x}-{index}@{}", rng.next_u64(), caller.ip()),
            branch: format!("z9hG4bK{:012x}", rng.next_u64() >> 16),
            ..Dialog::new(index, signalling(caller), signalling(called))
        };
        let (payload_type, rtpmap) =
            if rng.chance(plan.shares.pcma) { (8, "PCMA/8000") } else { (0, "PCMU/8000") };
        let mut senders = [
            Sender::new(plan, root.fork(1), caller, called),
            Sender::new(plan, root.fork(2), called, caller),
        ];
        let calm_ns = CALM_NS + u64::from(plan.reorder_depth) * TICK_NS;
        for sender in &mut senders {
            sender.payload_type = payload_type;
            sender.calm_from_ns = (start_ns + script.hush_ns()).saturating_sub(calm_ns);
        }
        if rng.chance(plan.shares.dtmf) {
            senders[0].digits = (0..plan.dtmf_digits).map(|_| rng.below(12) as u8).collect();
        }
        let media =
            [Media::new(caller, payload_type, rtpmap), Media::new(called, payload_type, rtpmap)];
        let ids = [rng.next_u16(), rng.next_u16()];
        let truth = first_truth(index, start_ns, &dialog, &script);
        let (next_step, under_way, text) = (0, 0, String::with_capacity(1024));
        Self {
            index,
            start_ns,
            script,
            next_step,
            senders,
            truth,
            under_way,
            dialog,
            media,
            ids,
            text,
        }
    }

    /// Sender and identification counter of one direction.
    pub(super) fn sender(&mut self, side: usize) -> (&mut Sender, &mut u16) {
        (&mut self.senders[side], &mut self.ids[side])
    }

    /// Writes the frame of a SIP message.
    pub(super) fn sip(&mut self, plan: &Plan, line: &Line, frame: &mut Vec<u8>) {
        let side = at(line.from);
        let (status, method, cseq) = (line.status, line.method, line.cseq);
        let mut message = if status == 0 {
            Message::request(line.from, method, cseq)
        } else {
            Message::response(line.from, status, method, cseq)
        };
        message.of_failure = line.of_failure;
        message.tagged |= line.inside;
        let credentials;
        match line.extra {
            Extra::Nothing => {}
            Extra::Challenge => message.headers = CHALLENGE,
            Extra::Credentials => {
                credentials = self.credentials();
                message.headers = &credentials;
            }
        }
        if line.sdp > 0 {
            self.media[side].session = (self.index + 1, line.sdp);
            message.media = Some(&self.media[side]);
        }
        self.dialog.write(&message, &mut self.text);
        let id = next_id(plan, &mut self.ids[side]);
        let (src, dst) = self.dialog.way(line.from);
        let packet = Packet::udp(src, dst, self.text.as_bytes()).tos(0x60);
        finish(plan, packet, side, id, frame);
    }

    fn credentials(&self) -> String {
        let Dialog { caller, called, called_addr, .. } = &self.dialog;
        format!(
            "Proxy-Authorization: Digest username=\"{caller}\", realm=\"example.org\", \
             nonce=\"84a4cc6f3082121f\", uri=\"sip:{called}@{called_addr}\", \
             response=\"{:016x}{:016x}\", algorithm=MD5\r\n",
            self.senders[0].noise, self.senders[1].noise
        )
    }

    /// Writes the frame of an RTP packet.
    #[inline]
    pub(super) fn rtp(
        &self,
        plan: &Plan,
        side: usize,
        packet: RtpPacket,
        payload: &mut Vec<u8>,
        frame: &mut Vec<u8>,
    ) {
        let sender = &self.senders[side];
        sender.write(packet.index, payload);
        let udp = Packet::udp(sender.src, sender.dst, payload).tos(0xb8);
        finish(plan, udp, side, packet.ip_id, frame);
    }

    /// Writes the frame of a report of `side`, with a goodbye if it is the last one.
    pub(super) fn rtcp(
        &mut self,
        plan: &Plan,
        side: usize,
        now_ns: u64,
        last: bool,
        payload: &mut Vec<u8>,
        frame: &mut Vec<u8>,
    ) {
        payload.clear();
        let block = self.block(1 - side, now_ns);
        let id = next_id(plan, &mut self.ids[side]);
        let sender = &mut self.senders[side];
        let ntp = ntp(now_ns);
        let info = sender.started_ns.map(|started_ns| rtp::Sender {
            ntp,
            timestamp: sender
                .first_timestamp
                .wrapping_add((now_ns.saturating_sub(started_ns) / 125_000) as u32),
            packets: sender.sent,
            octets: sender.octets,
        });
        if info.is_some() {
            sender.last_report = Some((now_ns, ntp));
        }
        sender.rtcp += 1;
        rtp::report(sender.ssrc, info, block.as_slice(), payload);
        rtp::source_description(sender.ssrc, &format!("{}@example.org", sender.src), payload);
        if last {
            rtp::goodbye(sender.ssrc, payload);
        }
        let port = |addr: SocketAddr| SocketAddr::new(addr.ip(), addr.port() + 1);
        let udp = Packet::udp(port(sender.src), port(sender.dst), payload).tos(0xb8);
        finish(plan, udp, side, id, frame);
    }

    /// What a receiver reports on the stream of `side`.
    fn block(&mut self, side: usize, now_ns: u64) -> Option<Block> {
        let sender = &mut self.senders[side];
        let expected = sender.observer.expected();
        let received = sender.observer.received + sender.observer.duplicate;
        if expected == 0 {
            return None;
        }
        let new = (expected - sender.reported.0, received - sender.reported.1);
        sender.reported = (expected, received);
        let (last_sr, delay) = match sender.last_report {
            None => (0, 0),
            Some((sent_ns, ntp)) => {
                let waited_ns = u128::from(now_ns.saturating_sub(sent_ns));
                ((ntp >> 16) as u32, (waited_ns * 65_536 / 1_000_000_000) as u32)
            }
        };
        Some(Block {
            ssrc: sender.ssrc,
            fraction_lost: (new.0.saturating_sub(new.1) * 256 / new.0.max(1)).min(255) as u8,
            lost: (expected as i64 - received as i64) as i32,
            highest: sender.extended(sender.observer.highest()),
            jitter: sender.observer.jitter_units(),
            last_sr,
            delay,
        })
    }

    /// The truth, now that the call has ended.
    pub(super) fn into_truth(self) -> CallTruth {
        let mut truth = self.truth;
        for (side, sender) in self.senders.iter().enumerate() {
            if sender.sent > 0 {
                truth.streams.push(stream_truth(side == 0, sender));
            }
        }
        truth
    }
}

fn first_truth(index: u64, start_ns: u64, dialog: &Dialog, script: &Script) -> CallTruth {
    CallTruth {
        index,
        call_id: dialog.call_id.clone(),
        caller: dialog.caller.clone(),
        called: dialog.called.clone(),
        caller_addr: dialog.caller_addr,
        called_addr: dialog.called_addr,
        caller_agent: dialog.caller_agent.clone(),
        called_agent: dialog.called_agent.clone(),
        outcome: script.outcome,
        invite_ns: start_ns,
        ringing_ns: None,
        answer_ns: None,
        bye_ns: None,
        end_ns: start_ns,
        response: script.response,
        hung_up: script.hung_up.map(|side| match side {
            Side::Caller => "caller",
            Side::Called => "callee",
        }),
        bye_code: script.bye_code,
        auth: script.auth,
        reinvite: script.reinvite,
        early_media: script.early_media,
        sip_messages: 0,
        retransmissions: 0,
        streams: Vec::new(),
    }
}

fn stream_truth(from_caller: bool, sender: &Sender) -> StreamTruth {
    let observer = &sender.observer;
    let (jitter_ms_avg, jitter_ms_max) = observer.jitter_ms();
    StreamTruth {
        from_caller,
        src: sender.src,
        dst: sender.dst,
        ssrc: sender.ssrc,
        payload: sender.payload_type,
        codec: if sender.payload_type == 8 { "PCMA" } else { "PCMU" },
        first_seq: sender.first_seq,
        sent: u64::from(sender.sent),
        received: observer.received,
        lost_inside: observer.lost_inside(),
        lost_edges: u64::from(sender.sent) - observer.expected(),
        reordered: observer.reordered,
        duplicate: observer.duplicate,
        mirror_copies: observer.mirror_copies,
        first_ns: observer.first_ns,
        last_ns: observer.last_ns,
        jitter_ms_avg,
        jitter_ms_max,
        bursts: observer.bursts,
        dtmf: sender.dtmf(),
        rtcp: sender.rtcp,
    }
}

/// Counts an IP identification on; never 0 where ids count.
pub(super) fn next_id(plan: &Plan, id: &mut u16) -> u16 {
    if plan.ip_id == IpId::Zero {
        return 0;
    }
    *id = id.wrapping_add(1).max(1);
    *id
}

#[inline]
fn finish(plan: &Plan, mut packet: Packet<'_>, side: usize, id: u16, frame: &mut Vec<u8>) {
    packet.ip_id = u32::from(id);
    packet.dont_fragment = id == 0;
    packet = match side {
        0 => packet.macs(CALLER_MAC, CALLED_MAC),
        _ => packet.macs(CALLED_MAC, CALLER_MAC),
    };
    for vlan in &plan.vlans {
        packet = packet.vlan(*vlan);
    }
    packet.build_into(frame);
}

/// Media addresses of both sides, of which no two numbers share a port. Ports are spread so that
/// neighbouring calls do not differ in one field only.
fn endpoints(number: u64, ipv6: bool) -> [SocketAddr; 2] {
    let (host, pair) = (number % HOSTS, number / HOSTS);
    let other = (host * 7 + 3) % HOSTS;
    let port = |stride: u64| (10_000 + 2 * ((pair + host * stride) % PAIRS)) as u16;
    let ip = |net: u8, host: u64| match ipv6 {
        true => IpAddr::V6(Ipv6Addr::new(0xfd00, net.into(), 0, 0, 0, 0, 0, host as u16 + 1)),
        false => IpAddr::V4(Ipv4Addr::new(10, net, 0, host as u8 + 1)),
    };
    [SocketAddr::new(ip(1, host), port(13)), SocketAddr::new(ip(2, other), port(29))]
}

/// 64-bit NTP time of a UNIX time.
fn ntp(unix_ns: u64) -> u64 {
    let (seconds, ns) = (unix_ns / 1_000_000_000, unix_ns % 1_000_000_000);
    ((seconds + NTP_EPOCH) << 32) | ((ns << 32) / 1_000_000_000)
}

/// The frame again, as the mirror delivers it a second time.
pub(super) fn mirror_copy(plan: &Plan, shape: Option<MirrorShape>, frame: &[u8]) -> Box<[u8]> {
    let Some(shape) = shape else {
        return frame.into();
    };
    let network = 12 + 4 * plan.vlans.len();
    let mut copy = Vec::with_capacity(frame.len() + 4);
    copy.extend_from_slice(&frame[..12]);
    match shape.vlan {
        Some(id) => {
            copy.extend_from_slice(&0x8100u16.to_be_bytes());
            copy.extend_from_slice(&id.to_be_bytes());
        }
        None => copy.extend_from_slice(&frame[12..network]),
    }
    let l3 = copy.len() + 2;
    copy.extend_from_slice(&frame[network..]);
    if shape.routed {
        copy[6..12].copy_from_slice(&ROUTER_MAC);
        if copy[l3] >> 4 == 6 {
            copy[l3 + 7] -= 1;
        } else {
            copy[l3 + 8] -= 1;
            let header = l3..l3 + usize::from(copy[l3] & 15) * 4;
            copy[l3 + 10..l3 + 12].fill(0);
            let sum = checksum::finish(checksum::add(0, &copy[header]));
            copy[l3 + 10..l3 + 12].copy_from_slice(&sum.to_be_bytes());
        }
    }
    copy.into_boxed_slice()
}
