//! A sensor that runs already: what it has lost, and how far its agents' clocks are off. It is
//! asked at its status socket, like by `ringtap status`.

use serde_json::Value;

use super::existing;
use super::finding::{Finding, State};
use crate::config::Config;
use crate::status;

/// A clock of an agent that is off by so much is worth a word, ms.
const SKEW_MS: u64 = 500;

/// Agents that are named.
const AGENTS_MAX: usize = 20;

/// Its ledger; `None`: none answers.
pub(super) fn ask(config: &Config) -> Option<Value> {
    status::ask(&config.status_socket).ok()
}

pub(super) fn examine(config: &Config, ledger: Option<&Value>) -> Vec<Finding> {
    let path = config.status_socket.display();
    let Some(ledger) = ledger else {
        let folder = existing(config.status_socket.parent().unwrap_or(&config.status_socket));
        if !folder.is_dir() || super::nameless_file(&folder).is_err() {
            let what = format!("the status socket {path} cannot be made");
            return vec![
                Finding::new(State::Problem, "sensor", what)
                    .means("`ringtap run` does not start")
                    .advice("name another `status_socket`"),
            ];
        }
        return vec![Finding::new(State::Ok, "sensor", format!("none serves {path}"))];
    };
    let uptime = ledger["uptime_s"].as_u64().unwrap_or_default();
    let runs = format!("one runs, for {uptime} s");
    let mut found =
        vec![Finding::new(State::Ok, "sensor", runs).means("what it captures, it is asked for")];
    found.extend(losses(ledger));
    for (name, key) in [("HEP", "hep"), ("IPFIX", "ipfix")] {
        let sources = ledger[key]["sources"].as_array().into_iter().flatten();
        found.extend(sources.take(AGENTS_MAX).filter_map(|source| agent(name, source)));
    }
    found
}

fn losses(ledger: &Value) -> Option<Finding> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let sockets: u64 = ledger["interfaces"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|one| {
            let keys = ["rx_dropped", "rx_ring_full", "packet_dropped", "unusable"];
            keys.map(|key| number(&one["sockets"][key]))
        })
        .sum();
    let spool: u64 =
        ["dropped_pool", "dropped_disk"].map(|key| number(&ledger["spool"][key])).iter().sum();
    let records = number(&ledger["user"]["events"]["records_lost"]);
    if sockets + spool + records == 0 {
        return Some(Finding::new(State::Ok, "sensor losses", "none since it runs"));
    }
    let what = format!("sockets {sockets} frames, spool {spool} packets, records {records}");
    Some(
        Finding::new(State::Warning, "sensor losses", what)
            .means("it does not keep up at times")
            .advice("more queues and processors, `worker_priority`, a larger `spool_pool_mb`"),
    )
}

fn agent(name: &str, source: &Value) -> Option<Finding> {
    let ahead = source["ahead_ms"].as_i64()?;
    let (address, agent) = (source["address"].as_str()?, &source["agent"]);
    let about = format!("{name} clock");
    let what = format!("agent {agent} at {address} is {ahead:+} ms off");
    if source["believed"] != true {
        return Some(
            Finding::new(State::Warning, about, what)
                .means("its time is not used, that of arrival is")
                .advice("synchronise its clock, or raise `hep_skew_max`"),
        );
    }
    if ahead.unsigned_abs() > SKEW_MS {
        return Some(
            Finding::new(State::Warning, about, what)
                .means("its packets do not fit those of others")
                .advice("synchronise its clock"),
        );
    }
    Some(Finding::new(State::Ok, about, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_running_sensor_tells_of_losses_and_agents() {
        let ledger = json!({
            "uptime_s": 7,
            "interfaces": [{ "sockets": { "rx_ring_full": 2, "received": 9 } }],
            "spool": { "dropped_pool": 3 },
            "hep": { "sources": [
                { "address": "10.0.0.1", "agent": 1, "ahead_ms": 20, "believed": true },
                { "address": "10.0.0.2", "agent": 2, "ahead_ms": -900, "believed": true },
                { "address": "10.0.0.3", "agent": 3, "ahead_ms": 90_000, "believed": false },
                { "address": "10.0.0.4", "agent": 4 },
            ] },
        });
        let found = examine(&Config::default(), Some(&ledger));
        let states: Vec<State> = found.iter().map(|one| one.state).collect();
        let (ok, warning) = (State::Ok, State::Warning);
        assert_eq!(states, [ok, warning, ok, warning, warning]);
        assert!(found[1].what.contains("sockets 2 frames, spool 3 packets"), "{found:?}");
        assert!(found[3].what.contains("-900 ms"), "{found:?}");
        // Whatever answers at the socket: nothing is believed to have a shape.
        for odd in [json!(null), json!([1]), json!({ "interfaces": 3, "hep": { "sources": 1 } })] {
            assert_eq!(examine(&Config::default(), Some(&odd)).len(), 2);
        }
    }

    #[test]
    fn without_a_sensor_its_socket_must_be_possible() {
        let folder = tempfile::tempdir().unwrap();
        let config = |path: &str| Config::with(|c| c.status_socket = folder.path().join(path));
        assert_eq!(ask(&config("run/status")), None);
        assert_eq!(examine(&config("run/status"), None)[0].state, State::Ok);
        std::fs::write(folder.path().join("file"), b"").unwrap();
        assert_eq!(examine(&config("file/status"), None)[0].state, State::Problem);
    }
}
