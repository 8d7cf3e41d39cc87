//! The kernel programs for a host's own interfaces: loaded, attached, and their rings.
//!
//! One set of programs serves all interfaces, so that what passes by several of them comes to one
//! place. Links end with their descriptors, and so with the process.

use std::sync::Arc;

use aya::maps::{MapData, PerCpuArray, ProgramArray};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType};
use ringtap_common::maps::{self, RINGS_MAX};

use super::ring::Ring;
use crate::xdp::load::error::{from_program, in_map, os_error};
use crate::xdp::load::{HOST_OBJECT, LoadError, Options, Program, map_mut};

/// Rings to be made.
#[derive(Clone, Copy, Debug)]
pub struct Rings {
    /// How many, at most [`RINGS_MAX`].
    pub count: usize,
    /// Size of each, bytes; rounded down to a power of two.
    pub bytes: usize,
}

impl Rings {
    /// Rings that the kernel can make.
    pub(crate) fn sound(self) -> (u32, u32) {
        const BYTES_MIN: usize = 1 << 18;
        const BYTES_MAX: usize = 1 << 30;
        let bytes = self.bytes.clamp(BYTES_MIN, BYTES_MAX);
        (self.count.clamp(1, RINGS_MAX) as u32, 1 << bytes.ilog2())
    }
}

/// How often rings had no room, for each ring and processor.
pub(super) type Lost = Arc<PerCpuArray<MapData, u64>>;

/// What attaches programs to one interface; they go when it goes.
pub(super) type Links = Vec<SchedClassifierLink>;

impl Program {
    /// Loads the programs for a host's own interfaces, with their rings.
    ///
    /// # Errors
    /// [`LoadError`], most often for lack of privileges.
    pub(super) fn load_host(
        options: &Options,
        rings: Rings,
    ) -> Result<(Self, Vec<Ring>, Lost), LoadError> {
        let mut program = Self::make(HOST_OBJECT, options, Some(rings.sound()))?;
        for name in [maps::HOST_INNER_PROGRAM].iter().chain(&maps::HOST_PROGRAMS) {
            load(classifier(&mut program, name)?)?;
        }
        program.go_inside_host()?;
        let mut made = Vec::new();
        for name in maps::RINGS.iter().take(rings.sound().0 as usize) {
            made.push(Ring::open(program.take(name)?).map_err(LoadError::Ring)?);
        }
        let lost = PerCpuArray::try_from(program.take(maps::LOST)?).map_err(in_map(maps::LOST))?;
        Ok((program, made, Arc::new(lost)))
    }

    /// Attaches to an interface: before all others that see what comes in, behind all others that
    /// see what goes out. `bare`: its frames begin with the IP header.
    ///
    /// # Errors
    /// [`LoadError::NoTcx`] where the kernel cannot do it.
    pub(super) fn attach_host(
        &mut self,
        interface: &str,
        bare: bool,
        both: bool,
    ) -> Result<Links, LoadError> {
        // The library would panic on it, and no interface has such a name.
        if interface.contains('\0') {
            return Err(LoadError::NoInterface(interface.replace('\0', "\\0")));
        }
        let [coming, going] = if bare { maps::HOST_IP_PROGRAMS } else { maps::HOST_PROGRAMS };
        let ways = [
            (coming, TcAttachType::Ingress, LinkOrder::first()),
            (going, TcAttachType::Egress, LinkOrder::last()),
        ];
        let mut links = Vec::new();
        for (name, way, order) in ways.into_iter().take(if both { 2 } else { 1 }) {
            let program = classifier(self, name)?;
            if program.fd().is_err() {
                load(program)?;
            }
            let order = TcAttachOptions::TcxOrder(order);
            let id = program
                .attach_with_options(interface, way, order)
                .map_err(|error| refused(interface, error))?;
            links.push(program.take_link(id).map_err(|e| LoadError::Program(Box::new(e)))?);
        }
        Ok(links)
    }

    /// Lets the programs find the one that goes on inside of tunnels.
    fn go_inside_host(&mut self) -> Result<(), LoadError> {
        let failed = |e| LoadError::Program(Box::new(e));
        let inner = classifier(self, maps::HOST_INNER_PROGRAM)?.fd().map_err(failed)?;
        let inner = inner.try_clone().map_err(|e| failed(e.into()))?;
        let name = maps::PROGRAMS;
        let map = map_mut(&mut self.ebpf, name)?;
        let mut programs = ProgramArray::try_from(map).map_err(in_map(name))?;
        programs.set(0, &inner, 0).map_err(in_map(name))
    }
}

fn load(program: &mut SchedClassifier) -> Result<(), LoadError> {
    program.load().map_err(|e| from_program(e, "loading the kernel program"))
}

fn classifier<'a>(
    program: &'a mut Program,
    name: &str,
) -> Result<&'a mut SchedClassifier, LoadError> {
    let found = program.ebpf.program_mut(name);
    found
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|e| LoadError::Program(Box::new(e)))
}

fn refused(interface: &str, error: ProgramError) -> LoadError {
    match os_error(&error) {
        Some(libc::EPERM | libc::EACCES) => {
            LoadError::NotPermitted { what: "attaching a TCX program" }
        }
        Some(libc::ENODEV) => LoadError::NoInterface(interface.to_owned()),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            LoadError::NoTcx { why: "the kernel has none (it came with Linux 6.6)".into() }
        }
        _ => LoadError::NoTcx { why: crate::xdp::load::error::root(&error) },
    }
}
