//! All shapes, once: played by sipp, recorded live by the sensor and by dumpcap.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, address};
use crate::ladder::{self, Line, Side};
use crate::message::Ends;
use crate::scenario;
use crate::sensor::{Files, Sensor, wait_for};
use crate::sipp::{self, Part};
use crate::table::{self, Shape};
use crate::witness::Capture;

/// Timeouts that do not keep anybody waiting; live and for replay.
pub(crate) const TIMEOUTS: [&str; 5] = [
    "rtptimeout=8",
    "sipwithoutrtptimeout=7",
    "bye_timeout=5",
    "onewaytimeout=4",
    "response_default_timeout=3",
];
/// From the last call's end to the last record, the longest timeout included.
const RECORDS_LIMIT: Duration = Duration::from_secs(25);

/// A shape, ready to be played.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) shape: Shape,
    pub(crate) lines: Vec<Line>,
    pub(crate) part: Part,
}

/// Every shape, with its addresses, numbers and Call-ID.
pub(crate) fn calls() -> Vec<Call> {
    table::all().into_iter().enumerate().map(|(number, shape)| call(number, shape)).collect()
}

fn call(number: usize, shape: Shape) -> Call {
    let addresses = Side::BOTH.map(|side| address(shape.over, side, number));
    let numbers = [1000, 2000].map(|base| (base + number).to_string());
    let mut call_id = format!("{}@shapes.example", shape.name);
    let missing = shape.call_id_length.saturating_sub(call_id.len());
    call_id.insert_str(0, &"long-".repeat(missing / 5));
    let ends = Ends { addresses, numbers, over: shape.over, form: shape.form };
    let lines = ladder::read(shape.ladder);
    Call { shape, lines, part: Part { name: shape.name, call_id, ends } }
}

/// What was recorded.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// The live records.
    pub(crate) calls: Vec<Value>,
    pub(crate) files: Files,
    /// Everything that was on the mirror.
    pub(crate) capture: PathBuf,
    pub(crate) ledger: Value,
}

/// Plays all calls and records them.
pub(crate) fn all(lab: &Lab, calls: &[Call], differences: &mut Vec<String>) -> Recorded {
    for call in calls {
        let scenarios = scenario::write(call.shape.name, &call.lines, &call.part.ends);
        for (side, text) in Side::BOTH.into_iter().zip(scenarios) {
            let file = format!("{}-{}.xml", call.shape.name, side.label());
            std::fs::write(lab.folder().join(file), text).expect("a file can be written");
        }
        for line in &call.lines {
            let Line::Audio(sides, tune) = line else { continue };
            sides.iter().for_each(|side| tune.write(lab.folder(), *side));
        }
    }
    let files = Files::new(lab, "sensor");
    let mut options = vec!["--capture", "xdp"];
    options.extend(TIMEOUTS.iter().flat_map(|timeout| ["-O", *timeout]));
    let sensor = Sensor::start(lab, &files, &options);
    let capture = Capture::start(lab);
    let parts: Vec<&Part> = calls.iter().map(|call| &call.part).collect();
    differences.extend(sipp::play(lab, &parts));
    let closed = calls.iter().filter(|call| !call.shape.record.open).count();
    wait_for("the records of all calls that end", RECORDS_LIMIT, || {
        (files.calls().len() >= closed).then_some(())
    });
    let capture = capture.stop(lab);
    let ledger = sensor.status_with("a balanced ledger", |ledger| ledger["balanced"] == true);
    sensor.finish();
    Recorded { calls: files.calls(), files, capture, ledger }
}
