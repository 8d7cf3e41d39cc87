//! `ringtap doctor` on a mirror port: what it finds in live traffic, what it finds wrong, and that
//! it disturbs nobody.

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ringtap_testkit::packet::tunnel::Wrap;
use ringtap_testkit::traffic::{Memory, Plan, generate};
use serde_json::Value;

use crate::interfaces::is_upward;
use crate::lab::{FAR, Lab};
use crate::modes::host::both_ways;
use crate::sender::{Lane, one_lane, send};
use crate::sensor::{Files, Sensor, wait_for};

/// The binary.
const RINGTAP: &str = env!("CARGO_BIN_EXE_ringtap");

/// What is sent goes on for some seconds, with calls that begin and end all the time.
fn traffic(seed: u64) -> Memory {
    let mut frames = Memory::default();
    let plan = Plan {
        seed,
        calls: 60,
        concurrent: 6,
        ramp_ms: 300,
        pause_ms: 100,
        ring_ms: (50, 100),
        talk_ms: 700,
        rtcp_ms: 200,
        mirror: 0.2,
        ..Plan::default()
    };
    generate(&plan, &mut frames).expect("the plan is sound");
    frames
}

/// `ringtap doctor` at the far end, to be started by another program.
fn doctor(lab: &Lab, starter: &[&str], options: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", lab.far.name()]).args(starter);
    command.args(["timeout", "--signal=KILL", "60", RINGTAP, "doctor", "--format", "json"]);
    let socket = lab.folder().join("run/status").display().to_string();
    command.args(["-O", &format!("status_socket={socket}")]).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it found, and its exit code.
#[derive(Debug)]
struct Found(Vec<Value>, Option<i32>);

impl Found {
    fn of(child: Child) -> Self {
        let output = child.wait_with_output().expect("a child can be waited for");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let finding = |line: &str| serde_json::from_str(line).expect(line);
        Self(text.lines().map(finding).collect(), output.status.code())
    }

    fn run(mut command: Command) -> Self {
        Self::of(command.spawn().expect("it starts"))
    }

    /// The state of the finding about this that has these words.
    #[track_caller]
    fn state(&self, about: &str, words: &str) -> &str {
        let hit = self.0.iter().find(|one| {
            let what = one["what"].as_str().expect("words");
            one["about"] == about && what.contains(words)
        });
        let hit = hit.unwrap_or_else(|| panic!("no {about:?} with {words:?} in {self:#?}"));
        hit["state"].as_str().expect("a state")
    }

    fn says(&self, words: &str) -> bool {
        self.0.iter().any(|one| one["what"].as_str().is_some_and(|what| what.contains(words)))
    }
}

/// Runs the doctor while this is sent.
fn while_sent(lab: &Lab, lanes: &[Lane<'_>], mut command: Command) -> Found {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| send(lab, lanes, 1.0, &stop));
        let found = Found::run_until(&mut command, &stop);
        stop.store(true, Ordering::Relaxed);
        found
    })
}

impl Found {
    /// Tells the sender to stop, also where this panics.
    fn run_until(command: &mut Command, stop: &AtomicBool) -> Self {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(stop);
        Self::of(command.spawn().expect("it starts"))
    }
}

