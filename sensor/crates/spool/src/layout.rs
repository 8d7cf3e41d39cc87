//! Where segments lie: `YYYY-MM-DD/HH/{SIP,RTP}/TIME-sN-lN-ID.pcap.zst` under the root, in UTC.
//!
//! A segment that is being written ends in `.part`; its index, made when it is sealed, ends in
//! `.idx`. Names help to find; what a segment is stands in the segment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::format::{Class, Prologue};

/// Packets of a segment lie no earlier than this before its base time.
pub(crate) const BEFORE_BASE_NS: u64 = 60_000_000_000;
/// Chunks of a segment start within this time after its base time.
pub(crate) const AFTER_BASE_NS: u64 = 300_000_000_000;
/// A chunk's packets lie at most this far from its first one.
pub(crate) const CHUNK_SPAN_NS: u64 = 10_000_000_000;
/// Files of a folder that are taken in; far above what an hour makes.
const FILES_MAX: usize = 4_000_000;

/// The end of a sealed segment's name.
pub const SEALED: &str = ".pcap.zst";
/// The end of the name of a segment that is being written, or was when its writer died.
pub const PART: &str = ".pcap.zst.part";
/// The end of an index's name.
pub const INDEX: &str = ".idx";

const HOUR_NS: u64 = 3_600_000_000_000;

/// One segment's files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Folder and name without any ending.
    stem: PathBuf,
    /// Whether the segment is still `.part`.
    pub(crate) part: bool,
}

impl Place {
    /// Where a new segment goes.
    pub(crate) fn of(root: &Path, prologue: &Prologue) -> Self {
        let (year, month, day, second) = civil(prologue.base_ns);
        let hour = second / 3600;
        let name = format!(
            "{year:04}{month:02}{day:02}T{hour:02}{:02}{:02}Z-s{}-l{}-{:016x}",
            second / 60 % 60,
            second % 60,
            prologue.sensor,
            prologue.link,
            prologue.segment,
        );
        let stem = root
            .join(format!("{year:04}-{month:02}-{day:02}"))
            .join(format!("{hour:02}"))
            .join(prologue.class.folder())
            .join(name);
        Self { stem, part: true }
    }

    /// The place of a file, if its name is one of a segment.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (stem, part) = match name.strip_suffix(PART) {
            Some(stem) => (stem, true),
            None => (name.strip_suffix(SEALED)?, false),
        };
        Some(Self { stem: path.with_file_name(stem), part })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.stem.parent().unwrap_or(Path::new("."))
    }

    pub(crate) fn path(&self) -> PathBuf {
        if self.part { self.part_path() } else { self.sealed_path() }
    }

    pub(crate) fn part_path(&self) -> PathBuf {
        self.with(PART)
    }

    pub(crate) fn sealed_path(&self) -> PathBuf {
        self.with(SEALED)
    }

    pub(crate) fn index_path(&self) -> PathBuf {
        self.with(INDEX)
    }

    pub(crate) fn index_draft_path(&self) -> PathBuf {
        self.with(".idx.new")
    }

    /// The sensor's number, as the name tells it.
    pub(crate) fn sensor(&self) -> Option<u32> {
        let name = self.stem.file_name()?.to_str()?;
        name.split('-').nth(1)?.strip_prefix('s')?.parse().ok()
    }

    /// The segment's base time to the second, as the name tells it, UNIX ns.
    pub(crate) fn base_ns(&self) -> Option<u64> {
        let name = self.stem.file_name()?.to_str()?;
        let (day, time) = name.split('-').next()?.strip_suffix('Z')?.split_once('T')?;
        let day = format!("{}-{}-{}", day.get(..4)?, day.get(4..6)?, day.get(6..)?);
        let number = |at| time.get(at..at + 2)?.parse::<u64>().ok();
        let seconds = number(0)? * 3600 + number(2)? * 60 + number(4)?;
        Some(parse_day(&day)? + seconds * 1_000_000_000)
    }

    fn with(&self, ending: &str) -> PathBuf {
        let mut path = self.stem.clone().into_os_string();
        path.push(ending);
        path.into()
    }
}

