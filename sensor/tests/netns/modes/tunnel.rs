//! A host that receives a mirror through the kernel's own VXLAN device, beside its own traffic:
//! calls are recorded, and a session with the host goes on, whatever the mirror sends.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ringtap_testkit::traffic::{Memory, Plan, generate};

use crate::compare::{assert_same, expected};
use crate::lab::{FAR, Lab, NEAR};
use crate::sender::session::{StopAtEnd, echo, talk};
use crate::sender::{Lane, send, send_all};
use crate::sensor::{Files, Sensor, interface, number, wait_for};

/// The host that is mirrored, and the one that receives the mirror.
const MIRROR: &str = "10.77.0.1";
const HOST: &str = "10.77.0.2";
/// The kernel's tunnel.
const TUNNEL: &str = "vx0";
const VNI: &str = "4660";
const LIMIT: Duration = Duration::from_secs(10);

/// Gives both ends addresses, and the near one a tunnel to the far one.
fn lay_tunnel(lab: &Lab) {
    lab.near.address(NEAR, &format!("{MIRROR}/24")).expect("ip can do it");
    lab.far.address(FAR, &format!("{HOST}/24")).expect("ip can do it");
    let ends = ["local", MIRROR, "remote", HOST, "dstport", "4789", "dev", NEAR];
    let add = ["link", "add", TUNNEL, "type", "vxlan", "id", VNI];
    lab.near.ip(&[&add[..], &ends].concat()).expect("ip can do it");
    lab.near.ip(&["link", "set", TUNNEL, "up"]).expect("ip can do it");
}

fn through_tunnel(frames: &Memory) -> [Lane<'_>; 1] {
    [Lane { via: Some(TUNNEL), frames: frames.iter().collect(), ..Lane::default() }]
}

#[test]
fn calls_out_of_a_tunnel_and_a_session_with_the_host() {
    let Some(lab) = Lab::new() else { return };
    lay_tunnel(&lab);
    let listener = lab.far.run(|| TcpListener::bind((HOST, 2222))).unwrap().unwrap();
    let phone = lab.far.run(|| UdpSocket::bind((HOST, 5060))).unwrap().unwrap();
    phone.set_read_timeout(Some(LIMIT)).unwrap();
    let files = Files::new(&lab, "sensor");
    let sensor = Sensor::start(&lab, &files, &["--capture", "xdp", "-O", "mode=tunnel"]);
    let session = lab.near.run(|| TcpStream::connect((HOST, 2222))).unwrap().unwrap();
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));

    let plan =
        Plan { calls: 6, concurrent: 3, ring_ms: (50, 80), talk_ms: 1500, ..Plan::default() };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).unwrap();
    thread::scope(|scope| {
        let peer = listener.accept().unwrap().0;
        scope.spawn(|| echo(peer));
        scope.spawn(|| talk(session, &stop, &answers));
        // A panic must not leave the session's threads waiting for each other.
        let _end = StopAtEnd(&stop);
        send_all(&lab, &through_tunnel(&frames));
        let calls = wait_for("the calls' records", LIMIT, || {
            Some(files.calls()).filter(|calls| calls.len() == plan.calls as usize)
        });
        assert_same(&calls, &expected(&truth));

        // The host's own telephone is called, and hears it.
        let caller = lab.near.run(|| UdpSocket::bind((MIRROR, 5060))).unwrap().unwrap();
        caller.send_to(b"OPTIONS sip:host SIP/2.0\r\n\r\n", (HOST, 5060)).unwrap();
        let mut heard = [0; 100];
        assert_eq!(phone.recv_from(&mut heard).unwrap().0, 28);

        // As much as can be sent.
        let before = answers.load(Ordering::Relaxed);
        let flood: Vec<_> = frames.iter().collect();
        let lane = Lane { via: Some(TUNNEL), frames: flood.repeat(20), ..Lane::default() };
        send(&lab, &[lane], 1e12, &AtomicBool::new(false));
        wait_for("the session goes on", LIMIT, || {
            (answers.load(Ordering::Relaxed) > before + 5).then_some(())
        });
    });
    let ledger = sensor.status_with("balanced", |ledger| ledger["balanced"] == true);
    let verdicts = &interface(&ledger)["verdicts"];
    assert!(number(&verdicts["own_voip"]) >= 1, "{verdicts:#}");
    assert!(number(&verdicts["rtp"]) > 1000, "{verdicts:#}");
    sensor.finish();
    println!("{} answers of the session", answers.load(Ordering::Relaxed));
}
