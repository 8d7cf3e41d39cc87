//! Opens an interface for XDP: checks that this harms nobody, makes a socket for each RX queue,
//! attaches the program in native or else in generic mode, and puts the interface into
//! promiscuous mode.
//!
//! Nothing stays behind: every part belongs to a descriptor that ends with the process.

use ringtap_common::maps::Mode;

use super::load::{AttachMode, LoadError, Options, Program};
use super::socket::{Attempts, BusyPoll, SocketPlan, XdpSource};
use super::steer::{XdpInterface, own_addresses};
use crate::source::CaptureError;
use crate::sys::{self, Facts, Promiscuous};

/// How to open an interface by XDP.
#[derive(Clone, Debug)]
pub struct XdpOptions {
    /// Name of the interface.
    pub interface: String,
    /// What the kernel program is loaded with.
    pub program: Options,
    /// Whether native mode is tried at all.
    pub native: bool,
    /// Whether generic mode is tried when native mode cannot be had.
    pub generic: bool,
    /// Whether to take frames that are not addressed to this host.
    pub promiscuous: bool,
    /// Whether an interface may be taken that carries an address of this host.
    pub allow_own_address: bool,
    /// Buffers of 4 KiB for each queue; rounded up to a power of two.
    pub buffers: u32,
    /// Whether to ask the driver for zero-copy.
    pub zero_copy: bool,
    /// Whether to ask for huge pages.
    pub huge_pages: bool,
    /// Whether and how the thread that reads does the kernel's receive work too.
    pub busy_poll: Option<BusyPoll>,
    /// What frames carry as their origin.
    pub origin: u16,
}

impl XdpOptions {
    /// A mirror port with everything at its default: the best mode that can be had.
    pub fn new(interface: &str) -> Self {
        XdpOptions {
            interface: interface.to_owned(),
            program: Options::default(),
            native: true,
            generic: true,
            promiscuous: true,
            allow_own_address: false,
            buffers: 8192,
            zero_copy: true,
            huge_pages: true,
            busy_poll: None,
            origin: 0,
        }
    }
}

/// Opens an interface: its handle and a source for each of its RX queues.
pub fn open(options: &XdpOptions) -> Result<(XdpInterface, Vec<XdpSource>), CaptureError> {
    let name = &options.interface;
    let index =
        sys::interface_index(name).ok_or_else(|| CaptureError::NoInterface(name.clone()))?;
    let facts = sys::facts(name)
        .map_err(|error| CaptureError::system(name, "ask about the interface", error))?;
    check(options, &facts)?;
    let promiscuous = if options.promiscuous {
        let on = Promiscuous::on(index);
        Some(on.map_err(|e| CaptureError::system(name, "make the interface promiscuous", e))?)
    } else {
        None
    };
    let mut given = options.program.clone();
    given.queues_max = facts.queues;
    let mut program = Program::load(&given).map_err(|error| refused(name, error))?;
    if given.settings.mode == Mode::Tunnel as u8 {
        let own = own_addresses().map_err(|error| refused(name, LoadError::Addresses(error)))?;
        program.set_own(&own).map_err(|error| refused(name, error))?;
    }
    let (mode, sources) = attach(&mut program, options, &facts)?;
    let handle = XdpInterface::new(program, name.clone(), mode, facts.queues, promiscuous);
    Ok((handle, sources))
}

/// Refuses what cannot work, and what would cut the host off.
fn check(options: &XdpOptions, facts: &Facts) -> Result<(), CaptureError> {
    const ARPHRD_ETHER: u16 = 1;
    let interface = &options.interface;
    if !facts.up {
        return Err(CaptureError::Down(interface.clone()));
    }
    if facts.hardware != ARPHRD_ETHER {
        let why = format!("it is no Ethernet interface (hardware type {})", facts.hardware);
        return Err(CaptureError::NoXdp { interface: interface.clone(), why });
    }
    if options.allow_own_address || options.program.settings.mode != Mode::Span as u8 {
        return Ok(());
    }
    for carrier in std::iter::once(interface.clone()).chain(sys::uppers(interface)) {
        let address = sys::own_address(&carrier)
            .map_err(|error| CaptureError::system(interface, "ask for addresses", error))?;
        if let Some(address) = address {
            let above =
                if carrier == *interface { String::new() } else { format!(" on {carrier}") };
            let address = format!("{address}{above}");
            return Err(CaptureError::OwnAddress { interface: interface.clone(), address });
        }
    }
    Ok(())
}

/// Tries the modes in turn, each with sockets of its own, which stand ready before the first
/// frame is redirected.
fn attach(
    program: &mut Program,
    options: &XdpOptions,
    facts: &Facts,
) -> Result<(AttachMode, Vec<XdpSource>), CaptureError> {
    let name = &options.interface;
    let mut tried: Vec<String> = Vec::new();
    let wanted = [(AttachMode::Native, options.native), (AttachMode::Generic, options.generic)];
    for (mode, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
        let plan = SocketPlan {
            interface: name,
            mode,
            why_not_native: tried.first().map(String::as_str),
            mtu: facts.mtu,
            settings: *program.settings(),
            options,
        };
        let mut attempts = Attempts::new(&plan);
        let sources = (0..facts.queues).map(|queue| XdpSource::open(&plan, queue, &mut attempts));
        let sources = match sources.collect::<Result<Vec<_>, _>>() {
            Ok(sources) => sources,
            Err(CaptureError::NoXdp { why, .. }) => {
                tried.push(format!("{mode} mode: {why}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        for (queue, source) in (0..).zip(&sources) {
            program.set_socket(queue, source.fd()).map_err(|error| refused(name, error))?;
        }
        match program.attach(name, mode) {
            Ok(()) => return Ok((mode, sources)),
            Err(LoadError::Attach { source, .. }) => {
                tried.push(format!("{mode} mode: {}", root(&*source)));
            }
            Err(error) => return Err(refused(name, error)),
        }
    }
    let why = if tried.is_empty() { "no mode was asked for".into() } else { tried.join("; ") };
    Err(CaptureError::NoXdp { interface: name.clone(), why })
}

/// The loader's errors in this crate's words.
fn refused(interface: &str, error: LoadError) -> CaptureError {
    match error {
        LoadError::NotPermitted { what } => CaptureError::NotAllowed { what },
        LoadError::NoInterface(name) => CaptureError::NoInterface(name),
        LoadError::Busy(_) => {
            CaptureError::NoXdp { interface: interface.to_owned(), why: error.to_string() }
        }
        other => CaptureError::Load(other.to_string()),
    }
}

/// What the system said at the bottom of an error.
fn root(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
