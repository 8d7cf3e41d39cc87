//! Kamailio and rtpengine as agents: one tells the signalling of a call, the other, by `--homer`,
//! what RTCP says of its media. One call comes out.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ringtap_testkit::packet::rtp::{self, Block, Rtp, Sender};
use serde_json::Value;

use crate::kamailio::{Running, port, start};
use crate::sensor::Sensor;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(10);

/// RTP packets that each side sends.
const PACKETS: u16 = 25;

/// Ports of rtpengine, below those that the system gives to whoever asks for any.
const PORTS: [&str; 2] = ["--port-min=30000", "--port-max=31999"];

/// What the proxy tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traced {
    /// All messages: the ends of rtpengine are in their descriptions.
    All,
    /// What it receives, where only the phones' own addresses are.
    Received,
}

/// A proxy that has rtpengine put itself between the media of every call.
fn script(own: u16, called: SocketAddr, hep: u16, engine: u16, traced: Traced) -> String {
    let (mode, requests, replies) = match traced {
        Traced::All => (1, "", ""),
        Traced::Received => (0, "sip_trace();", "onreply_route { sip_trace(); }"),
    };
    format!(
        r#"#!KAMAILIO
children=1
auto_aliases=no
disable_tcp=yes
listen=udp:127.0.0.1:{own}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "rtpengine.so"
loadmodule "siptrace.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{engine}")
modparam("siptrace", "duplicate_uri", "sip:127.0.0.1:{hep}")
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "hep_capture_id", 2001)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", {mode})
request_route {{
    {requests}
    if (loose_route()) {{
        if (method == "BYE") rtpengine_delete();
        t_relay();
        exit;
    }}
    if (method == "INVITE") {{
        record_route();
        rtpengine_offer("RTP/AVP ICE=remove replace-origin");
        t_on_reply("ANSWER");
    }}
    $du = "sip:{called}";
    t_relay();
}}
{replies}
onreply_route[ANSWER] {{
    if (has_body("application/sdp")) rtpengine_answer("RTP/AVP ICE=remove replace-origin");
}}
"#
    )
}

/// One end of the call, on a host of its own: signalling, RTP and RTCP.
struct Phone {
    sip: UdpSocket,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    name: &'static str,
    /// The address that it announces, and does not have: it is behind a NAT.
    announced: &'static str,
    ssrc: u32,
}

impl Phone {
    fn new(name: &'static str, ip: &str, announced: &'static str, ssrc: u32) -> Self {
        let socket = || {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            socket
        };
        Self { sip: socket(), rtp: socket(), rtcp: socket(), name, announced, ssrc }
    }

    fn at(&self) -> SocketAddr {
        self.sip.local_addr().unwrap()
    }

    /// The next message that begins like this; others are repetitions and what is on the way.
    fn hears(&self, start: &str) -> String {
        let until = Instant::now() + LIMIT;
        let mut buffer = [0; 8000];
        loop {
            let (len, _) = self.sip.recv_from(&mut buffer).expect(start);
            let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
            if text.starts_with(start) {
                return text;
            }
            assert!(Instant::now() < until, "{} did not hear {start}", self.name);
        }
    }

    fn says(&self, to: SocketAddr, head: &str, body: &str) {
        let length = body.len();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!("{head}\r\n{kind}Content-Length: {length}\r\n\r\n{body}");
        self.sip.send_to(text.as_bytes(), to).unwrap();
    }

    fn sdp(&self) -> String {
        let Self { announced, .. } = self;
        format!(
            "v=0\r\no=- 1 1 IN IP4 {announced}\r\ns=-\r\nc=IN IP4 {announced}\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
        )
    }

    /// RTP to where the other's description says.
    fn talks(&self, media: SocketAddr) {
        for seq in 0..PACKETS {
            let mut packet = Vec::new();
            let timestamp = u32::from(seq) * 160;
            let ssrc = self.ssrc;
            Rtp { payload_type: 0, marker: seq == 0, seq, timestamp, ssrc }.write(&mut packet);
            packet.extend([0xff; 160]);
            self.rtp.send_to(&packet, media).unwrap();
        }
    }

