//! The programs for a host's own interfaces on frames of our choosing, without an interface: for
//! tests and measurements.

use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use ringtap_common::maps;
use ringtap_common::record::{HEAD_LEN, Head};

use super::load::{Lost, Rings};
use super::ring::Ring;
use crate::xdp::load::trial::Outcome;
use crate::xdp::load::{Counts, LoadError, Options, Program};

/// Action of a frame that goes on, to the next program or to the host.
pub const GO_ON: u32 = u32::MAX;

/// The programs and their rings.
pub struct Trial {
    program: Program,
    rings: Vec<Ring>,
    lost: Lost,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("rings", &self.rings.len()).finish_non_exhaustive()
    }
}

impl Trial {
    /// Loads the programs.
    ///
    /// # Errors
    /// [`LoadError`], most often for lack of privileges.
    pub fn new(options: &Options, rings: Rings) -> Result<Self, LoadError> {
        let (program, rings, lost) = Program::load_host(options, rings)?;
        Ok(Self { program, rings, lost })
    }

    /// Runs the program that sees what comes in, or what goes out (`sent`), `repeat` times on one
    /// frame, which has an Ethernet header.
    ///
    /// # Errors
    /// [`LoadError::Program`] if the kernel refuses the run.
    pub fn try_frame(&self, frame: &[u8], sent: bool, repeat: u32) -> Result<Outcome, LoadError> {
        let failed = |e| LoadError::Program(Box::new(e));
        let [coming, going] = maps::HOST_PROGRAMS;
        let name = if sent { going } else { coming };
        let program = self.program.ebpf.program(name);
        let program: &SchedClassifier = program
            .ok_or(aya::programs::ProgramError::NotLoaded)
            .and_then(TryInto::try_into)
            .map_err(failed)?;
        let mut out = vec![0; frame.len()];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut out);
        options.repeat = repeat;
        let run = program.test_run(options).map_err(failed)?;
        out.truncate(run.data_size_out as usize);
        Ok(Outcome { action: run.return_value, duration: run.duration, frame: out })
    }

    /// What the programs counted.
    ///
    /// # Errors
    /// [`LoadError::Map`].
    pub fn counts(&self) -> Result<Counts, LoadError> {
        self.program.counts()
    }

    /// How large the program is.
    ///
    /// # Errors
    /// [`LoadError::Program`].
    pub fn size(&self) -> Result<crate::xdp::load::Size, LoadError> {
        self.program.host_size()
    }

    /// Frames for which there was no room.
    pub fn lost(&self) -> u64 {
        let of = |number| self.lost.get(&number, 0).map_or(0, |lost| lost.iter().sum::<u64>());
        (0..self.rings.len() as u32).map(of).sum()
    }

    /// Calls `f` with each record of each ring, in order, and gives the records back. Records that
    /// cannot be read are `None`.
    pub fn records(&mut self, mut f: impl FnMut(usize, Option<(Head, &[u8])>)) {
        for (number, ring) in self.rings.iter_mut().enumerate() {
            while let Some(record) = ring.next() {
                let head = Head::read(record);
                let frame = head.zip(record.get(HEAD_LEN..));
                f(
                    number,
                    frame.and_then(|(head, rest)| Some((head, rest.get(..head.len as usize)?))),
                );
            }
            ring.give_back();
        }
    }
}
