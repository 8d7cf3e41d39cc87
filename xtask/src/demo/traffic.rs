//! The calls: sipp as the server and as several telephones, and what they themselves counted.
//!
//! What becomes of a call is decided by the number it calls; see `scenarios/server.xml`.

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::audio;
use crate::command;
use crate::lab::process::Process;
use crate::lab::{self, Lab, Place};

/// The longest that all calls may take together.
const LIMIT: Duration = Duration::from_secs(60);

/// What one telephone does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phone {
    /// Scenario file, without its ending.
    pub(super) scenario: &'static str,
    /// The number it calls.
    pub(super) called: &'static str,
    /// How many calls, two a second.
    pub(super) calls: u32,
    /// The final response to its INVITE.
    pub(super) response: u16,
    /// Who ends the call, as the records name it; empty if it was never answered.
    pub(super) hangs_up: &'static str,
}

/// Every telephone of the demo, in the order of their addresses.
pub(super) const PHONES: [Phone; lab::PHONES as usize] = [
    phone("caller_hangs_up", "1000", 12, 200, "caller"),
    phone("called_hangs_up", "2000", 5, 200, "callee"),
    phone("reinvite", "3000", 1, 200, "caller"),
    phone("refused", "404", 3, 404, ""),
    phone("refused", "486", 4, 486, ""),
    phone("refused", "500", 1, 500, ""),
    phone("cancelled", "487", 2, 487, ""),
];

const fn phone(
    scenario: &'static str,
    called: &'static str,
    calls: u32,
    response: u16,
    hangs_up: &'static str,
) -> Phone {
    Phone { scenario, called, calls, response, hangs_up }
}

/// What sipp's own statistics say about one telephone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) phone: Phone,
    /// Calls that went as their scenario says.
    pub(super) successful: u32,
    pub(super) failed: u32,
}

/// All calls together.
pub(super) fn total() -> u32 {
    PHONES.iter().map(|phone| phone.calls).sum()
}

/// Makes all calls and waits for their end. Gives sipp's counts, a telephone each.
pub(super) fn run(lab: &Lab, folder: &Path) -> Result<Vec<Counted>> {
    audio::write(folder, audio::CALLER)?;
    audio::write(folder, audio::SERVER)?;
    copy_scenarios(folder)?;
    let mut server = start_server(lab, folder)?;
    let mut running = Vec::new();
    for number in 0..lab::PHONES {
        running.push(start_phone(lab, folder, number)?);
    }
    let begin = Instant::now();
    loop {
        let mut open = 0;
        for process in running.iter_mut().chain([&mut server]) {
            open += u32::from(process.try_wait()?.is_none());
        }
        show(folder, begin, open == 0);
        if open == 0 {
            break;
        }
        if begin.elapsed() > LIMIT {
            bail!(
                "the calls have not ended after {} s; sipp's own messages are in {}",
                LIMIT.as_secs(),
                folder.display()
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    PHONES.iter().zip(0..).map(|(phone, number)| counted(folder, *phone, number)).collect()
}

/// One line that grows on a terminal; only the end of it elsewhere.
fn show(folder: &Path, begin: Instant, last: bool) {
    let terminal = std::io::stderr().is_terminal();
    if !terminal && !last {
        return;
    }
    let done: u32 = (0..lab::PHONES)
        .filter_map(|number| statistics(&statistics_file(folder, number)).ok())
        .map(|(successful, failed)| successful + failed)
        .sum();
    let start = if terminal { "\r" } else { "" };
    let end = if last { "\n" } else { "" };
    let seconds = begin.elapsed().as_secs();
    eprint!("{start}  {done} of {} calls ended, {seconds} s{end}", total());
    // A status line that cannot be shown is no reason to stop.
    drop(std::io::stderr().flush());
}

/// sipp looks for the audio beside the scenario.
fn copy_scenarios(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(command::root().join("xtask/scenarios"))? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))
            .with_context(|| format!("cannot copy {}", entry.path().display()))?;
    }
    Ok(())
}

fn start_server(lab: &Lab, folder: &Path) -> Result<Process> {
    let mut sipp = sipp(lab, folder, Place::Server, "server", "server")?;
    sipp.args(["-i", lab::SERVER, "-mp", "30000", "-m", &total().to_string()]);
    Process::spawn(&mut sipp)
}

fn start_phone(lab: &Lab, folder: &Path, number: u8) -> Result<Process> {
    let phone = PHONES[usize::from(number)];
    let name = format!("phone{number}");
    let mut sipp = sipp(lab, folder, Place::Callers, phone.scenario, &name)?;
    sipp.args(["-i", &lab::phone(number), "-mp", "20000", "-s", phone.called]);
    sipp.args(["-key", "line", &(11 + number).to_string()]);
    sipp.args(["-m", &phone.calls.to_string(), "-r", "2"]).arg(lab::SERVER);
    sipp.args(["-trace_stat", "-fd", "1", "-stf"]).arg(statistics_file(folder, number));
    Process::spawn(&mut sipp)
}

/// sipp with what all have in common; its screen and messages go to files.
fn sipp(lab: &Lab, folder: &Path, place: Place, scenario: &str, name: &str) -> Result<Command> {
    let scenario = folder.join(format!("{scenario}.xml"));
    let screen = folder.join(format!("{name}.screen"));
    let errors = folder.join(format!("{name}.errors"));
    let file = |path: &Path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))
    };
    let mut sipp = lab.enter(place, "sipp");
    sipp.current_dir(folder).arg("-sf").arg(scenario);
    sipp.args(["-p", "5060", "-t", "u1", "-nostdin", "-timeout", "50"]);
    sipp.args(["-trace_err", "-error_file"]).arg(&errors);
    sipp.stdout(file(&screen)?).stderr(file(&errors)?);
    Ok(sipp)
}

fn statistics_file(folder: &Path, number: u8) -> PathBuf {
    folder.join(format!("phone{number}.csv"))
}

fn counted(folder: &Path, phone: Phone, number: u8) -> Result<Counted> {
    let path = statistics_file(folder, number);
    let (successful, failed) =
        statistics(&path).with_context(|| format!("no sipp statistics in {}", path.display()))?;
    Ok(Counted { phone, successful, failed })
}

/// The cumulative counts in the last line of sipp's statistics: successful, failed.
fn statistics(path: &Path) -> Result<(u32, u32)> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next().context("the file is empty")?.split(';').collect();
    let values: Vec<&str> = lines.next_back().context("no line yet")?.split(';').collect();
    let value = |name: &str| -> Result<u32> {
        let at = names.iter().position(|n| *n == name).context("a column is missing")?;
        values.get(at).context("a value is missing")?.trim().parse().context("not a number")
    };
    Ok((value("SuccessfulCall(C)")?, value("FailedCall(C)")?))
}
