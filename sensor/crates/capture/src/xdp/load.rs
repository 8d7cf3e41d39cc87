//! The kernel program from user space: load it with its settings, attach it, reach its maps.
//!
//! It creates no socket and reads no packet. One [`Program`] serves one interface, because its
//! socket map is indexed by RX queue alone.
#![expect(unsafe_code, reason = "the map library wants a promise that values are plain bytes")]

pub(crate) mod error;
pub mod trial;

pub use error::LoadError;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::AsRawFd;

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, ProgramArray, XskMap};
use aya::programs::{Program as AnyProgram, ProgramError, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use ringtap_common::fingerprint::SLOTS_MIN;
use ringtap_common::maps::{self, Address, Claim, Endpoint, PortSets, Settings};
use ringtap_common::verdict::{COUNT, Verdict};
use ringtap_common::walk::Ip;

use error::{from_load, from_program, in_map, os_error};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ringtap.bpf.o"));

/// The programs for a host's own interfaces.
pub(crate) static HOST_OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ringtap-host.bpf.o"));

/// How the program sits on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver, before the kernel allocates anything for a frame.
    Native,
    /// In the network stack: works everywhere, slower.
    Generic,
}

impl std::fmt::Display for AttachMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// What the program is loaded with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Constants of the program. `dedup_mask` is set from [`Options::dedup_slots`].
    pub settings: Settings,
    /// Which ports mean what; can be changed later.
    pub ports: Box<PortSets>,
    /// Slots of the duplicate table, a power of two; 8 bytes each.
    pub dedup_slots: u32,
    /// Most learned endpoints.
    pub learned_max: u32,
    /// Most RX queues.
    pub queues_max: u32,
    /// Whether the program's rare log lines are wanted, see [`Program::flush_log`].
    pub log: bool,
}

impl Default for Options {
    /// The defaults of `ringtap_common::maps`, with fresh random keys.
    fn default() -> Self {
        Self {
            // The standard library keys its hashers from the system's randomness.
            settings: Settings::new(RandomState::new().build_hasher().finish()),
            ports: Box::default(),
            dedup_slots: maps::DEDUP_SLOTS,
            learned_max: maps::LEARNED_MAX,
            queues_max: maps::SOCKETS_MAX,
            log: false,
        }
    }
}

/// How much of the kernel's budget the program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Instructions in the kernel, after dead code was removed.
    pub instructions: u32,
    /// Instructions that the verifier followed on all paths (limit: one million); 0 if the kernel
    /// does not tell.
    pub verified: u32,
    /// Bytes of machine code, 0 without a JIT compiler.
    pub machine_code: u32,
}

/// Frames under each verdict since the program was loaded, over all processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts([u64; COUNT]);

impl Counts {
    /// Frames under one verdict.
    #[must_use]
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.0.get(verdict as usize).copied().unwrap_or(0)
    }

    /// Every verdict with its frames.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> + '_ {
        Verdict::ALL.into_iter().zip(self.0)
    }

    /// All frames that the interface handed to the program.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Frames that were redirected to sockets.
    #[must_use]
    pub fn redirected(&self) -> u64 {
        self.iter().filter(|(v, _)| v.is_redirected()).map(|(_, frames)| frames).sum()
    }

    /// Frames since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = *self;
        for (now, then) in counts.0.iter_mut().zip(earlier.0) {
            *now = now.saturating_sub(then);
        }
        counts
    }
}

/// The program in the kernel. Dropping it detaches it and frees its maps.
pub struct Program {
    pub(crate) ebpf: Ebpf,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
    settings: Settings,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Program {
    /// Loads the program and fills its port table; it sees no frame before [`Program::attach`].
    ///
    /// # Errors
    /// [`LoadError`], most often for lack of privileges.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let mut program = Self::make(OBJECT, options, None)?;
        for name in [maps::INNER_PROGRAM, maps::PROGRAM] {
            let program = xdp_mut(&mut program.ebpf, name)?;
            program.load().map_err(|e| from_program(e, "loading the kernel program"))?;
        }
        go_inside(&mut program.ebpf)?;
        if options.log {
            let log = EbpfLogger::init(&mut program.ebpf);
            program.log = Some(log.map_err(|e| LoadError::Log(Box::new(e)))?);
        }
        Ok(program)
    }

