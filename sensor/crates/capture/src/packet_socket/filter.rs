//! The kernel program that lets VoIP through to packet sockets, and nothing else.
//!
//! It takes nothing away from anybody: a packet socket gets copies. Tunnels are handed over whole.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use aya::maps::{HashMap, MapData};
use aya::programs::{ProgramError, SocketFilter};
use ringtap_common::maps::{self, Claim};

use crate::batch::Link;
use crate::xdp::load::error::{from_program, in_map, os_error};
use crate::xdp::load::{HOST_OBJECT, LoadError, Options, Program, map_mut};
use crate::{hardware, sys};

/// The program, and the sockets that it filters for.
#[derive(Debug)]
pub struct Filter {
    program: Mutex<Program>,
    sockets: Mutex<Vec<OwnedFd>>,
}

impl Filter {
    /// Loads it.
    ///
    /// # Errors
    /// [`LoadError`], most often for lack of privileges.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let mut program = Program::make(HOST_OBJECT, options, None)?;
        let filter = socket_filter(&mut program).map_err(|e| LoadError::Program(Box::new(e)))?;
        filter.load().map_err(|e| from_program(e, "loading the kernel program"))?;
        let filter = Self { program: Mutex::new(program), sockets: Mutex::default() };
        filter.look()?;
        Ok(filter)
    }

    /// Tells the program which interfaces have no Ethernet headers, as they are now.
    pub(crate) fn look(&self) -> Result<(), LoadError> {
        let there = sys::interfaces().map_err(LoadError::Interfaces)?;
        let bare = there.into_iter().filter(|(_, name)| {
            let facts = sys::facts(name);
            facts.is_ok_and(|facts| hardware::link(facts.hardware) == Some(Link::RawIp))
        });
        let now: Vec<u32> = bare.map(|(index, _)| index).collect();
        self.with(|program| {
            let map = map_mut(&mut program.ebpf, maps::BARE)?;
            let mut known: HashMap<&mut MapData, u32, Claim> =
                HashMap::try_from(map).map_err(in_map(maps::BARE))?;
            let before: Vec<u32> = known.keys().flatten().collect();
            for gone in before.iter().filter(|index| !now.contains(index)) {
                known.remove(gone).map_err(in_map(maps::BARE))?;
            }
            for new in now.iter().filter(|index| !before.contains(index)) {
                known.insert(new, 1, 0).map_err(in_map(maps::BARE))?;
            }
            Ok(())
        })
    }

    /// Lets a socket have what the program lets through.
    pub(super) fn attach(&self, socket: &OwnedFd) -> io::Result<()> {
        let attached = self.with(|program| socket_filter(program)?.attach(socket));
        attached.map_err(|error| match os_error(&error) {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::other(error),
        })?;
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).push(socket.try_clone()?);
        Ok(())
    }

    /// Gives the sockets nothing more, and counts nothing more.
    pub(crate) fn stop(&self) -> io::Result<()> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().try_for_each(|socket| sys::deafen(socket.as_raw_fd(), true))
    }

    /// Does something with the program.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Program) -> T) -> T {
        // The program's state is the kernel's: a panic elsewhere cannot leave it half changed.
        work(&mut self.program.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn socket_filter(program: &mut Program) -> Result<&mut SocketFilter, ProgramError> {
    program.ebpf.program_mut(maps::SOCKET_PROGRAM).ok_or(ProgramError::NotLoaded)?.try_into()
}
