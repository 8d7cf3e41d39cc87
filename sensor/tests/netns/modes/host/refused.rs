//! What contradicts itself or cannot be had ends with one line; what can be had otherwise is.

use super::{both_ways, calls};
use crate::compare::{assert_same, expected};
use crate::lab::{FAR, Lab};
use crate::run::{ends, refused};
use crate::sender::send_all;
use crate::sensor::{Files, Sensor};
use ringtap_testkit::traffic::Memory;

#[test]
fn contradictions_are_refused_in_one_line() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    let host = ["-O", "mode=host"];
    let cases: [(&[&str], &str); 7] = [
        (&["--capture", "xdp"], "XDP takes frames from the host"),
        (&["--capture", "xdp-generic"], "XDP takes frames from the host"),
        (&["-i", "any,far0"], "name no others"),
        (&["-i", "absent0"], "absent0"),
        (&["-i", "any", "-O", "mode=tunnel"], "mode = host or span"),
        (&["-i", "any", "-O", "mode=span", "--capture", "xdp"], "interface = any"),
        (&["-O", "mode=span", "--capture", "tcx"], "mode = host"),
    ];
    for (options, why) in cases {
        refused(&ends(&mut files.run_command(&lab, &[&host, options].concat())), why);
    }
    lab.far.ip(&["link", "set", FAR, "down"]).unwrap();
    for how in ["auto", "tcx", "packet"] {
        let options = [&host[..], &["--capture", how]].concat();
        refused(&ends(&mut files.run_command(&lab, &options)), "far0 is down");
    }
    lab.far.ip(&["link", "set", FAR, "up"]).unwrap();
    let powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    for how in ["auto", "tcx", "packet"] {
        let options = [&host[..], &["--capture", how]].concat();
        refused(&ends(&mut files.run_by(&lab, &powerless, &options)), "CAP_");
    }
}

/// A sensor that may open packet sockets and load no programs.
#[test]
fn without_the_right_to_load_programs_a_packet_socket_serves() {
    let Some(lab) = Lab::new() else { return };
    let rights = ["setpriv", "--bounding-set=-all,+net_raw,+net_admin,+dac_override"];
    let files = Files::new(&lab, "sensor");
    let command = files.run_by(&lab, &rights, &["-O", "mode=host"]);
    let sensor = Sensor::by(files.clone(), command);
    let messages = sensor.messages();
    assert!(messages.contains("packet socket") && messages.contains("CAP_BPF"), "{messages}");
    let mut frames = Memory::default();
    let truth = calls(51, &mut frames);
    send_all(&lab, &both_ways(&frames));
    sensor.settled_user(truth.totals.frames);
    sensor.finish();
    assert_same(&files.calls(), &expected(&truth));
}
