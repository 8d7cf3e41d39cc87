//! A call's audio comes back from the spool: sample for sample where the codec allows it, each
//! side in its channel, silence where packets are missing; and what cannot be heard is said.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[expect(dead_code, reason = "each test file uses its own part")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::pcap::{Options, Writer};
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};
use ringtap_testkit::traffic::{self, Loss, Memory, Plan, Shares, Truth};
use serde_json::Value;
use support::{Said, ringtap, run};

const MS: u64 = 1_000_000;
const T0: u64 = 1_700_000_000_000_000_000;

/// A spool and a store that a replay has made.
struct Kept {
    folder: tempfile::TempDir,
    store: String,
}

impl Kept {
    fn replay(frames: &[(u64, Vec<u8>)]) -> Self {
        Self::cut(frames, usize::MAX)
    }

    /// The same with RTP frames cut to so many bytes.
    fn cut(frames: &[(u64, Vec<u8>)], most: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traffic.pcap");
        let whole = Options { nanos: true, ..Options::default() };
        let mut file = Writer::new(Vec::new(), whole).unwrap().finish().unwrap();
        let head = file.len();
        for (ts_ns, frame) in frames {
            let rtp = frame[42] == 0x80;
            let snaplen = if rtp { u32::try_from(most).unwrap_or(u32::MAX) } else { whole.snaplen };
            let mut one = Writer::new(Vec::new(), Options { snaplen, ..whole }).unwrap();
            one.frame(*ts_ns, frame).unwrap();
            file.extend_from_slice(&one.finish().unwrap()[head..]);
        }
        fs::write(&path, file).unwrap();
        let store = format!("sqlite:{}", folder.path().join("calls.db").display());
        let mut command = ringtap();
        command.args(["replay", "--quiet", "--workers", "2", "--store", &store, "--spool"]);
        command.arg(folder.path().join("spool")).arg(&path);
        run(&mut command).well();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn audio(&self, id: &str, output: &Path) -> Said {
        self.audio_of("spool", id, output)
    }

    fn audio_of(&self, spool: &str, id: &str, output: &Path) -> Said {
        let mut command = ringtap();
        command.args(["audio", id, "--store", &self.store, "--spool"]).arg(self.path(spool));
        run(command.arg("-o").arg(output))
    }

    /// Rate and frames of a call's audio, and what was said.
    #[track_caller]
    fn heard(&self, id: &str) -> (u32, Vec<[i16; 2]>, String) {
        let path = self.path("call.wav");
        let said = self.audio(id, &path).well();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a call is its owner's");
        let bytes = fs::read(&path).unwrap();
        let (rate, frames) = wav(&bytes);
        (rate, frames, said.err)
    }
}

/// Rate and frames of a WAV file with 16 bits and two channels.
#[track_caller]
fn wav(bytes: &[u8]) -> (u32, Vec<[i16; 2]>) {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let half = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
    assert_eq!(
        (&bytes[..4], &bytes[8..16], &bytes[36..40]),
        (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..])
    );
    assert_eq!((half(20), half(22), half(34)), (1, 2, 16));
    assert_eq!((word(4) as usize, word(40) as usize), (bytes.len() - 8, bytes.len() - 44));
    let sample = |at: usize| half(at) as i16;
    (word(24), (44..bytes.len()).step_by(4).map(|at| [sample(at), sample(at + 2)]).collect())
}

/// G.711 by its definition: the quantiser's segments, not the decoder's arithmetic.
fn g711(payload_type: u8, code: u8) -> i16 {
    if payload_type == 0 {
        let (segment, step) = (!code >> 4 & 7, i32::from(!code & 15));
        let value = (33 + 2 * step) * (1 << segment) - 33;
        (if code & 0x80 == 0 { -value } else { value } * 4) as i16
    } else {
        let code = code ^ 0x55;
        let (segment, step) = (code >> 4 & 7, i32::from(code & 15));
        let value = match segment {
            0 => 2 * step + 1,
            _ => (2 * step + 33) << (segment - 1),
        };
        (if code & 0x80 == 0 { -value } else { value } * 8) as i16
    }
}

/// By SSRC and sequence number.
type Payloads = BTreeMap<u32, BTreeMap<u16, Vec<u8>>>;

