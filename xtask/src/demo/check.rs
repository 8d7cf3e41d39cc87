//! Whether three witnesses agree: sipp that made the calls, tshark that saw the same mirror, and
//! the sensor's records.
//!
//! Every check gives one line: what was compared, and how it came out.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::Value;

use super::ledger;
use super::mirror::{Opinion, Stream, StreamKey};
use super::traffic::{self, Counted};
use crate::lab;

/// Differences shown of one comparison, at most.
const SHOWN_MAX: usize = 5;

/// What has been compared so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    lines: Vec<String>,
    failed: usize,
}

impl Findings {
    /// Notes one comparison and its differences.
    pub(super) fn note(&mut self, what: &str, differences: &[String]) {
        if differences.is_empty() {
            self.lines.push(format!("  agrees   {what}"));
            return;
        }
        self.failed += 1;
        self.lines.push(format!("  DIFFERS  {what}"));
        let shown = differences.iter().take(SHOWN_MAX);
        self.lines.extend(shown.map(|difference| format!("             {difference}")));
        if let Some(more) = differences.len().checked_sub(SHOWN_MAX + 1) {
            self.lines.push(format!("             and {} more", more + 1));
        }
    }

    /// Prints every comparison.
    pub(super) fn print(&self) {
        for line in &self.lines {
            println!("{line}");
        }
    }

    /// Fails with one line if anything differs.
    pub(super) fn verdict(&self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} of the demo's comparisons differ (see above)", self.failed);
        }
        Ok(())
    }
}

/// sipp's own counts against the records, a telephone each.
pub(super) fn calls(counted: &[Counted], records: &[Value], findings: &mut Findings) {
    let mut differences = Vec::new();
    for (number, count) in (0..).zip(counted) {
        let address = lab::phone(number);
        if count.failed > 0 || count.successful != count.phone.calls {
            differences.push(format!(
                "sipp at {address}: {} of {} calls went as planned",
                count.successful, count.phone.calls
            ));
        }
        let mine: Vec<&Value> =
            records.iter().filter(|record| record["sipcallerip"] == *address).collect();
        if mine.len() != count.successful as usize {
            let (records, calls) = (mine.len(), count.successful);
            differences.push(format!("{address}: {records} records, {calls} calls"));
        }
        differences.extend(mine.into_iter().filter_map(|record| call(count, record)));
    }
    if records.len() != traffic::total() as usize {
        differences.push(format!("{} records, {} calls", records.len(), traffic::total()));
    }
    findings.note(
        &format!("sipp: {} calls, their responses and who hung up", traffic::total()),
        &differences,
    );
}

/// One record against what its telephone did.
fn call(count: &Counted, record: &Value) -> Option<String> {
    let phone = count.phone;
    let id = record["callid"].as_str().unwrap_or("?");
    let answered = phone.response == 200;
    if record["lastSIPresponseNum"] != phone.response {
        let response = &record["lastSIPresponseNum"];
        return Some(format!("{id}: response {response}, sent was {}", phone.response));
    }
    if record["called"] != phone.called {
        return Some(format!("{id}: called {}, not {}", record["called"], phone.called));
    }
    if answered && record["whohanged"] != phone.hangs_up {
        let who = &record["whohanged"];
        return Some(format!("{id}: {who} hung up, it was the {}", phone.hangs_up));
    }
    let connected = record["connect_duration"].as_f64();
    let as_planned = match connected {
        Some(seconds) => answered && (6.0..9.0).contains(&seconds),
        None => !answered,
    };
    if !as_planned {
        return Some(format!("{id}: connected for {connected:?} s"));
    }
    None
}

/// tshark's streams against the records' streams.
pub(super) fn streams(opinion: &[Stream], records: &[Value], findings: &mut Findings) {
    let mut ours = BTreeMap::new();
    for stream in records.iter().filter_map(|record| record["streams"].as_array()).flatten() {
        let Some((key, received, lost)) = stream_of(stream) else { continue };
        let sums = ours.entry(key).or_insert((0, 0));
        sums.0 += received;
        sums.1 += lost;
    }
    let mut differences = Vec::new();
    for theirs in opinion {
        let seen = (theirs.received, theirs.lost);
        match ours.remove(&theirs.key) {
            Some(sums) if sums == seen => {}
            Some(sums) => differences.push(format!(
                "{}: received and lost {sums:?}, tshark {seen:?}",
                shown(&theirs.key)
            )),
            None => differences.push(format!("{}: not in the records", shown(&theirs.key))),
        }
    }
    differences.extend(ours.keys().map(|key| format!("{}: tshark has none", shown(key))));
    let packets: u64 = opinion.iter().map(|stream| stream.received).sum();
    let lost: i64 = opinion.iter().map(|stream| stream.lost).sum();
    let count = opinion.len();
    findings.note(
        &format!("tshark: {count} RTP streams, {packets} packets received, {lost} lost"),
        &differences,
    );
}