    /// A sender report that also tells of what was received.
    fn reports(&self, media: SocketAddr, (of, lost, jitter): (u32, i32, u32)) {
        let ntp = (3_970_000_000 << 32) | u64::from(self.ssrc);
        let octets = u32::from(PACKETS) * 160;
        let sender = Sender { ntp, timestamp: 4000, packets: PACKETS.into(), octets };
        let highest = u32::from(PACKETS) - 1;
        let block = Block { ssrc: of, lost, highest, jitter, ..Block::default() };
        let mut packet = Vec::new();
        rtp::report(self.ssrc, Some(sender), &[block], &mut packet);
        rtp::source_description(self.ssrc, self.name, &mut packet);
        let to = SocketAddr::new(media.ip(), media.port() + 1);
        self.rtcp.send_to(&packet, to).unwrap();
    }
}

/// The lines of a message that have this name.
fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(name)).collect()
}

/// What an answer repeats of its request, with the tag of who answers.
fn answer_to(request: &str, tag: &str) -> String {
    let mut head = ["Via:", "Record-Route:", "From:", "Call-ID:", "CSeq:"]
        .map(|name| lines(request, name).join("\r\n"))
        .to_vec();
    head.retain(|line| !line.is_empty());
    let to = lines(request, "To:")[0];
    let tag = if to.contains("tag=") { String::new() } else { format!(";tag={tag}") };
    format!("SIP/2.0 200 OK\r\n{}\r\n{to}{tag}", head.join("\r\n"))
}

/// Where a description wants media.
fn media_of(text: &str) -> SocketAddr {
    let ip = lines(text, "c=IN IP4 ")[0].trim_start_matches("c=IN IP4 ").trim();
    let port = lines(text, "m=audio ")[0].split(' ').nth(1).unwrap();
    format!("{ip}:{port}").parse().unwrap()
}

fn engine(folder: &Path, own: u16, hep: u16) -> Running {
    let mut command = Command::new("rtpengine");
    command.args(["--foreground", "--log-stderr", "--table=-1", "--config-file=none"]);
    command.args(["--interface=127.0.0.1", &format!("--listen-ng=127.0.0.1:{own}")]);
    command.args(PORTS).arg(format!("--homer=127.0.0.1:{hep}"));
    command.args(["--homer-protocol=udp", "--homer-id=2002", "--num-threads=1"]);
    start(&mut command, folder)
}

