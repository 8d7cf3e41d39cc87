//! The host's own traffic is the same with the sensor, without it, and when the sensor cannot
//! follow; the programs are gone when the sensor is, however it ended.
#![expect(unsafe_code, reason = "who is attached is asked by a system call")]

use std::ffi::CString;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ringtap_testkit::netns::Namespace;

use super::{HOST, LIMIT, PEER, sockets};
use crate::lab::{FAR, Lab, NEAR};
use crate::sender::session::{StopAtEnd, echo, talk};
use crate::sensor::{Files, Sensor, interface, number, wait_for};

/// Packets that go there and back, one after the other.
const PACKETS: u64 = 600;

/// What has come of a conversation between the host and its peer.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    /// Packets that came to the host as they were sent,
    by_host: u64,
    /// and to its peer.
    by_peer: u64,
}

fn addressed() -> Option<Lab> {
    let lab = Lab::new()?;
    lab.near.address(NEAR, &format!("{PEER}/24")).expect("ip can do it");
    lab.far.address(FAR, &format!("{HOST}/24")).expect("ip can do it");
    Some(lab)
}

/// RTP with its number in every byte of the payload.
fn audio(number: u64) -> Vec<u8> {
    let mut rtp = vec![0x80, 0];
    rtp.extend((number as u16).to_be_bytes());
    rtp.extend((number as u32 * 160).to_be_bytes());
    rtp.extend([1, 2, 3, 4]);
    rtp.extend((0..160_u64).map(|at| (at ^ number) as u8));
    rtp
}

/// A session and RTP both ways, each packet answered by the next. Every byte must be right.
fn converse(lab: &Lab) -> Heard {
    let [host, peer] = [(&lab.far, HOST), (&lab.near, PEER)].map(|(place, host)| {
        inside(place, || {
            let phone = UdpSocket::bind((host, 30_000))?;
            phone.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(phone)
        })
    });
    let listener = inside(&lab.far, || TcpListener::bind((HOST, 2222)));
    let session = inside(&lab.near, || TcpStream::connect((HOST, 2222)));
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut heard = Heard { by_host: 0, by_peer: 0 };
    thread::scope(|scope| {
        let other = listener.accept().expect("the peer connects").0;
        scope.spawn(|| echo(other));
        scope.spawn(|| talk(session, &stop, &answers));
        let _end = StopAtEnd(&stop);
        let pass = |from: &UdpSocket, to: &UdpSocket, number| {
            let at = to.local_addr().expect("an address");
            from.send_to(&audio(number), at).expect("a packet can be sent");
            let mut bytes = [0; 2000];
            let came = to.recv(&mut bytes).ok();
            u64::from(came.is_some_and(|len| bytes[..len] == audio(number)))
        };
        for number in 0..PACKETS {
            heard.by_host += pass(&peer, &host, number);
            heard.by_peer += pass(&host, &peer, number);
        }
        wait_for("the session goes on", LIMIT, || {
            (answers.load(Ordering::Relaxed) > 20).then_some(())
        });
    });
    heard
}

fn inside<T: Send>(place: &Namespace, work: impl FnOnce() -> io::Result<T> + Send) -> T {
    place.run(work).expect("the namespace can be entered").expect("a socket can be had")
}

/// How many programs see what the captured interface takes in, and what it sends.
fn attached(lab: &Lab) -> [u32; 2] {
    const BPF_PROG_QUERY: libc::c_long = 16;
    const TCX: [u32; 2] = [46, 47];
    let query = || {
        let name = CString::new(FAR).expect("a name");
        TCX.map(|way| {
            // The beginning of `union bpf_attr` for this command: interface, way, flags, flags,
            // a list that may be absent, its length, and what else the kernel may write.
            let mut asked = [0_u32; 32];
            // SAFETY: a C string to read.
            asked[0] = unsafe { libc::if_nametoindex(name.as_ptr()) };
            asked[1] = way;
            let size = size_of_val(&asked);
            // SAFETY: the kernel reads and writes at most `size` bytes of `asked`.
            let done =
                unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, asked.as_mut_ptr(), size) };
            let error = io::Error::last_os_error();
            // None at all is "no such entry" for kernels that have never had one there.
            assert!(done == 0 || error.raw_os_error() == Some(libc::ENOENT), "{error}");
            asked[6]
        })
    };
    lab.far.run(query).expect("the namespace can be entered")
}

fn all() -> Heard {
    Heard { by_host: PACKETS, by_peer: PACKETS }
}

/// A ring that is full: the sensor stands still, and everything goes on but the record of it.
fn goes_on_when_the_sensor_does_not(how: &str, lost: &str) {
    let Some(lab) = addressed() else { return };
    assert_eq!(converse(&lab), all(), "without a sensor");
    let options =
        ["--capture", how, "-O", "mode=host", "-O", "ringbuffer=1", "-O", "deduplicate=no"];
    let sensor = Sensor::start(&lab, &Files::new(&lab, how), &options);
    assert_eq!(converse(&lab), all(), "with a sensor");
    let ledger = sensor.status_with("both directions", |ledger| {
        ledger["balanced"] == true && sockets(ledger, "outgoing") >= PACKETS
    });
    assert_eq!(number(&interface(&ledger)["verdicts"]["rtp"]), 2 * PACKETS);
    assert_eq!(sockets(&ledger, lost), 0);

    sensor.signal("STOP");
    // Each conversation brings 300 KiB of records, and the ring has one MiB.
    for round in 0..6 {
        assert_eq!(converse(&lab), all(), "with a sensor that stands still, round {round}");
    }
    sensor.signal("CONT");
    let ledger = sensor.status_with("all of it, received or lost", |ledger| {
        ledger["balanced"] == true && number(&interface(ledger)["verdicts"]["rtp"]) == 14 * PACKETS
    });
    println!("sockets: {}", interface(&ledger)["sockets"]);
    assert!(sockets(&ledger, lost) > PACKETS, "nothing was lost: no overload");
    let redirected = number(&interface(&ledger)["redirected"]);
    assert_eq!(redirected, sockets(&ledger, "received") + sockets(&ledger, lost));
    assert_eq!(converse(&lab), all(), "with a sensor that goes on");
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
}

#[test]
fn the_hosts_traffic_is_untouched_by_tcx_also_when_its_ring_is_full() {
    goes_on_when_the_sensor_does_not("tcx", "rx_ring_full");
}

#[test]
fn the_hosts_traffic_is_untouched_by_packet_sockets_also_when_their_ring_is_full() {
    goes_on_when_the_sensor_does_not("packet", "packet_dropped");
}

#[test]
fn the_programs_go_with_the_sensor_however_it_ends() {
    let Some(lab) = addressed() else { return };
    assert_eq!(attached(&lab), [0, 0]);
    for (signal, code) in [("TERM", Some(0)), ("KILL", None)] {
        let files = Files::new(&lab, signal);
        let mut sensor = Sensor::start(&lab, &files, &["--capture", "tcx", "-O", "mode=host"]);
        assert_eq!(attached(&lab), [1, 1]);
        assert_eq!(sensor.end(signal), code);
        wait_for("the programs are gone", LIMIT, || (attached(&lab) == [0, 0]).then_some(()));
    }
    assert_eq!(converse(&lab), all());
}