/// The duplicates that the sensor dropped against the copies on the mirror.
pub(super) fn copies(opinion: &Opinion, dropped: u64, findings: &mut Findings) {
    let mut differences = Vec::new();
    if dropped != opinion.copies {
        differences
            .push(format!("the sensor dropped {dropped}, the mirror had {}", opinion.copies));
    }
    if opinion.copies == 0 {
        differences.push("the mirror had no copies at all".to_owned());
    }
    findings.note(&format!("tshark: {} second copies dropped", opinion.copies), &differences);
}

/// The ledger's own sum, and that the queues share the work.
pub(super) fn ledger(ledger: &Value, findings: &mut Findings) -> Result<()> {
    let unbalanced = "it does not, though nothing has come for a while".to_owned();
    let differences = if ledger::balanced(ledger)? { Vec::new() } else { vec![unbalanced] };
    findings.note("ledger: every frame is accounted for", &differences);
    let queues = ledger::queues(ledger);
    let total: u64 = queues.iter().sum();
    let busy = queues.iter().filter(|frames| **frames * 10 >= total && total > 0).count();
    let idle = format!("frames by queue: {queues:?}");
    let differences = if busy >= 2 { Vec::new() } else { vec![idle] };
    findings.note(&format!("ledger: {busy} queues carry a tenth or more each"), &differences);
    Ok(())
}

/// One call's packets out of the spool, against its record.
pub(super) fn extracted(opinion: &[Stream], record: &Value, findings: &mut Findings) {
    let mut hushed = Findings::default();
    streams(opinion, std::slice::from_ref(record), &mut hushed);
    let differences = if hushed.failed == 0 { Vec::new() } else { hushed.lines };
    let packets: u64 = opinion.iter().map(|stream| stream.received).sum();
    findings.note(&format!("spool: one call's {packets} RTP packets came back"), &differences);
}

fn stream_of(stream: &Value) -> Option<(StreamKey, u64, i64)> {
    let key = StreamKey {
        saddr: stream["saddr"].as_str()?.to_owned(),
        sport: stream["sport"].as_u64()?,
        daddr: stream["daddr"].as_str()?.to_owned(),
        dport: stream["dport"].as_u64()?,
        ssrc: stream["ssrc"].as_u64()?,
    };
    Some((key, stream["received"].as_u64()?, stream["lost"].as_i64()?))
}

fn shown(key: &StreamKey) -> String {
    let StreamKey { saddr, sport, daddr, dport, ssrc } = key;
    format!("{saddr}:{sport} → {daddr}:{dport} {ssrc:#010x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stream(received: u64, lost: i64) -> Stream {
        let (saddr, daddr) = ("10.0.0.1".to_owned(), "10.0.0.2".to_owned());
        let key = StreamKey { saddr, sport: 4000, daddr, dport: 5000, ssrc: 7 };
        Stream { key, received, lost }
    }

    fn record(received: u64, lost: u64) -> Value {
        json!({"streams": [{"saddr": "10.0.0.1", "sport": 4000, "daddr": "10.0.0.2",
            "dport": 5000, "ssrc": 7, "received": received, "lost": lost}]})
    }

    #[track_caller]
    fn check(theirs: &[Stream], ours: &[Value], agree: bool) {
        let mut findings = Findings::default();
        streams(theirs, ours, &mut findings);
        assert_eq!(findings.verdict().is_ok(), agree, "{findings:?}");
    }

    #[test]
    fn streams_must_agree_in_both_directions() {
        check(&[stream(300, 8)], &[record(300, 8)], true);
        check(&[stream(300, 8)], &[record(100, 3), record(200, 5)], true);
        check(&[stream(300, 8)], &[record(300, 7)], false);
        check(&[stream(300, 8)], &[record(299, 8)], false);
        check(&[stream(300, 8)], &[], false);
        check(&[], &[record(300, 8)], false);
    }

    #[test]
    fn a_call_must_end_as_its_telephone_ended_it() {
        let count = Counted { phone: traffic::PHONES[0], successful: 1, failed: 0 };
        let good = json!({"callid": "a", "called": "1000", "lastSIPresponseNum": 200,
            "whohanged": "caller", "connect_duration": 6.6});
        assert_eq!(call(&count, &good), None);
        for (key, wrong) in [
            ("called", json!("2000")),
            ("lastSIPresponseNum", json!(486)),
            ("whohanged", json!("callee")),
            ("connect_duration", Value::Null),
            ("connect_duration", json!(60.0)),
        ] {
            let mut bad = good.clone();
            bad[key] = wrong;
            assert!(call(&count, &bad).is_some(), "{key}");
        }
    }
}