    /// Makes the maps and fills the port table, and loads no program yet. `rings`: how many are
    /// used, and the size of each in bytes.
    pub(crate) fn make(
        object: &[u8],
        options: &Options,
        rings: Option<(u32, u32)>,
    ) -> Result<Self, LoadError> {
        if object.is_empty() {
            return Err(LoadError::NoObject);
        }
        let mut settings = options.settings;
        let slots =
            if settings.dedup_window_ns == 0 { SLOTS_MIN as u32 } else { options.dedup_slots };
        if !slots.is_power_of_two() || slots > maps::DEDUP_SLOTS_MAX {
            return Err(LoadError::DedupSlots(slots));
        }
        settings.dedup_mask = slots - 1;
        let plain = Plain(settings);
        let log_level = u8::from(options.log) * LOG_WARN;
        let (rings, ring_bytes) = rings.unwrap_or((0, 0));
        let mut loader = EbpfLoader::new();
        for name in maps::RINGS.into_iter().take(rings as usize) {
            loader.map_max_entries(name, ring_bytes);
        }
        let ebpf = loader
            .override_global(maps::RINGS_USED, &rings, false)
            .override_global(maps::SETTINGS, &plain, true)
            .override_global("AYA_LOG_LEVEL", &log_level, false)
            .map_max_entries(maps::DEDUP, slots)
            .map_max_entries(maps::LEARNED, options.learned_max.max(1))
            .map_max_entries(maps::SOCKETS, options.queues_max.max(1))
            .load(object)
            .map_err(from_load)?;
        let mut program = Self { ebpf, log: None, settings };
        program.set_ports(&options.ports)?;
        Ok(program)
    }

    /// The settings in force: the reader of stamps needs the magic.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Attaches to an interface in one mode, until this value is dropped.
    ///
    /// # Errors
    /// [`LoadError`]; `Attach` where the interface cannot do the mode.
    pub fn attach(&mut self, interface: &str, mode: AttachMode) -> Result<(), LoadError> {
        // The library would panic on it, and no interface has such a name.
        if interface.contains('\0') {
            return Err(LoadError::NoInterface(interface.replace('\0', "\\0")));
        }
        let flag = match mode {
            AttachMode::Native => XdpMode::Driver,
            AttachMode::Generic => XdpMode::Skb,
        };
        match xdp_mut(&mut self.ebpf, maps::PROGRAM)?.attach(interface, flag) {
            Ok(_) => Ok(()),
            Err(ProgramError::UnknownInterface { name }) => Err(LoadError::NoInterface(name)),
            Err(error) => Err(match os_error(&error) {
                Some(libc::EBUSY | libc::EEXIST) => LoadError::Busy(interface.to_owned()),
                Some(libc::EPERM | libc::EACCES) => {
                    LoadError::NotPermitted { what: "attaching an XDP program" }
                }
                _ => LoadError::Attach {
                    interface: interface.to_owned(),
                    mode,
                    source: Box::new(error),
                },
            }),
        }
    }