/// The folders of a class whose segments may hold packets between two times, oldest first.
pub(crate) fn folders_between(
    root: &Path,
    class: Class,
    from_ns: u64,
    to_ns: u64,
) -> Result<Vec<PathBuf>, SpoolError> {
    let earliest = from_ns.saturating_sub(AFTER_BASE_NS + CHUNK_SPAN_NS + HOUR_NS);
    let latest = to_ns.saturating_add(BEFORE_BASE_NS + CHUNK_SPAN_NS);
    let mut found = Vec::new();
    for day in folders(root)? {
        let Some(day_ns) = name_of(&day).and_then(parse_day) else { continue };
        for hour in folders(&day)? {
            let Some(number) = name_of(&hour).and_then(|name| name.parse::<u64>().ok()) else {
                continue;
            };
            let start = day_ns.saturating_add(number.saturating_mul(HOUR_NS));
            if (earliest..=latest).contains(&start) {
                found.push(hour.join(class.folder()));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The segments in a folder, by name, which is by time. One that is there both sealed and in part
/// is given as sealed.
pub(crate) fn segments_in(folder: &Path) -> Result<Vec<Place>, SpoolError> {
    let paths = list(folder)?;
    if paths.len() > FILES_MAX {
        return Err(SpoolError::Options("more segments in a folder than one search takes in"));
    }
    let mut places: Vec<Place> = paths.iter().filter_map(|path| Place::from_path(path)).collect();
    places.sort_unstable();
    places.dedup_by(|later, kept| later.stem == kept.stem);
    Ok(places)
}

/// Every folder that may hold segments.
pub(crate) fn class_folders(root: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let mut found = Vec::new();
    for day in folders(root)? {
        if name_of(&day).and_then(parse_day).is_none() {
            continue;
        }
        for hour in folders(&day)? {
            for class in Class::ALL {
                let folder = hour.join(class.folder());
                if folder.is_dir() {
                    found.push(folder);
                }
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What lies in a folder; nothing when the folder does not exist.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let failed = |source| SpoolError::io("list", folder, source);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let mut all = list(folder)?;
    all.retain(|path| path.is_dir());
    Ok(all)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The start of a day named `YYYY-MM-DD`, UNIX ns.
fn parse_day(name: &str) -> Option<u64> {
    let mut parts = name.splitn(3, '-');
    let year: i64 = parts.next().filter(|part| part.len() == 4)?.parse().ok()?;
    let month: i64 = parts.next().filter(|part| part.len() == 2)?.parse().ok()?;
    let day: i64 = parts.next().filter(|part| part.len() == 2)?.parse().ok()?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years counted from March, so that the leap day is a year's last.
    let year = year - i64::from(month <= 2);
    let from_march = (month + 9) % 12;
    let era_days = year * 365 + year / 4 - year / 100 + year / 400;
    let days = era_days + (153 * from_march + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days).ok().map(|days| days * 24 * HOUR_NS)
}

/// A UNIX time for people, to the second.
pub(crate) fn clock_time(ts_ns: u64) -> String {
    let (year, month, day, second) = civil(ts_ns);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// Year, month, day and second of the day of a UNIX time, in the Gregorian calendar.
fn civil(ts_ns: u64) -> (u64, u64, u64, u64) {
    let seconds = ts_ns / 1_000_000_000;
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day, seconds % 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_named_after_its_time_sensor_and_link() {
        let prologue = Prologue {
            class: Class::Media,
            sensor: 7,
            link: 1,
            segment: 0xab,
            base_ns: 1_709_210_096_000_000_005,
        };
        let place = Place::of(Path::new("/r"), &prologue);
        let name = "/r/2024-02-29/12/RTP/20240229T123456Z-s7-l1-00000000000000ab.pcap.zst";
        assert_eq!(place.path(), Path::new(&format!("{name}.part")));
        assert_eq!(place.sealed_path(), Path::new(name));
        assert_eq!(place.sensor(), Some(7));
        assert_eq!(place.base_ns(), Some(1_709_210_096_000_000_000));
        assert_eq!(Place::from_path(Path::new("/r/x-s7.pcap.zst")).unwrap().base_ns(), None);
        assert_eq!(Place::from_path(&place.path()), Some(place.clone()));
        assert_eq!(Place::from_path(&place.index_path()), None);
    }

    #[test]
    fn days_parse_back_to_what_they_were_printed_from() {
        for day in (0..60_000).step_by(13) {
            let ns = day * 24 * HOUR_NS;
            let (year, month, date, second) = civil(ns + 5);
            assert_eq!(second, 0);
            assert_eq!(parse_day(&format!("{year:04}-{month:02}-{date:02}")), Some(ns));
        }
        for bad in ["2024-13-01", "24-01-01", "2024-1-1", "2024-01", "lost+found", "1969-01-01"] {
            assert_eq!(parse_day(bad), None, "{bad}");
        }
    }
}
