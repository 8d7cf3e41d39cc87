//! Frames, and the verdicts that they end in.

use ringtap_common::verdict::Verdict;
use ringtap_testkit::packet::tunnel::Wrap;
use ringtap_testkit::packet::{Packet, TCP_SYN};

use crate::kernel::{at, rtp};

pub(crate) const A: &str = "10.0.0.1:20000";
pub(crate) const B: &str = "10.0.0.2:30000";
pub(crate) const A6: &str = "[fd00::1]:20000";
pub(crate) const B6: &str = "[fd00::2]:30000";

pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    Packet::udp(at(A), at(B), payload).build()
}

fn stun() -> Vec<u8> {
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.resize(20, 7);
    message
}

fn rtcp() -> Vec<u8> {
    let mut report = vec![0x80, 200, 0, 6];
    report.resize(28, 1);
    report
}

fn dtls() -> Vec<u8> {
    let mut hello = vec![22, 0xfe, 0xfd];
    hello.resize(60, 0);
    hello
}

pub(crate) fn damaged(mut frame: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    frame[at] = byte;
    frame
}

/// One frame for each verdict that needs no particular settings.
pub(crate) fn plain_cases() -> Vec<(Verdict, Vec<u8>)> {
    let tcp = Packet::tcp(at("10.0.0.1:5060"), at(B), 1, 0, TCP_SYN, b"").build();
    let big = vec![9; 3000];
    let pieces = Packet::udp(at(A), at(B), &big).ip_id(7).fragments(1500);
    let pieces6 = Packet::udp(at(A6), at(B6), &big).ip_id(7).fragments(1500);
    let audio = rtp(5);
    let tags = Packet::udp(at(A), at(B), &audio).vlan(1).vlan(2).vlan(3).vlan(4).build();
    let mut deep = tags.clone();
    deep.splice(12..12, [0x81, 0, 0, 5]);
    vec![
        (Verdict::SipUdp, Packet::udp(at(A), at("10.0.0.2:5060"), b"OPTIONS").build()),
        (Verdict::SipUdp, Packet::udp(at("[fd00::1]:5060"), at(B6), b"SIP/2.0 200 OK").build()),
        (Verdict::SipTcp, tcp.clone()),
        (Verdict::Rtp, udp(&rtp(1))),
        (Verdict::Rtp, Packet::udp(at(A6), at(B6), &rtp(1)).vlan(9).build()),
        (Verdict::Rtcp, udp(&rtcp())),
        (Verdict::Stun, udp(&stun())),
        (Verdict::Dtls, udp(&dtls())),
        (Verdict::Fragment, pieces[0].clone()),
        (Verdict::Fragment, pieces[1].clone()),
        (Verdict::Fragment, pieces6[0].clone()),
        (Verdict::Fragment, pieces6[1].clone()),
        (Verdict::NotVoip, udp(b"neither")),
        (Verdict::NotVoip, Packet::tcp(at(A), at(B), 1, 0, TCP_SYN, b"").build()),
        (Verdict::OtherProto, Packet::ip(at(A).ip(), at(B).ip(), 1, &[8; 40]).build()),
        (Verdict::NotIp, damaged(udp(&rtp(2)), 13, 6)),
        (Verdict::Truncated, udp(&rtp(3))[..40].to_vec()),
        (Verdict::BadIp, damaged(udp(&rtp(4)), 14, 0x44)),
        (Verdict::BadUdp, damaged(damaged(udp(b""), 38, 0), 39, 7)),
        (Verdict::BadTcp, damaged(tcp, 46, 0x40)),
        (Verdict::Rtp, tags),
        (Verdict::TooDeep, deep),
        (Verdict::Tunnel, Wrap::Tzsp.wrap(&udp(&rtp(6)))),
        (Verdict::Rtp, Wrap::Vxlan.wrap(&udp(&rtp(6)))),
    ]
}