/// The generator's traffic, and for each stream (by SSRC) the payloads that arrived.
fn generated(plan: &Plan) -> (Truth, Memory, Payloads) {
    let mut frames = Memory::default();
    let truth = traffic::generate(plan, &mut frames).unwrap();
    let mut payloads: Payloads = BTreeMap::new();
    for (_, frame) in frames.iter() {
        // Ethernet, IPv4 and UDP: 42 bytes; RTP of PCMU or PCMA: 12 and 160.
        if frame.len() == 42 + 172 && matches!(frame[43] & 0x7f, 0 | 8) {
            let sequence = u16::from_be_bytes([frame[44], frame[45]]);
            let ssrc = u32::from_be_bytes([frame[50], frame[51], frame[52], frame[53]]);
            payloads.entry(ssrc).or_default().insert(sequence, frame[54..].to_vec());
        }
    }
    (truth, frames, payloads)
}

#[test]
fn g711_comes_back_sample_for_sample_with_gaps_where_packets_were_lost() {
    let shares =
        Shares { pcma: 0.5, dtmf: 0.5, reinvite: 0.5, early_media: 0.5, ..Shares::default() };
    let loss = Loss::Independent(0.05);
    let plan = Plan {
        seed: 77,
        calls: 8,
        concurrent: 4,
        talk_ms: 4000,
        reorder: 0.03,
        duplicates: 0.02,
        jitter_ms: 3.0,
        shares,
        loss,
        ..Plan::default()
    };
    let (truth, frames, payloads) = generated(&plan);
    let frames: Vec<_> = frames.iter().map(|(ts_ns, frame)| (ts_ns, frame.to_vec())).collect();
    let kept = Kept::replay(&frames);
    let mut lost = 0;
    for call in &truth.calls {
        let (rate, frames, _) = kept.heard(&call.call_id);
        assert_eq!(rate, 8000);
        let began = call.streams.iter().filter_map(|stream| stream.first_ns).min().unwrap();
        let mut wanted = vec![[0_i16; 2]; frames.len()];
        for stream in &call.streams {
            lost += stream.lost_inside;
            // The first packet of a stream is never overtaken or lost in the generator's truth.
            let at = ((stream.first_ns.unwrap() - began) * 8 + MS / 2) / MS;
            let all = &payloads[&stream.ssrc];
            let observed = all
                .iter()
                .map(|(sequence, payload)| (sequence.wrapping_sub(stream.first_seq), payload));
            let first = observed.clone().map(|(number, _)| number).min().unwrap();
            for (number, payload) in observed {
                let start = at as usize + usize::from(number - first) * 160;
                for (frame, code) in wanted[start..].iter_mut().zip(payload) {
                    frame[usize::from(!stream.from_caller)] = g711(stream.payload, *code);
                }
            }
        }
        let differ = wanted.iter().zip(&frames).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{} of {} frames", call.call_id, frames.len());
    }
    assert!(lost > 50, "the plan loses packets: {lost}");
}