/// Waits until rtpengine answers.
fn answers(engine: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let until = Instant::now() + LIMIT;
    loop {
        let _ = socket.send_to(b"1 d7:command4:pinge", ("127.0.0.1", engine));
        if socket.recv(&mut [0; 100]).is_ok() {
            return;
        }
        assert!(Instant::now() < until, "rtpengine does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The call: what both say of it, from the INVITE to its end.
fn call(sensor: &Sensor, proxy: u16, [caller, called]: [&Phone; 2]) {
    let proxy: SocketAddr = ([127, 0, 0, 1], proxy).into();
    let (here, there) = (caller.at(), called.at());
    let request = |method: &str, cseq: u32, uri: &str, to: &str, route: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{cseq}\r\n\
             Max-Forwards: 70\r\n{route}From: <sip:alice@example.org>;tag=a1\r\n{to}\r\n\
             Call-ID: rtpengine-1@example.org\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@{here}>"
        )
    };
    let to = "To: <sip:bob@example.org>";
    let invite = request("INVITE", 1, "sip:bob@example.org", to, "");
    // Kamailio may not be there yet.
    let offer = (0..20).find_map(|_| {
        caller.says(proxy, &invite, &caller.sdp());
        called.sip.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut buffer = [0; 8000];
        let (len, _) = called.sip.recv_from(&mut buffer).ok()?;
        called.sip.set_read_timeout(Some(LIMIT)).unwrap();
        Some(String::from_utf8(buffer[..len].to_vec()).unwrap())
    });
    let offer = offer.expect("the INVITE arrives");
    let ok = format!("{}\r\nContact: <sip:bob@{there}>", answer_to(&offer, "b1"));
    called.says(proxy, &ok, &called.sdp());
    let answer = caller.hears("SIP/2.0 200");
    let route = lines(&answer, "Record-Route:")
        .iter()
        .map(|line| format!("{}\r\n", line.replace("Record-Route:", "Route:")))
        .collect::<String>();
    let (to, target) = (lines(&answer, "To:")[0], format!("sip:bob@{there}"));
    caller.says(proxy, &request("ACK", 1, &target, to, &route), "");
    called.hears("ACK");
    let (from_caller, from_called) = (media_of(&answer), media_of(&offer));
    caller.talks(from_caller);
    called.talks(from_called);
    for times in 1..=2 {
        caller.reports(from_caller, (called.ssrc, 2 * times, 16));
        called.reports(from_called, (caller.ssrc, 3 * times, 80));
    }
    let until = Instant::now() + LIMIT;
    while sensor.events()["rtcp_streams"].as_u64() < Some(2) {
        assert!(Instant::now() < until, "{:#} {:#}", sensor.hep(), sensor.events());
        std::thread::sleep(Duration::from_millis(50));
    }
    caller.says(proxy, &request("BYE", 2, &target, to, &route), "");
    let bye = called.hears("BYE");
    called.says(proxy, &answer_to(&bye, "b1"), "");
    caller.hears("SIP/2.0 200 OK");
}

/// One call's record, and what workers have counted.
fn recorded(traced: Traced) -> (Value, Value) {
    let sensor = Sensor::start(&["spool_chunk_ms=100"]);
    let folder = tempfile::tempdir().unwrap();
    let (here, files) = (folder.path(), folder.path().display().to_string());
    let [own, ng] = [(); 2].map(|()| port());
    let hep = sensor.at("udp").port();
    let _engine = engine(here, ng, hep);
    answers(ng);
    let caller = Phone::new("alice", "127.0.0.2", "127.0.9.1", 0x0a11_ce00);
    let called = Phone::new("bob", "127.0.0.3", "127.0.9.2", 0xb0b0);
    let text = script(own, called.at(), hep, ng, traced);
    fs::write(here.join("kamailio.cfg"), text).unwrap();
    let mut proxy = Command::new("kamailio");
    proxy.args(["-f", "kamailio.cfg", "-DD", "-E", "-w", &files, "-Y", &files]);
    let _proxy = start(&mut proxy, here);
    call(&sensor, own, [&caller, &called]);
    let record = sensor.calls(1).remove(0);
    let hep = sensor.hep();
    assert_eq!(hep["messages"], hep["became"]["delivered"], "{hep:#}");
    let sources = hep["sources"].as_array().unwrap();
    let mut agents: Vec<_> = sources.iter().map(|source| source["agent"].as_u64()).collect();
    agents.sort_unstable();
    assert_eq!(agents, [Some(2001), Some(2002)]);
    (record, sensor.events())
}

#[test]
fn signalling_by_kamailio_and_rtcp_by_rtpengine_are_one_call() {
    for (traced, correlated) in [(Traced::All, 0), (Traced::Received, 2)] {
        let (record, events) = recorded(traced);
        assert_eq!(events["correlated_flows"], correlated, "{traced:?}: {events:#}");
        assert_eq!((&record["lastSIPresponseNum"], &record["bye"]), (&200.into(), &3.into()));
        // Of RTP there are reports only: what the caller sent by the called side's, and back.
        for (side, lost, jitter_ms) in [("a", 6, 10), ("b", 4, 2)] {
            let of_side = |key: &str| record[&format!("{side}_{key}")].clone();
            assert_eq!(of_side("received"), 0, "{record:#}");
            assert_eq!(of_side("rtcp_loss"), lost, "{traced:?}: {record:#}");
            assert_eq!(of_side("rtcp_maxjitter"), jitter_ms);
        }
        // Each side's, to rtpengine and on from there.
        assert_eq!(record["streams"].as_array().unwrap().len(), 4);
        assert_eq!((&events["rtcp_streams"], &events["stream_records"]), (&4.into(), &0.into()));
    }
}