#[test]
fn a_mirror_with_tunnels_and_copies_is_described() {
    let Some(lab) = Lab::new() else { return };
    let (plain, inside) = (traffic(31), traffic(32));
    let wrapped: Vec<(u64, Vec<u8>)> =
        inside.iter().map(|(ts, frame)| (ts, Wrap::Vxlan.wrap(frame))).collect();
    let wrapped = wrapped.iter().map(|(ts, frame)| (*ts, frame.as_slice())).collect();
    let [plain] = one_lane(&plain);
    let lanes = [plain, Lane { frames: wrapped, ..Lane::default() }];
    let store = format!("sqlite:{}", lab.folder().join("calls.db").display());
    let spool = lab.folder().join("spool").display().to_string();
    let options =
        ["-i", FAR, "--seconds", "2", "--store", &store, "--spool", &spool, "-O", "hep=yes"];
    let found = while_sent(&lab, &lanes, doctor(&lab, &[], &options));
    let ok = |about: &str, words: &str| assert_eq!(found.state(about, words), "ok", "{about}");
    ok("kernel", "takes the capture program");
    ok("privileges", "all 4");
    ok(FAR, "up, driver veth");
    ok("far0 xdp", "native");
    found.state("far0 queues", "4 of 4");
    ok("store", "can be made");
    ok("HEP udp", "is free");
    ok("far0 sip", "packets with SIP");
    ok("far0 rtp", "streams");
    ok("far0 rtcp", "packets");
    ok("far0 tunnel", "out of VXLAN");
    ok("far0 directions", "both");
    assert_eq!(found.state("far0 copies", "are copies"), "note");
    found.state("spool time", "of VoIP");
    assert!(!found.says("elsewhere"), "{found:#?}");
    assert_eq!(found.1, Some(0), "{found:#?}");
    let left: Vec<_> = std::fs::read_dir(lab.folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn on_the_pbx_itself_both_directions_are_looked_at_and_nothing_is_taken() {
    let Some(lab) = Lab::new() else { return };
    lab.far.address(FAR, "10.9.8.7/24").unwrap();
    let frames = traffic(34);
    for interface in [FAR, "any"] {
        let options = ["-i", interface, "--seconds", "2", "-O", "mode=host"];
        let found = while_sent(&lab, &both_ways(&frames), doctor(&lab, &[], &options));
        let ok = |about: &str, words: &str| assert_eq!(found.state(about, words), "ok", "{about}");
        ok("kernel", "takes the host's capture programs");
        ok(FAR, "carries this host's address 10.9.8.7");
        ok("far0 sip", "packets with SIP");
        ok("far0 directions", "both");
        assert!(!found.0.iter().any(|one| one["about"] == "far0 xdp"), "{found:#?}");
        assert_eq!(found.1, Some(0), "{found:#?}");
    }
    let rights = ["setpriv", "--bounding-set=-all,+net_raw,+net_admin,+dac_override"];
    let options = ["-i", FAR, "--seconds", "0", "-O", "mode=host"];
    let found = Found::run(doctor(&lab, &rights, &options));
    assert_eq!(found.state("privileges", "missing: CAP_BPF"), "warning");
    assert_eq!(found.state("kernel", "not permitted"), "warning");
    let found = Found::run(doctor(&lab, &[], &[&options[..], &["--capture", "xdp"]].concat()));
    assert_eq!(found.state("configuration", "XDP takes frames"), "problem");
}

#[test]
fn half_a_mirror_and_voip_elsewhere_are_named() {
    let Some(lab) = Lab::new() else { return };
    let frames = traffic(33);
    let up = frames.iter().filter(|(_, frame)| is_upward(frame)).collect();
    let lanes = [Lane { frames: up, ..Lane::default() }];
    let options = ["-i", FAR, "--seconds", "3", "--capture", "packet"];
    let found = while_sent(&lab, &lanes, doctor(&lab, &[], &options));
    assert_eq!(found.state("far0 directions", "one direction of SIP only"), "warning");
    assert_eq!(found.state("far0 directions", "has one the other way"), "warning");

    let ports = ["-O", "sipport=5070", "-O", "media_ports=1024-1025"];
    let command = doctor(&lab, &[], &[&options[..], &ports].concat());
    let found = while_sent(&lab, &one_lane(&frames), command);
    assert_eq!(found.state("far0 sip", "no SIP"), "warning");
    assert_eq!(found.state("far0 sip elsewhere", "on UDP port 5060"), "warning");
    assert_eq!(found.state("far0 rtp elsewhere", "streams of RTP"), "warning");
}

#[test]
fn what_would_keep_a_sensor_from_starting_is_a_problem() {
    let Some(lab) = Lab::new() else { return };
    let taken = lab.far.run(|| TcpListener::bind(("0.0.0.0", 9060))).unwrap().unwrap();
    let file = lab.folder().join("file");
    std::fs::write(&file, b"").unwrap();
    let (spool, store) = (file.join("spool"), format!("sqlite:{}", file.join("db").display()));
    let spool = spool.display().to_string();
    let options = ["-i", FAR, "--seconds", "0", "--store", &store, "--spool", &spool];
    let hep = ["-O", "hep=yes", "-O", "hep_bind_ip=0.0.0.0"];
    let found = Found::run(doctor(&lab, &[], &[&options[..], &hep].concat()));
    assert_eq!(found.1, Some(1));
    assert_eq!(found.state("spool", "cannot be written"), "problem");
    assert_eq!(found.state("store", "file"), "problem");
    let own = format!("process {}", std::process::id());
    assert_eq!(found.state("HEP tcp", &own), "problem");
    drop(taken);

    let powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let found = Found::run(doctor(&lab, &powerless, &["-i", FAR, "--seconds", "1"]));
    assert_eq!(found.1, Some(1));
    assert_eq!(found.state("privileges", "missing: CAP_NET_RAW"), "problem");
    assert_eq!(found.state("kernel", "not permitted"), "problem");
    assert_eq!(found.state("far0 traffic", "not allowed"), "problem");

    for (options, about, words) in [
        (&["-i", "absent0"][..], "absent0", "no such interface"),
        (&[], "interface", "no interface is named"),
    ] {
        let found = Found::run(doctor(&lab, &[], &[options, &["--seconds", "1"]].concat()));
        assert_eq!(found.state(about, words), "problem");
        assert_eq!(found.1, Some(1));
    }
    lab.far.ip(&["link", "set", FAR, "down"]).unwrap();
    let found = Found::run(doctor(&lab, &[], &["-i", FAR, "--seconds", "1"]));
    assert_eq!(found.state(FAR, "down"), "problem");
}

/// The host's own telephone hears everything while the doctor looks.
#[test]
fn a_host_keeps_its_own_traffic() {
    let Some(lab) = Lab::new() else { return };
    lab.near.address(crate::lab::NEAR, "10.77.1.1/24").unwrap();
    lab.far.address(FAR, "10.77.1.2/24").unwrap();
    let phone = lab.far.run(|| UdpSocket::bind("10.77.1.2:5060")).unwrap().unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let caller = lab.near.run(|| UdpSocket::bind("10.77.1.1:5060")).unwrap().unwrap();
    let mut child = doctor(&lab, &[], &["-i", FAR, "--seconds", "2"]).spawn().unwrap();
    let mut heard = [0; 100];
    let mut calls = 0;
    while child.try_wait().unwrap().is_none() {
        caller.send_to(b"OPTIONS sip:host SIP/2.0\r\n\r\n", "10.77.1.2:5060").unwrap();
        assert_eq!(phone.recv_from(&mut heard).unwrap().0, 28);
        calls += 1;
        assert!(calls < 10_000, "the doctor does not end");
        thread::sleep(Duration::from_millis(5));
    }
    let found = Found::of(child);
    assert_eq!(found.state(FAR, "carries this host's address 10.77.1.2"), "problem");
    assert_eq!(found.state("far0 sip", "packets with SIP"), "ok");
    assert!(calls > 100, "{calls} calls");
}

/// A sensor that captures by XDP is asked; it goes on, and misses nothing.
#[test]
fn a_running_sensor_is_asked_and_not_disturbed() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    let mut sensor = Sensor::start(&lab, &files, &["--capture", "xdp", "-O", "hep=yes"]);
    let frames = traffic(34);
    let socket = format!("status_socket={}", files.socket.display());
    let options = ["-i", FAR, "--seconds", "2", "-O", &socket, "-O", "hep=yes"];
    let stop = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        scope.spawn(|| send(&lab, &one_lane(&frames), 2.0, &stop));
        Found::of(doctor(&lab, &[], &options).spawn().unwrap())
    });
    assert_eq!(found.state("far0 xdp", "is attached"), "ok");
    assert_eq!(found.state("sensor", "one runs"), "ok");
    assert_eq!(found.state("sensor losses", "none"), "ok");
    assert_eq!(found.state("HEP tcp", "served by ringtap"), "ok");
    assert_eq!(found.state("far0 directions", "both"), "ok");
    let rates = found.0.iter().find(|one| one["about"] == "sensor traffic").unwrap();
    assert!(!rates["what"].as_str().unwrap().starts_with("SIP 0.0/s"), "{rates}");
    assert!(!found.says("no frame"), "{found:#?}");
    assert_eq!(found.1, Some(0), "{found:#?}");
    // Without its socket there is nobody to ask, and what it takes is not seen.
    let found = Found::run(doctor(&lab, &[], &["-i", FAR, "--seconds", "1"]));
    assert_eq!(found.state("far0 traffic", "comes first"), "note");
    assert_eq!(found.state("sensor", "none serves"), "ok");
    assert!(!found.says("no frame"), "{found:#?}");
    let sent = frames.iter().count() as u64;
    sensor.settled(sent);
    let code = sensor.end("TERM");
    assert_eq!(code, Some(0), "{}", sensor.messages());
    wait_for("its socket is gone", Duration::from_secs(5), || {
        (!files.socket.exists()).then_some(())
    });
}