/// A call of 2 s: what either side sends in packets of 20 ms, from 100 ms on.
struct Call {
    caller: (u8, &'static str, Vec<Vec<u8>>),
    called: (u8, &'static str, Vec<Vec<u8>>),
    secure: bool,
}

const CALLER: &str = "10.1.0.1:10000";
const CALLED: &str = "10.2.0.1:20000";

impl Call {
    fn frames(&self) -> (String, Vec<(u64, Vec<u8>)>) {
        let [caller, called]: [SocketAddr; 2] = [CALLER, CALLED].map(|at| at.parse().unwrap());
        let sip = |addr: SocketAddr| SocketAddr::new(addr.ip(), 5060);
        let dialog = Dialog::new(1, sip(caller), sip(called));
        let mut frames = Vec::new();
        let mut say = |ms: u64, message: Message<'_>| {
            let mut text = String::new();
            dialog.write(&message, &mut text);
            if self.secure {
                // The same number of bytes: the profile grows by one, a space goes.
                text = text.replace("RTP/AVP", "RTP/SAVP").replacen("s=-\r\n", "s=\r\n", 1);
            }
            let (src, dst) = dialog.way(message.from);
            frames.push((T0 + ms * MS, Packet::udp(src, dst, text.as_bytes()).build()));
        };
        let offer = Media::new(caller, self.caller.0, self.caller.1);
        let answer = Media::new(called, self.called.0, self.called.1);
        say(0, Message::request(Side::Caller, Method::Invite, 1).media(&offer));
        say(50, Message::response(Side::Called, 200, Method::Invite, 1).media(&answer));
        say(60, Message::request(Side::Caller, Method::Ack, 1));
        say(2200, Message::request(Side::Caller, Method::Bye, 2));
        say(2210, Message::response(Side::Called, 200, Method::Bye, 2));
        for ((payload_type, _, payloads), src, dst, ssrc) in
            [(&self.caller, caller, called, 7), (&self.called, called, caller, 8)]
        {
            let units = if *payload_type == 96 { 960 } else { 160 };
            for (n, payload) in (0_u16..).zip(payloads) {
                let mut bytes = Vec::new();
                let (timestamp, marker) = (u32::from(n) * units, n == 0);
                let payload_type = *payload_type;
                Rtp { payload_type, marker, seq: 100 + n, timestamp, ssrc }.write(&mut bytes);
                bytes.extend_from_slice(payload);
                let at = T0 + (100 + u64::from(n) * 20) * MS;
                let packet = Packet::udp(src, dst, &bytes).ip_id(u32::from(n) + 1);
                frames.push((at, packet.build()));
            }
        }
        frames.sort_by_key(|(ts_ns, _)| *ts_ns);
        (dialog.call_id.clone(), frames)
    }
}

/// Two seconds of a payload type.
fn pcmu() -> (u8, &'static str, Vec<Vec<u8>>) {
    (0, "PCMU/8000", (0..100).map(|n| vec![0x80 + n; 160]).collect())
}

fn g729() -> (u8, &'static str, Vec<Vec<u8>>) {
    (18, "G729/8000", vec![vec![0x55; 20]; 100])
}

#[test]
fn wideband_makes_the_recording_wide() {
    // G.722 of a steady zero code: the lower band swings, the sides stay in step.
    let caller = (9, "G722/8000", vec![vec![0xd5; 160]; 100]);
    let (id, frames) = Call { caller, called: pcmu(), secure: false }.frames();
    let (rate, frames, said) = Kept::replay(&frames).heard(&id);
    assert_eq!((rate, frames.len()), (16_000, 32_000), "{said}");
    assert!(said.contains("G722") && said.contains("PCMU"), "{said}");
    for n in 0..100_u8 {
        // In the middle of each packet µ-law is as it was; lines are drawn at its borders.
        let middle = usize::from(n) * 320 + 160;
        assert_eq!(frames[middle][1], g711(0, 0x80 + n), "packet {n}");
    }
    assert!(frames.iter().any(|frame| frame[0] != 0));
}

#[test]
fn what_cannot_be_decoded_is_named_and_silent() {
    let (id, frames) = Call { caller: g729(), called: pcmu(), secure: false }.frames();
    let (rate, frames, said) = Kept::replay(&frames).heard(&id);
    assert_eq!((rate, frames.len()), (8000, 16_000));
    assert!(said.contains("caller: 100 packets of G729"), "{said}");
    assert!(frames.iter().all(|frame| frame[0] == 0));
    assert_eq!(frames[80][1], g711(0, 0x80));
}

#[test]
fn a_call_without_anything_to_hear_gets_one_line_and_no_file() {
    let (id, frames) = Call { caller: g729(), called: g729(), secure: false }.frames();
    let kept = Kept::replay(&frames);
    let path = kept.path("none.wav");
    kept.audio(&id, &path).one_line_with("G729");
    kept.audio("nobody@nowhere", &path).one_line_with("nobody@nowhere");
    let (id, frames) = Call { caller: pcmu(), called: pcmu(), secure: true }.frames();
    let secure = Kept::replay(&frames);
    secure.audio(&id, &path).one_line_with("encrypted (SRTP)");
    let (id, frames) = Call { caller: pcmu(), called: pcmu(), secure: false }.frames();
    // As savertp = header keeps it: link, IP, UDP and RTP headers.
    let bare = Kept::cut(&frames, 42 + 12);
    bare.audio(&id, &path).one_line_with("savertp = header");
    bare.audio_of("elsewhere", &id, &path).one_line_with("has no RTP of this call");
    for name in ["none.wav", "none.wav.part"] {
        assert!(!kept.path(name).exists(), "{name} is left behind");
    }
}

#[test]
fn a_pipe_gets_the_same_samples() {
    let (id, frames) = Call { caller: pcmu(), called: pcmu(), secure: false }.frames();
    let kept = Kept::replay(&frames);
    let (_, frames, _) = kept.heard(&id);
    let mut command = ringtap();
    command.args(["audio", &id, "-o", "-", "--store", &kept.store, "--spool"]);
    let output = command.arg(kept.path("spool")).output().unwrap();
    assert!(output.status.success());
    let bytes: Vec<u8> = frames.as_flattened().iter().flat_map(|s| s.to_le_bytes()).collect();
    assert!(output.stdout.starts_with(b"RIFF") && output.stdout.ends_with(&bytes));
    let record: Value = run(ringtap().args(["calls", "--format", "json", "--store", &kept.store]))
        .well()
        .records()
        .remove(0);
    let by_id = kept.path("by-id.wav");
    kept.audio(record["ID"].as_str().unwrap(), &by_id).well();
    assert_eq!(fs::read(by_id).unwrap(), fs::read(kept.path("call.wav")).unwrap());
}
