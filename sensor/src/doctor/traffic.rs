//! A short look at live traffic, by a packet socket on each interface: it takes no frame from
//! anybody, and leaves programs that are attached where they are.
//!
//! Frames that a sensor takes by XDP come to no other socket. So where one runs it is asked before
//! and after, and its counts are what was seen.

use std::io::IsTerminal;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringtap_capture::packet_socket::{self, PacketOptions, PacketSource};
use ringtap_capture::{CaptureError, Source};
use serde_json::Value;

use super::finding::{Finding, State};
use super::{Watched, sensor};
use crate::config::{Config, Mode};
use crate::look::{Look, Place, findings};
use crate::plant::directions::{self, Directions, Shared};

/// How long a socket is waited at.
const WAIT: Duration = Duration::from_millis(50);

/// Ring of the look's socket.
const RING_BYTES: usize = 32 << 20;

/// What a look gave.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) found: Vec<Finding>,
    /// VoIP, for the spool; `None`: not looked at.
    pub(super) bytes_per_second: Option<f64>,
}

/// An interface that is looked at.
struct Eye {
    /// Its place among all.
    index: usize,
    look: Look,
    source: PacketSource,
    trouble: Option<CaptureError>,
}

pub(super) fn examine(
    config: &Config,
    interfaces: &[Watched],
    ledger: Option<&Value>,
    time: Duration,
) -> Looked {
    let mut looked = Looked::default();
    if time.is_zero() || interfaces.is_empty() && ledger.is_none() {
        return looked;
    }
    let is_the_sensors = |one: &Watched| {
        let all = ledger.and_then(|ledger| ledger["interfaces"].as_array()).into_iter().flatten();
        one.attached.xdp.is_some() && all.into_iter().any(|i| i["name"] == one.name.as_str())
    };
    let mut eyes = Vec::new();
    for (index, one) in interfaces.iter().enumerate() {
        let origin = u16::try_from(index).unwrap_or(u16::MAX);
        if is_the_sensors(one) || one.nic.is_none() {
            continue;
        }
        match open(&one.name, config, origin) {
            Ok(source) => {
                let look = Look::new(config, origin);
                eyes.push(Eye { index, look, source, trouble: None });
            }
            Err(error) => looked.found.push(
                Finding::new(State::Problem, format!("{} traffic", one.name), error.to_string())
                    .means("traffic cannot be looked at"),
            ),
        }
    }
    if eyes.is_empty() && ledger.is_none() {
        return looked;
    }
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for eye in &mut eyes {
            scope.spawn(|| eye.watch(begun, time));
        }
        progress(begun, time);
    });
    let seconds = begun.elapsed().as_secs_f64();
    judge(config, interfaces, &mut eyes, seconds, &mut looked);
    if let Some(before) = ledger {
        asked(config, before, seconds, &mut looked);
    }
    looked
}

fn open(name: &str, config: &Config, origin: u16) -> Result<PacketSource, CaptureError> {
    let mut options = PacketOptions::new(name);
    options.promiscuous = config.promisc && config.mode != Mode::Host;
    options.outgoing = config.takes_nothing();
    options.ring_bytes = RING_BYTES;
    options.origin = origin;
    let sources = packet_socket::open(&options)?;
    sources.into_iter().next().ok_or_else(|| CaptureError::NoInterface(name.to_owned()))
}

impl Eye {
    fn watch(&mut self, begun: Instant, time: Duration) {
        while begun.elapsed() < time {
            let look = &mut self.look;
            let got = self.source.receive(WAIT, &mut |batch| {
                batch.iter().for_each(|frame| look.frame(frame));
            });
            if let Err(error) = got {
                self.trouble = Some(error);
                return;
            }
        }
    }
}

/// Says how long it takes yet, to people.
fn progress(begun: Instant, time: Duration) {
    let shown = std::io::stderr().is_terminal();
    while let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
        if shown {
            eprint!("\rlooking at traffic, {} s left ", left.as_secs() + 1);
        }
        std::thread::sleep(left.min(Duration::from_millis(200)));
    }
    if shown {
        eprint!("\r\x1b[K");
    }
}

