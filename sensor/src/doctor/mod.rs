//! `ringtap doctor`: whether a sensor will do well here, one line a finding.
//!
//! In the order of the findings. Each area asks and changes nothing; what it tries out (a file in
//! the spool, a port, the kernel program) is gone at once. Traffic is looked at by packet sockets,
//! which take no frame from anybody; a sensor that runs is asked instead.

pub mod finding;

mod card;
mod clock;
mod interface;
mod kernel;
mod listeners;
mod privileges;
mod sensor;
mod spool;
mod store;
mod traffic;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringtap_capture::nic::{Attached, Nic, attached};
use ringtap_capture::open::all_up;

use crate::config::Config;
use finding::{Finding, State};

/// An interface with what is known of it from the beginning.
struct Watched {
    name: String,
    nic: Option<Nic>,
    attached: Attached,
    mtu: Option<u32>,
    counters: card::Counters,
}

impl Watched {
    fn new(name: &str) -> Self {
        let mut nic = Nic::open(name).ok();
        let counters = nic.as_mut().map(|nic| card::counters(nic, name)).unwrap_or_default();
        let mtu = nic.as_ref().and_then(|nic| nic.basics().ok()).map(|basics| basics.mtu);
        Self {
            name: name.to_owned(),
            nic,
            attached: attached(name).unwrap_or_default(),
            mtu,
            counters,
        }
    }
}

/// Examines everything, with a look at traffic for so long, and gives each finding as it comes.
/// The worst state is the result.
///
/// # Errors
/// What `tell` gives.
pub fn examine(
    config: &Config,
    look: Duration,
    tell: &mut dyn FnMut(&Finding) -> io::Result<()>,
) -> io::Result<State> {
    let mut worst = State::Ok;
    let mut tell = |found: Vec<Finding>| {
        found.iter().try_for_each(|finding| {
            worst = worst.max(finding.state);
            tell(finding)
        })
    };
    tell(kernel::examine(config))?;
    tell(privileges::examine(config))?;
    tell(clock::examine())?;
    if let Some(why) = config.contradiction() {
        let finding = Finding::new(State::Problem, "configuration", why);
        tell(vec![finding.means("`ringtap run` does not start")])?;
    }
    let names = if config.takes_any() { all_up()? } else { config.interface.clone() };
    let mut interfaces: Vec<Watched> = names.iter().map(|name| Watched::new(name)).collect();
    if interfaces.is_empty() && !config.listens() {
        let nothing = Finding::new(State::Problem, "interface", "no interface is named")
            .means("nothing is captured")
            .advice("give -i IFACE, or set `interface`, `hep`, `ipfix` or `listen_udp_tunnels`");
        tell(vec![nothing])?;
    }
    for one in &mut interfaces {
        tell(interface::examine(one, config))?;
        tell(card::examine(one))?;
    }
    let (found, disk) = spool::examine(config);
    tell(found)?;
    tell(store::examine(config))?;
    let ledger = sensor::ask(config);
    tell(listeners::examine(config))?;
    tell(sensor::examine(config, ledger.as_ref()))?;
    let looked = traffic::examine(config, &interfaces, ledger.as_ref(), look);
    tell(looked.found)?;
    if let (Some(disk), Some(bytes)) = (disk, looked.bytes_per_second) {
        tell(vec![spool::lasts(&disk, bytes)])?;
    }
    for one in &mut interfaces {
        tell(card::what_was_counted(one, look))?;
    }
    Ok(worst)
}

/// The part of a path that is there.
fn existing(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|part| part.exists());
    // A relative path begins in the working folder.
    there.filter(|part| !part.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// A file that has no name any more: nothing is left of it, however we end.
fn nameless_file(folder: &Path) -> io::Result<std::fs::File> {
    let path = folder.join(format!(".ringtap-doctor-{}", std::process::id()));
    let mut how = std::fs::OpenOptions::new();
    let file = how.read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_name_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(nameless_file(folder.path()).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(nameless_file(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn the_part_of_a_path_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(&folder.path().join("a/b")), folder.path());
        assert_eq!(existing(Path::new("absent-here")), Path::new("."));
    }
}
