//! The program on frames of our choosing, without an interface: for tests and measurements.
//!
//! A redirect is decided but not carried out, unless frames are asked to go live.

use std::time::Duration;

use aya::maps::Array;
use aya::programs::{TestRun, TestRunOptions};
use ringtap_common::fingerprint::{Slot, slot_index};
use ringtap_common::maps;

use super::error::in_map;
use super::{LoadError, Program, map, map_mut, xdp};

/// What the program did with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The action returned: 1 drop, 2 pass, 4 redirect.
    pub action: u32,
    /// Mean time of one run.
    pub duration: Duration,
    /// The frame as the program left it, with its metadata in front.
    pub frame: Vec<u8>,
}

/// Action of a dropped frame.
pub const XDP_DROP: u32 = 1;
/// Action of a frame that goes on to the host.
pub const XDP_PASS: u32 = 2;
/// Action of a frame that goes to a socket.
pub const XDP_REDIRECT: u32 = 4;

/// Room for metadata in front of the frame that comes back.
const META_MAX: usize = 256;

impl Program {
    /// Runs the program `repeat` times on one frame (at least an Ethernet header long), as if it
    /// had come in on queue 0.
    ///
    /// # Errors
    /// [`LoadError::Program`] if the kernel refuses the run.
    pub fn try_frame(&self, frame: &[u8], repeat: u32) -> Result<Outcome, LoadError> {
        let mut out = vec![0; frame.len() + META_MAX];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut out);
        options.repeat = repeat;
        let run = xdp(&self.ebpf, maps::PROGRAM)?
            .test_run(options)
            .map_err(|e| LoadError::Program(Box::new(e)))?;
        out.truncate(run.data_size_out as usize);
        Ok(Outcome { action: run.return_value, duration: run.duration, frame: out })
    }

    /// What the duplicate table remembers for a packet with this key.
    ///
    /// # Errors
    /// [`LoadError::Map`].
    pub fn duplicate_slot(&self, key: u64) -> Result<Slot, LoadError> {
        let table: Array<_, u64> =
            Array::try_from(map(&self.ebpf, maps::DEDUP)?).map_err(in_map(maps::DEDUP))?;
        let index = slot_index(key, self.settings.dedup_mask);
        table.get(&index, 0).map(Slot).map_err(in_map(maps::DEDUP))
    }

    /// Makes the duplicate table forget `by_ns` of time: the manual clock of tests.
    ///
    /// # Errors
    /// [`LoadError::Map`].
    pub fn age_duplicates(&mut self, by_ns: u64) -> Result<(), LoadError> {
        let mut table: Array<_, u64> =
            Array::try_from(map_mut(&mut self.ebpf, maps::DEDUP)?).map_err(in_map(maps::DEDUP))?;
        for index in 0..table.len() {
            let slot = table.get(&index, 0).map_err(in_map(maps::DEDUP))?;
            if slot != 0 {
                let aged = Slot(slot).aged(by_ns).0;
                table.set(index, aged, 0).map_err(in_map(maps::DEDUP))?;
            }
        }
        Ok(())
    }
}
