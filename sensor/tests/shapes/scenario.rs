//! A ladder as two scenarios for sipp, one for each side.

use std::fmt::Write;

use crate::ladder::{Line, Message, Side, Start};
use crate::message::{Ends, Writer};

/// How long a side stays after its last line, in milliseconds: its audio may still be playing.
const STAY_MS: u64 = 1200;

/// The scenarios of the caller and of the called side.
pub(crate) fn write(name: &str, lines: &[Line], ends: &Ends) -> [String; 2] {
    Side::BOTH.map(|side| one(name, lines, ends, side))
}

fn one(name: &str, lines: &[Line], ends: &Ends, side: Side) -> String {
    let mut writer = Writer::new(ends);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE scenario SYSTEM \"sipp.dtd\">\n\
         <scenario name=\"{name}, {}\">\n",
        side.label()
    );
    let mut wait_ms = 0;
    for line in lines {
        match line {
            Line::Record => {}
            Line::Wait(ms) => wait_ms += ms,
            Line::Audio(sides, tune) if sides.contains(&side) => {
                let file = tune.file(side);
                let _ = writeln!(
                    xml,
                    "  <nop><action><exec play_pcap_audio=\"{file}\" /></action></nop>"
                );
            }
            Line::Audio(..) => {}
            Line::Message(message) => {
                let text = writer.write(message);
                if message.from == side {
                    pause(&mut xml, wait_ms);
                    let _ = write!(xml, "  <send><![CDATA[\n\n{text}\n]]></send>\n");
                } else {
                    let _ = writeln!(xml, "  <recv {} />", awaited(message));
                }
                wait_ms = 0;
            }
        }
    }
    pause(&mut xml, wait_ms);
    let _ = writeln!(xml, "  <timewait milliseconds=\"{STAY_MS}\" />\n</scenario>");
    xml
}

fn pause(xml: &mut String, ms: u64) {
    if ms > 0 {
        let _ = writeln!(xml, "  <pause milliseconds=\"{ms}\" />");
    }
}

fn awaited(message: &Message) -> String {
    match message.start {
        Start::Request(method) => format!("request=\"{method}\""),
        Start::Response(status, _) => format!("response=\"{status}\""),
    }
}