    /// Attaches in native mode, else in generic mode: then the second value says why.
    ///
    /// # Errors
    /// As [`Program::attach`], for generic mode, or where no other mode could help.
    pub fn attach_best(
        &mut self,
        interface: &str,
    ) -> Result<(AttachMode, Option<LoadError>), LoadError> {
        match self.attach(interface, AttachMode::Native) {
            Ok(()) => Ok((AttachMode::Native, None)),
            Err(why @ LoadError::Attach { .. }) => {
                self.attach(interface, AttachMode::Generic)?;
                Ok((AttachMode::Generic, Some(why)))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the frames of a queue to an AF_XDP socket that has an RX ring.
    ///
    /// # Errors
    /// [`LoadError::Map`].
    pub fn set_socket(&mut self, queue: u32, socket: &impl AsRawFd) -> Result<(), LoadError> {
        let mut sockets = XskMap::try_from(map_mut(&mut self.ebpf, maps::SOCKETS)?)
            .map_err(in_map(maps::SOCKETS))?;
        sockets.set(queue, socket.as_raw_fd(), 0).map_err(in_map(maps::SOCKETS))
    }

    /// Takes a queue's socket out; its frames count as `no_socket` from then on.
    ///
    /// # Errors
    /// [`LoadError::Map`], also if there was none.
    pub fn clear_socket(&mut self, queue: u32) -> Result<(), LoadError> {
        let mut sockets = XskMap::try_from(map_mut(&mut self.ebpf, maps::SOCKETS)?)
            .map_err(in_map(maps::SOCKETS))?;
        sockets.unset(queue).map_err(in_map(maps::SOCKETS))
    }

    /// Replaces the port table; frames that arrive meanwhile may see some of both.
    ///
    /// # Errors
    /// [`LoadError::Map`].
    pub fn set_ports(&mut self, ports: &PortSets) -> Result<(), LoadError> {
        let mut table: Array<_, Plain<PortSets>> =
            Array::try_from(map_mut(&mut self.ebpf, maps::PORTS)?).map_err(in_map(maps::PORTS))?;
        table.set(0, Plain(*ports), 0).map_err(in_map(maps::PORTS))
    }

    /// Lets every datagram from or to this endpoint through.
    ///
    /// # Errors
    /// [`LoadError::Map`], also when the table is full.
    pub fn learn(&mut self, ip: Ip, port: u16) -> Result<(), LoadError> {
        let claim: Claim = 1;
        let key = Plain(Endpoint::new(ip, port));
        self.learned()?.insert(key, claim, 0).map_err(in_map(maps::LEARNED))
    }

    /// Takes an endpoint back; one that was not there is no error.
    ///
    /// # Errors
    /// [`LoadError::Map`].
    pub fn forget(&mut self, ip: Ip, port: u16) -> Result<(), LoadError> {
        match self.learned()?.remove(&Plain(Endpoint::new(ip, port))) {
            Err(error) if os_error(&error) != Some(libc::ENOENT) => {
                Err(in_map(maps::LEARNED)(error))
            }
            _ => Ok(()),
        }
    }

    /// The counters, summed over processors. Not a snapshot: frames go on meanwhile.
    ///
    /// # Errors
    /// [`LoadError::Map`].
    pub fn counts(&self) -> Result<Counts, LoadError> {
        let counters: PerCpuArray<_, u64> = PerCpuArray::try_from(map(&self.ebpf, maps::VERDICTS)?)
            .map_err(in_map(maps::VERDICTS))?;
        let mut counts = Counts([0; COUNT]);
        for (index, sum) in (0..).zip(counts.0.iter_mut()) {
            let values = counters.get(&index, 0).map_err(in_map(maps::VERDICTS))?;
            *sum = values.iter().sum();
        }
        Ok(counts)
    }

    /// How large the program is.
    ///
    /// # Errors
    /// [`LoadError::Program`].
    pub fn size(&self) -> Result<Size, LoadError> {
        self.size_of(maps::PROGRAM)
    }

    /// How large the program is that goes on inside of tunnels.
    ///
    /// # Errors
    /// [`LoadError::Program`].
    pub fn inner_size(&self) -> Result<Size, LoadError> {
        self.size_of(maps::INNER_PROGRAM)
    }

    /// How large the program is that sees what an interface of the host's own takes in.
    ///
    /// # Errors
    /// [`LoadError::Program`].
    pub fn host_size(&self) -> Result<Size, LoadError> {
        self.size_of(maps::HOST_PROGRAMS[0])
    }

    /// How large the filter of packet sockets is.
    ///
    /// # Errors
    /// [`LoadError::Program`].
    pub fn filter_size(&self) -> Result<Size, LoadError> {
        self.size_of(maps::SOCKET_PROGRAM)
    }

    fn size_of(&self, name: &str) -> Result<Size, LoadError> {
        let program = self.ebpf.program(name).ok_or(ProgramError::NotLoaded);
        let info = program.and_then(|program| match program {
            AnyProgram::Xdp(program) => program.info(),
            AnyProgram::SchedClassifier(program) => program.info(),
            AnyProgram::SocketFilter(program) => program.info(),
            _ => Err(ProgramError::UnexpectedProgramType),
        });
        let info = info.map_err(|e| LoadError::Program(Box::new(e)))?;
        Ok(Size {
            instructions: info.size_translated().unwrap_or(0) / 8,
            verified: info.verified_instruction_count().unwrap_or(0),
            machine_code: info.size_jitted(),
        })
    }

    /// Hands the program's rare log lines, if [`Options::log`] asked for them, to the `log` crate.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// This host's own addresses are these, and no others.
    ///
    /// # Errors
    /// [`LoadError::Map`], also for more of them than [`maps::OWN_MAX`].
    pub fn set_own(&mut self, addresses: &[Ip]) -> Result<(), LoadError> {
        let map = map_mut(&mut self.ebpf, maps::OWN)?;
        let mut own: HashMap<_, Plain<Address>, Claim> =
            HashMap::try_from(map).map_err(in_map(maps::OWN))?;
        let known: Vec<_> = own.keys().flatten().map(|Plain(address)| address).collect();
        let now: Vec<_> = addresses.iter().map(|ip| Address::new(*ip)).collect();
        for gone in known.iter().filter(|address| !now.contains(address)) {
            own.remove(&Plain(*gone)).map_err(in_map(maps::OWN))?;
        }
        for new in now.iter().filter(|address| !known.contains(address)) {
            own.insert(Plain(*new), 1, 0).map_err(in_map(maps::OWN))?;
        }
        Ok(())
    }

    /// Takes a map out, for somebody who needs it alone.
    pub(crate) fn take(&mut self, name: &'static str) -> Result<Map, LoadError> {
        let map = self.ebpf.take_map(name);
        map.ok_or(MapError::InvalidName { name: name.into() }).map_err(in_map(name))
    }

    fn learned(&mut self) -> Result<HashMap<&mut MapData, Plain<Endpoint>, Claim>, LoadError> {
        HashMap::try_from(map_mut(&mut self.ebpf, maps::LEARNED)?).map_err(in_map(maps::LEARNED))
    }
}

/// The kernel log's level for "somebody should act".
const LOG_WARN: u8 = 2;

/// A shared type as the map library takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Plain<T>(T);

// SAFETY: `repr(C)` integers without padding (their sizes are asserted beside their definitions).
unsafe impl aya::Pod for Plain<Settings> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<PortSets> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<Endpoint> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<Address> {}

/// Lets the program find the one that goes on inside of tunnels. The map must stay: the kernel
/// empties it when nobody holds it.
fn go_inside(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    let failed = |e| LoadError::Program(Box::new(e));
    let inner = xdp(ebpf, maps::INNER_PROGRAM)?.fd().map_err(failed)?;
    let inner = inner.try_clone().map_err(|e| failed(e.into()))?;
    let mut programs =
        ProgramArray::try_from(map_mut(ebpf, maps::PROGRAMS)?).map_err(in_map(maps::PROGRAMS))?;
    programs.set(0, &inner, 0).map_err(in_map(maps::PROGRAMS))
}

fn xdp<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a Xdp, LoadError> {
    let program = ebpf.program(name);
    program
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|e| LoadError::Program(Box::new(e)))
}

fn xdp_mut<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, LoadError> {
    let program = ebpf.program_mut(name);
    program
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|e| LoadError::Program(Box::new(e)))
}

fn map<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<&'a Map, LoadError> {
    ebpf.map(name).ok_or(MapError::InvalidName { name: name.into() }).map_err(in_map(name))
}

pub(crate) fn map_mut<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut Map, LoadError> {
    ebpf.map_mut(name).ok_or(MapError::InvalidName { name: name.into() }).map_err(in_map(name))
}
