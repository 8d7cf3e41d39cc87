//! Kamailio as the agent: what its siptrace module makes of real calls between two sipps.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::sensor::Sensor;

const CALLS: usize = 3;

/// A program that is told to end when this value goes.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Its children go with it, which they would not if it were killed.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.0.wait();
    }
}

pub(crate) fn start(command: &mut Command, folder: &Path) -> Running {
    let null = || Stdio::null();
    let command = command.current_dir(folder).stdin(null()).stdout(null()).stderr(null());
    Running(command.spawn().expect("kamailio and sipp can be run"))
}

/// A port that is free now.
pub(crate) fn port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A proxy that sends every call to `called`, and everything it sees to `agent`.
fn script(own: u16, called: u16, hep: u16, version: u8) -> String {
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
loadmodule "siptrace.so"
modparam("siptrace", "duplicate_uri", "sip:127.0.0.1:{hep}")
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", {version})
modparam("siptrace", "hep_capture_id", 2001)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", 1)
request_route {{
    if (method == "INVITE") record_route();
    if (loose_route()) {{ t_relay(); exit; }}
    if (method == "ACK") {{ if (t_check_trans()) t_relay(); exit; }}
    $du = "sip:127.0.0.1:{called}";
    t_relay();
}}
"#
    )
}

fn calls_by_version(version: u8) {
    let sensor = Sensor::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let [own, called, caller] = [(); 3].map(|()| port());
    let (here, files) = (folder.path(), folder.path().display().to_string());
    let text = script(own, called, sensor.at("udp").port(), version);
    fs::write(here.join("kamailio.cfg"), text).unwrap();
    let mut proxy = Command::new("kamailio");
    proxy.args(["-f", "kamailio.cfg", "-DD", "-E", "-w", &files, "-Y", &files]);
    let _proxy = start(&mut proxy, here);
    let (number, called) = (CALLS.to_string(), called.to_string());
    let mut answering = Command::new("sipp");
    answering.args(["-sn", "uas", "-i", "127.0.0.1", "-p", &called, "-m", &number, "-nostdin"]);
    let _answering = start(&mut answering, here);
    let mut calling = Command::new("sipp");
    calling.args(["-sn", "uac", &format!("127.0.0.1:{own}"), "-i", "127.0.0.1"]);
    calling.args(["-p", &caller.to_string(), "-m", &number, "-r", "10", "-d", "500", "-nostdin"]);
    let said = calling.args(["-timeout", "20s"]).current_dir(here).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    for record in sensor.calls(CALLS) {
        assert_eq!((&record["lastSIPresponseNum"], &record["bye"]), (&200.into(), &3.into()));
        let talk = record["connect_duration"].as_f64().unwrap();
        assert!((0.4..2.0).contains(&talk), "{talk}");
    }
    let hep = sensor.hep();
    assert_eq!(hep["messages"], hep["became"]["delivered"], "{hep:#}");
    assert_eq!(hep["messages"], hep["events"][format!("version_{version}")], "{hep:#}");
    if version > 1 {
        let source = &hep["sources"][0];
        assert_eq!((&source["agent"], &source["believed"]), (&2001.into(), &true.into()));
        assert_eq!(hep["events"]["time_missing"], 0);
    }
}

#[test]
fn real_calls_by_versions_1_2_and_3() {
    (1..=3).for_each(calls_by_version);
}
