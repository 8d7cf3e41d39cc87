//! Which listeners there are, each with lanes and memory of its own.

use super::options;
use crate::agents::{Inbox, Lanes, Listener};
use crate::config::Config;
use crate::hep::{self, Hep};
use crate::ipfix::{self, Ipfix};
use crate::tunnels::{self, Tunnels};

/// What is to be listened to.
#[derive(Debug)]
pub(super) struct Wanted {
    hep: Option<hep::Options>,
    ipfix: Option<ipfix::Options>,
    tunnels: Option<tunnels::Options>,
}

impl Wanted {
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            hep: options::hep(config)?,
            ipfix: options::ipfix(config),
            tunnels: options::tunnels(config)?,
        })
    }

    pub(super) fn any(&self) -> bool {
        self.hep.is_some() || self.ipfix.is_some() || self.tunnels.is_some()
    }

    /// Listens; what comes goes to the workers that these inboxes are of.
    pub(super) fn open(
        self,
        config: &Config,
        inboxes: &mut [Inbox],
    ) -> anyhow::Result<Vec<Box<dyn Listener>>> {
        let mut lanes = |megabytes: usize| Lanes::new(inboxes, megabytes << 20);
        let mut all: Vec<Box<dyn Listener>> = Vec::new();
        if let Some(hep) = self.hep {
            all.push(Box::new(Hep::open(hep, lanes(config.hep.memory_mb))?));
        }
        if let Some(ipfix) = self.ipfix {
            all.push(Box::new(Ipfix::open(ipfix, lanes(config.ipfix.memory_mb))?));
        }
        if let Some(tunnels) = self.tunnels {
            all.push(Box::new(Tunnels::open(tunnels, lanes(config.listen.memory_mb))?));
        }
        Ok(all)
    }
}