fn judge(
    config: &Config,
    interfaces: &[Watched],
    eyes: &mut [Eye],
    seconds: f64,
    looked: &mut Looked,
) {
    let heard: Vec<Shared> =
        eyes.iter_mut().map(|eye| Arc::new(Mutex::new(eye.look.heard()))).collect();
    for eye in eyes {
        let Some(Watched { name, mtu, attached, .. }) = interfaces.get(eye.index) else { continue };
        if let Some(program) = &attached.xdp {
            let called = program.name.as_deref().unwrap_or("of unknown name");
            let what = format!("XDP program {} ({called}) comes first", program.id);
            looked.found.push(
                Finding::new(State::Note, format!("{name} traffic"), what)
                    .means("what it takes is not seen by this look"),
            );
            if eye.look.counts().frames == 0 {
                // Whether nothing came or it took everything, nobody knows.
                continue;
            }
        }
        if let Some(error) = &eye.trouble {
            let about = format!("{name} traffic");
            looked.found.push(Finding::new(State::Warning, about, error.to_string()));
        }
        let directions = directions::judge(&heard, eye.look.origin());
        let place = Place { name, seconds: Some(seconds), mtu: *mtu, directions };
        looked.found.extend(findings(&eye.look, &place, config));
        let lost = eye.source.stats().lost();
        if lost > 0 {
            let what = format!("the look itself has missed {lost} frames");
            looked.found.push(
                Finding::new(State::Note, format!("{name} traffic"), what)
                    .means("rates are higher than told"),
            );
        }
        let bytes = looked.bytes_per_second.get_or_insert(0.0);
        *bytes += eye.look.counts().voip_bytes as f64 / seconds.max(0.001);
    }
}

/// What a running sensor has counted meanwhile.
fn asked(config: &Config, before: &Value, seconds: f64, looked: &mut Looked) {
    let Some(after) = sensor::ask(config) else {
        let what = "the sensor does not answer any more";
        looked.found.push(Finding::new(State::Warning, "sensor traffic", what));
        return;
    };
    looked.found.push(rates(before, &after, seconds));
    for one in after["interfaces"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or("?");
        looked.found.extend(told_directions(name, &one["sip_directions"]));
    }
}

fn rates(before: &Value, after: &Value, seconds: f64) -> Finding {
    let count = |ledger: &Value, part: &str, key: &str| {
        ledger["user"][part][key].as_u64().unwrap_or_default()
    };
    let meanwhile = |part: &str, key: &str| {
        count(after, part, key).saturating_sub(count(before, part, key)) as f64 / seconds.max(0.001)
    };
    let mut rates = Vec::new();
    for (name, keys) in [
        ("SIP", &["sip_udp", "sip_tcp"][..]),
        ("RTP", &["rtp", "rtp_unconfirmed", "rtp_after_end"]),
        ("RTCP", &["rtcp"]),
        ("copies", &["duplicate"]),
        ("pieces", &["fragment", "fragment_lost"]),
    ] {
        let rate: f64 = keys.iter().map(|key| meanwhile("dispositions", key)).sum();
        rates.push(format!("{name} {rate:.1}/s"));
    }
    let events = after["user"]["events"].as_object().into_iter().flatten();
    for (event, _) in events.filter(|(event, _)| event.starts_with("tunnel_")) {
        let rate = meanwhile("events", event);
        rates.push(format!("{} {rate:.1}/s", event.replace('_', " ")));
    }
    Finding::new(State::Ok, "sensor traffic", rates.join(", ")).means("as the sensor counts it")
}

fn told_directions(name: &str, told: &Value) -> Option<Finding> {
    let host = told["host"].as_str().and_then(|host| host.parse::<IpAddr>().ok());
    let directions = match (told.as_str(), told["missing"].as_str(), host) {
        (Some("both"), ..) => Directions::Both,
        (_, Some("sent"), Some(host)) => Directions::WithoutSent(host),
        (_, Some("received"), Some(host)) => Directions::WithoutReceived(host),
        _ => return None,
    };
    crate::look::directions(name, directions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_sensor_counted_meanwhile_is_a_rate() {
        let ledger = |sip, rtp, vxlan| {
            json!({ "user": {
                "dispositions": { "sip_udp": sip, "rtp": rtp },
                "events": { "tunnel_vxlan": vxlan, "streams": 1 },
            } })
        };
        let found = rates(&ledger(10, 100, 0), &ledger(30, 1100, 5), 10.0);
        assert!(found.what.starts_with("SIP 2.0/s, RTP 100.0/s, RTCP 0.0/s"), "{found:?}");
        assert!(found.what.ends_with("tunnel vxlan 0.5/s"), "{found:?}");
        assert!(rates(&json!(1), &json!([]), 0.0).what.starts_with("SIP 0.0/s"));
    }

    #[test]
    fn directions_come_as_the_ledger_writes_them() {
        let told = |value: Value| told_directions("a", &value).map(|one| one.state);
        assert_eq!(told(json!("both")), Some(State::Ok));
        assert_eq!(told(json!({ "missing": "sent", "host": "10.0.0.1" })), Some(State::Warning));
        assert_eq!(told(json!({ "missing": "sent", "host": "nobody" })), None);
        assert_eq!(told(Value::Null), None);
    }
}
