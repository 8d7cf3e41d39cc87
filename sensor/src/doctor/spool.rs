//! The spool's place: whether it can be written, how fast, and how long its room lasts.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::finding::{Finding, State};
use super::{existing, nameless_file};
use crate::config::Config;
use crate::plant::options;

/// What is written to measure, at most, and for how long.
const TRIAL_BYTES: u64 = 64 << 20;
const TRIAL_TIME: Duration = Duration::from_secs(5);
/// Of the free room no more than this part is used for it.
const TRIAL_PART: u64 = 8;
const BLOCK: usize = 1 << 20;

/// Room below which a spool is soon full.
const FREE_MIN: u64 = 1 << 30;

/// A day's seconds.
const DAY: f64 = 86_400.0;

/// Where the spool writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    /// Bytes that are free.
    free: u64,
    /// Bytes a second that it took; `None`: not measured.
    speed: Option<f64>,
}

pub(super) fn examine(config: &Config) -> (Vec<Finding>, Option<Disk>) {
    let Some(spool) = options::spool(config, false) else {
        let nothing = Finding::new(State::Note, "spool", "no packets are kept")
            .means("calls have records, but `ringtap pcap` and `audio` find nothing")
            .advice("give --spool DIR, or set `savesip`, `savertp`, `savertcp`");
        return (vec![nothing], None);
    };
    let root = spool.root.as_path();
    let shown = root.display();
    let folder = existing(root);
    let cannot = |error: &io::Error| {
        Finding::new(State::Problem, "spool", format!("{shown} cannot be written ({error})"))
            .means("`ringtap run` does not start")
            .advice("name another `spooldir`, or give this one to the sensor's user")
    };
    if !folder.is_dir() {
        return (vec![cannot(&io::ErrorKind::NotADirectory.into())], None);
    }
    let file = match nameless_file(&folder) {
        Ok(file) => file,
        Err(error) => return (vec![cannot(&error)], None),
    };
    let free = match free(&folder) {
        Ok(free) => free,
        Err(error) => return (vec![cannot(&error)], None),
    };
    let mut found = vec![room(root, free)];
    let speed = match write(file, TRIAL_BYTES.min(free / TRIAL_PART)) {
        Ok((0, _)) => None,
        Ok((bytes, seconds)) => {
            let speed = bytes as f64 / seconds;
            let what = format!("takes {:.0} MB/s ({} MiB written)", speed / 1e6, bytes >> 20);
            found.push(Finding::new(State::Ok, "spool speed", what));
            Some(speed)
        }
        Err(error) => {
            found.push(cannot(&error));
            None
        }
    };
    (found, Some(Disk { free, speed }))
}

fn free(folder: &Path) -> io::Result<u64> {
    let told = rustix::fs::statvfs(folder)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

fn room(root: &Path, free: u64) -> Finding {
    let what = format!("{} can be written, {:.1} GB free", root.display(), free as f64 / 1e9);
    if free >= FREE_MIN {
        return Finding::new(State::Ok, "spool", what);
    }
    Finding::new(State::Warning, "spool", what)
        .means("it is soon full: the oldest packets go then, or with `cleanspool = no` new ones")
        .advice("make room, or name another `spooldir`")
}

/// Writes so much, synced; gives the bytes and the seconds that it took.
fn write(mut file: std::fs::File, bytes: u64) -> io::Result<(u64, f64)> {
    // Bytes that no file system can make shorter (an xorshift generator).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_ne_bytes());
    }
    let (begun, mut written) = (Instant::now(), 0);
    while written < bytes && begun.elapsed() < TRIAL_TIME {
        file.write_all(&block)?;
        written += block.len() as u64;
    }
    file.sync_all()?;
    Ok((written, begun.elapsed().as_secs_f64().max(0.001)))
}

/// How the disk fares with what was seen of traffic.
pub(super) fn lasts(disk: &Disk, bytes_per_second: f64) -> Finding {
    let rate = format!("{:.2} MB/s of VoIP", bytes_per_second / 1e6);
    if let Some(speed) = disk.speed.filter(|speed| *speed < bytes_per_second * 2.0) {
        let what = format!("{rate}, and the disk takes {:.2} MB/s", speed / 1e6);
        return Finding::new(State::Warning, "spool time", what)
            .means("packets are lost in busy hours")
            .advice("a faster disk, or `savertp = header`");
    }
    if bytes_per_second < 1.0 {
        let what = "too little VoIP to tell how long it lasts";
        return Finding::new(State::Note, "spool time", what);
    }
    let days = disk.free as f64 / bytes_per_second / DAY;
    let what = format!("{rate} fill the free room in {days:.1} days");
    if days >= 1.0 {
        return Finding::new(State::Ok, "spool time", what)
            .means("at the rate of this moment, uncompressed");
    }
    Finding::new(State::Warning, "spool time", what)
        .means("at the rate of this moment, uncompressed")
        .advice("more room, `tar_compress_rtp = yes`, or `savertp = header`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        options::save_all(&mut config, &folder.path().join("spool/deep"));
        let (found, disk) = examine(&config);
        assert!(found.iter().all(|one| one.state <= State::Warning), "{found:?}");
        assert!(disk.unwrap().speed.unwrap() > 0.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_folder_cannot_be_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut config = Config::default();
        options::save_all(&mut config, &file.path().join("spool"));
        let (found, disk) = examine(&config);
        assert_eq!((found.len(), found[0].state), (1, State::Problem));
        assert!(disk.is_none());
        assert_eq!(examine(&Config::default()).0[0].state, State::Note);
    }

    #[test]
    fn room_lasts_or_does_not() {
        let disk = |free, speed| Disk { free, speed: Some(speed) };
        assert_eq!(lasts(&disk(100_000_000_000, 1e9), 1e6).state, State::Ok);
        assert_eq!(lasts(&disk(10_000_000_000, 1e9), 1e6).state, State::Warning);
        assert_eq!(lasts(&disk(u64::MAX, 1e6), 1e6).state, State::Warning);
        assert_eq!(lasts(&disk(1, 1e6), 0.0).state, State::Note);
        assert_eq!(room(Path::new("x"), 1).state, State::Warning);
    }
}
