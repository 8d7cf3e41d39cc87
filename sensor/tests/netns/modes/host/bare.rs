//! Interfaces without Ethernet headers: what passes there begins with the IP header.
#![expect(unsafe_code, reason = "a tunnel's device is made by a system call")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use ringtap_testkit::packet::Packet;

use super::{LIMIT, sockets};
use crate::lab::Lab;
use crate::sensor::{Files, Sensor, number, wait_for};

/// A device of IP packets in the captured namespace; it goes with the file.
fn tunnel(lab: &Lab) -> File {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    const TUN_WITHOUT_HEADER: u16 = 0x1001;
    let make = || {
        let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        // A `struct ifreq`: the name, and flags behind it.
        let mut request = [0_u8; 40];
        request[..4].copy_from_slice(b"tun0");
        request[16..18].copy_from_slice(&TUN_WITHOUT_HEADER.to_ne_bytes());
        // SAFETY: the kernel reads and writes one `ifreq`, which outlives the call.
        match unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) } {
            0 => Ok(file),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    let file = lab.far.run(make).expect("the namespace can be entered").expect("a device");
    lab.far.ip(&["link", "set", "tun0", "up"]).expect("ip can do it");
    lab.far.address("tun0", "10.99.0.1/24").expect("ip can do it");
    file
}

/// A request of the host's, and its answer.
fn dialogue(number: usize) -> [String; 2] {
    let headers = format!(
        "Via: SIP/2.0/UDP 10.99.0.1;branch=z9hG4bK{number}\r\nFrom: <sip:a@10.99.0.1>;tag=1\r\n\
         To: <sip:b@10.99.0.2>;tag=2\r\nCall-ID: bare-{number}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    ["OPTIONS sip:b@10.99.0.2 SIP/2.0", "SIP/2.0 200 OK"].map(|line| format!("{line}\r\n{headers}"))
}

#[test]
fn packets_without_ethernet_headers_are_read_in_both_directions() {
    let Some(lab) = Lab::new() else { return };
    let mut device = tunnel(&lab);
    let ways = [("tcx", "tun0"), ("packet", "tun0"), ("tcx", "any"), ("packet", "any")];
    for (number_of, (how, interface)) in ways.into_iter().enumerate() {
        let files = Files::new(&lab, &format!("{how}-{interface}"));
        let options = ["-i", interface, "--capture", how, "-O", "mode=host"];
        let sensor = Sensor::start(&lab, &files, &options);
        let [request, answer] = dialogue(number_of);
        let phone = lab.far.run(|| UdpSocket::bind("10.99.0.1:5060")).unwrap().unwrap();
        phone.send_to(request.as_bytes(), "10.99.0.2:5060").unwrap();
        let (from, to) = ("10.99.0.2:5060".parse().unwrap(), "10.99.0.1:5060".parse().unwrap());
        let frame = Packet::udp(from, to, answer.as_bytes()).build();
        device.write_all(&frame[14..]).unwrap();
        let ledger = sensor.status_with("request and answer", |ledger| {
            ledger["balanced"] == true && number(&ledger["user"]["dispositions"]["sip_udp"]) == 2
        });
        assert_eq!(sockets(&ledger, "outgoing"), 1, "{how} {interface}");
        sensor.finish();
        let record = wait_for("the request's record", LIMIT, || {
            let asked = files.ask(&["requests", "--format", "json"]);
            let text = String::from_utf8(asked.stdout).expect("text");
            (!text.is_empty()).then_some(text)
        });
        assert!(record.contains("10.99.0.2") && record.contains("200"), "{record}");
    }
}
