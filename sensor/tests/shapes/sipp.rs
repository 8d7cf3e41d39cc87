//! sipp, twice for each shape, many shapes at once; and what it counted.
//!
//! It runs without retransmissions of its own: what is repeated stands in the ladder, so that a
//! slow machine repeats nothing more.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::ladder::Side;
use crate::message::Ends;

/// Shapes that are played at once.
const AT_ONCE: usize = 24;
/// The longest that all of it may take.
const LIMIT: Duration = Duration::from_secs(120);
/// The longest that one side waits for a message, in milliseconds.
const PATIENCE_MS: u64 = 25_000;
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// One shape's part.
#[derive(Debug)]
pub(crate) struct Part {
    /// The files' name.
    pub(crate) name: &'static str,
    pub(crate) call_id: String,
    pub(crate) ends: Ends,
}

/// A sipp that is killed when this value goes.
#[derive(Debug)]
struct Phone(Child);

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Phone {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child can be waited for").is_some()
    }
}

/// Plays all parts and says what sipp has to complain of.
pub(crate) fn play(lab: &Lab, parts: &[&Part]) -> Vec<String> {
    let begin = Instant::now();
    let mut waiting = parts.iter();
    let mut playing: Vec<[Phone; 2]> = Vec::new();
    loop {
        playing.retain_mut(|pair| !pair.iter_mut().all(Phone::has_ended));
        while playing.len() < AT_ONCE {
            let Some(part) = waiting.next() else { break };
            let called = start(lab, part, Side::Callee);
            wait_until_bound(lab, part);
            playing.push([start(lab, part, Side::Caller), called]);
        }
        if playing.is_empty() {
            break;
        }
        assert!(begin.elapsed() < LIMIT, "the calls have not ended within {LIMIT:?}");
        std::thread::sleep(LOOK);
    }
    println!("the calls took {:.1} s", begin.elapsed().as_secs_f64());
    let folder = lab.folder();
    parts
        .iter()
        .flat_map(|part| Side::BOTH.map(|side| complaint(folder, part, side)))
        .flatten()
        .collect()
}

/// The name of a side's files.
fn stem(part: &Part, side: Side) -> String {
    format!("{}-{}", part.name, side.label())
}

fn start(lab: &Lab, part: &Part, side: Side) -> Phone {
    let folder = lab.folder();
    let stem = stem(part, side);
    let file = |ending: &str| folder.join(format!("{stem}.{ending}"));
    let here = part.ends.address(side).to_string();
    let mut sipp: Command = lab.phones(side).command("sipp");
    sipp.current_dir(folder).arg("-sf").arg(file("xml"));
    sipp.args(["-i", &here, "-bind_local", "-mi", &here, "-p", "5060", "-mp", "20000"]);
    sipp.args(["-t", if part.ends.over.is_tcp() { "t1" } else { "u1" }, "-nr", "-nostdin"]);
    sipp.args(["-m", "1", "-recv_timeout", &PATIENCE_MS.to_string(), "-timeout", "60"]);
    sipp.args(["-trace_err", "-error_file"]).arg(file("errors"));
    sipp.args(["-trace_stat", "-fd", "1", "-stf"]).arg(file("csv"));
    if side == Side::Caller {
        let there = part.ends.address(side.other());
        sipp.args(["-cid_str", &part.call_id]);
        sipp.arg(if there.is_ipv6() { format!("[{there}]:5060") } else { format!("{there}:5060") });
    }
    let said = File::create(file("said")).expect("a file can be made");
    sipp.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    Phone(sipp.spawn().expect("sipp can be run"))
}

/// Waits until the called side has its socket.
fn wait_until_bound(lab: &Lab, part: &Part) {
    let over = part.ends.over;
    let table = format!("/proc/thread-self/net/{}", over.table());
    // As the kernel prints it: each word of the address in the machine's own order.
    let address = match part.ends.address(Side::Callee) {
        std::net::IpAddr::V4(ip) => format!("{:08X}:13C4 ", u32::from_ne_bytes(ip.octets())),
        std::net::IpAddr::V6(ip) => {
            let words = ip.octets();
            let words = words.chunks(4).map(|w| u32::from_ne_bytes([w[0], w[1], w[2], w[3]]));
            words.map(|word| format!("{word:08X}")).collect::<String>() + ":13C4 "
        }
    };
    let until = Instant::now() + Duration::from_secs(10);
    let look = || fs::read_to_string(&table).is_ok_and(|text| text.contains(&address));
    while !lab.phones(Side::Callee).run(look).expect("the namespace can be entered") {
        assert!(Instant::now() < until, "{}: the called side does not listen", part.name);
        std::thread::sleep(LOOK);
    }
}

/// What sipp says if its call did not go as the ladder goes.
fn complaint(folder: &Path, part: &Part, side: Side) -> Option<String> {
    let stem = stem(part, side);
    let counted = counted(&folder.join(format!("{stem}.csv")));
    if counted == Some((1, 0)) {
        return None;
    }
    let read = |ending: &str| {
        fs::read_to_string(folder.join(format!("{stem}.{ending}"))).unwrap_or_default()
    };
    let said = read("errors") + &read("said");
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = said.get(..said.len().min(12)).unwrap_or_default().join("\n    ");
    Some(format!("sipp, {stem}: successful and failed {counted:?}\n    {said}"))
}

/// The cumulative counts in the last line of sipp's statistics: successful, failed.
fn counted(path: &Path) -> Option<(u32, u32)> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next()?.split(';').collect();
    let values: Vec<&str> = lines.next_back()?.split(';').collect();
    let value = |name: &str| -> Option<u32> {
        values.get(names.iter().position(|n| *n == name)?)?.trim().parse().ok()
    };
    Some((value("SuccessfulCall(C)")?, value("FailedCall(C)")?))
}
