//! Call shapes: sipp plays each of them, with audio, and the records must be what the table
//! says; live by XDP at a mirror port, and by replay of the same packets.
//!
//! In the order of reading: `table` has the shapes, each a ladder and the record it must give;
//! `ladder` reads the one, `message` and `scenario` make sipp's two scenarios of it, `audio` what
//! is played; `lab`, `sipp` and `witness` are the telephones, the mirror and dumpcap; `play` lets
//! them all run; `compare` judges.
//!
//! Four witnesses must agree: the table, sipp's own counts, tshark's, and the records of 1, 2 and
//! 4 workers. With `RINGTAP_SHAPES=DIR` the scenarios, the capture and the records stay there.

mod audio;
mod compare;
mod lab;
mod ladder;
mod message;
mod play;
mod records;
#[path = "../support/running.rs"]
mod running;
mod scenario;
#[path = "../netns/sensor.rs"]
#[expect(dead_code, reason = "the other live tests use the rest")]
mod sensor;
mod sipp;
mod table;
mod witness;

use std::path::Path;

use lab::Lab;
use ladder::Line;
use records::gather;
use sensor::ringtap;
use serde_json::Value;

/// `ringtap replay` with so many workers: what it prints.
fn replay(capture: &Path, workers: &str, more: &[&str]) -> String {
    let capture = capture.to_string_lossy();
    let mut arguments = vec!["replay", &capture, "--format", "json", "--workers", workers];
    arguments.extend(play::TIMEOUTS.iter().flat_map(|timeout| ["-O", *timeout]));
    arguments.extend(more);
    let done = ringtap(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

fn call_records(text: &str) -> Vec<Value> {
    let records = text.lines().map(|line| serde_json::from_str(line).expect("a JSON object"));
    records.filter(|record: &Value| record["type"] == "call").collect()
}

#[test]
fn every_shape_gives_its_record_live_and_by_replay() {
    let calls = play::calls();
    let Some(lab) = Lab::new(calls.len()) else { return };
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    let mut note = |what, differences: Vec<String>| found.push((what, differences));

    let mut differences = Vec::new();
    let recorded = play::all(&lab, &calls, &mut differences);
    note("sipp's own counts", differences);

    let mut differences = Vec::new();
    let live = gather(&recorded.calls, &recorded.files.database, &mut differences);
    compare::with_table(&calls, &live, &mut differences);
    note("the live records and the table", differences);

    let database = lab.folder().join("replay.sqlite");
    let store = format!("sqlite:{}", database.display());
    let text = replay(&recorded.capture, "1", &["--store", &store]);
    let mut differences = Vec::new();
    let replayed = gather(&call_records(&text), &database, &mut differences);
    compare::with_table(&calls, &replayed, &mut differences);
    note("the replayed records and the table", differences);

    let mut differences = Vec::new();
    compare::live_with_replay(&live, &replayed, &mut differences);
    note("live and replay", differences);

    let one = replay(&recorded.capture, "1", &[]);
    let others = ["2", "4"].into_iter().filter(|n| replay(&recorded.capture, n, &[]) != one);
    note("one worker and several", others.map(|n| format!("{n} workers differ")).collect());

    let messages = witness::sip_counts(&recorded.capture);
    let streams = witness::rtp_streams(&recorded.capture);
    for (records, messages_of, streams_of) in [
        (&live, "the live records' messages and tshark's", "the live streams and tshark's"),
        (&replayed, "the replayed messages and tshark's", "the replayed streams and tshark's"),
    ] {
        let mut differences = Vec::new();
        compare::sip_with_tshark(&calls, records, &messages, &mut differences);
        note(messages_of, differences);
        let mut differences = Vec::new();
        compare::rtp_with_tshark(records, &streams, &mut differences);
        note(streams_of, differences);
    }
    let mut differences = Vec::new();
    let user = &recorded.ledger["user"];
    for (what, ledger, tshark) in [
        ("messages", &user["events"]["sip_messages"], messages.values().sum()),
        ("fragments", &user["dispositions"]["fragment"], witness::fragments(&recorded.capture)),
    ] {
        if *ledger != tshark || tshark == 0 {
            differences.push(format!("{what}: {ledger} in the ledger, {tshark} by tshark"));
        }
    }
    note("the ledger and tshark", differences);

    println!("{} shapes", calls.len());
    let failed: usize = found.iter().map(|(_, differences)| differences.len()).sum();
    for (what, differences) in &found {
        println!("{}  {what}", if differences.is_empty() { "agree " } else { "DIFFER" });
        differences.iter().for_each(|difference| println!("        {difference}"));
    }
    assert_eq!(failed, 0, "the differences stand above");
}

#[test]
fn a_pause_follows_audio() {
    for call in play::calls() {
        for pair in call.lines.windows(2).filter(|pair| matches!(pair[0], Line::Audio(..))) {
            let name = call.shape.name;
            assert!(matches!(pair[1], Line::Audio(..) | Line::Wait(_)), "{name}: {:?}", pair[1]);
        }
    }
}

#[test]
fn names_are_unique_and_there_are_enough() {
    let calls = play::calls();
    let mut names: Vec<&str> = calls.iter().map(|call| call.shape.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), calls.len());
    assert!(names.len() >= 25);
}

#[test]
fn a_ladder_becomes_two_scenarios() {
    let call = play::calls().into_iter().find(|c| c.shape.name == "cancelled").unwrap();
    let [caller, called] = scenario::write("cancelled", &call.lines, &call.part.ends);
    let steps = |xml: &str| -> Vec<String> {
        let lines = xml.lines().map(str::trim);
        let steps = lines.filter(|l| {
            l.starts_with("<recv")
                || l.starts_with("<pause")
                || l.contains("SIP/2.0") && !l.starts_with("Via")
        });
        steps.map(|l| l.split(" sip:").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(
        steps(&caller),
        [
            "INVITE",
            "<recv response=\"100\" />",
            "<recv response=\"180\" />",
            "<pause milliseconds=\"600\" />",
            "CANCEL",
            "<recv response=\"200\" />",
            "<recv response=\"487\" />",
            "ACK",
        ]
    );
    assert_eq!(
        steps(&called),
        [
            "<recv request=\"INVITE\" />",
            "SIP/2.0 100 Trying",
            "SIP/2.0 180 Ringing",
            "<recv request=\"CANCEL\" />",
            "SIP/2.0 200 OK",
            "SIP/2.0 487 Request Terminated",
            "<recv request=\"ACK\" />",
        ]
    );
    // A CANCEL, and the ACK to a refusal, are of their INVITE's transaction.
    let via = |xml: &str| -> Vec<String> {
        xml.lines().filter(|l| l.starts_with("Via")).map(str::to_owned).collect()
    };
    assert!(via(&caller).iter().chain(&via(&called)).all(|line| *line == via(&caller)[0]));
    assert!(called.contains("CSeq: 1 CANCEL") && called.contains("CSeq: 1 INVITE"));
}
