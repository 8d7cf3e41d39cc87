//! Opens an interface by the best means that can be had, and says which and why not better.

mod handle;

use std::fmt;
use std::str::FromStr;

use crate::packet_socket::{self, Filter, PacketOptions};
use crate::source::{CaptureError, Source};
use crate::sys;
use crate::tcx::{self, TcxOptions};
use crate::xdp::{self, XdpOptions};

pub use handle::Handle;

/// The name that stands for all interfaces.
pub const ANY: &str = "any";

/// The names of all interfaces that are up: what [`ANY`] stands for now.
pub fn all_up() -> std::io::Result<Vec<String>> {
    let names = sys::interfaces()?.into_iter().map(|(_, name)| name);
    Ok(names.filter(|name| sys::facts(name).is_ok_and(|facts| facts.up)).collect())
}

/// How an interface is to be captured: the setting `capture`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// XDP, or else a packet socket; on a host's own interfaces TCX, or else a packet socket.
    #[default]
    Auto,
    /// XDP: native mode, or else generic mode.
    Xdp,
    /// XDP in generic mode.
    XdpGeneric,
    /// A packet socket.
    Packet,
    /// TCX, on a host's own interfaces.
    Tcx,
}

impl Method {
    const NAMES: [(&'static str, Method); 5] = [
        ("auto", Method::Auto),
        ("xdp", Method::Xdp),
        ("xdp-generic", Method::XdpGeneric),
        ("packet", Method::Packet),
        ("tcx", Method::Tcx),
    ];
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, method)| *method).ok_or_else(|| {
            format!("`{name}` is no way to capture: auto, xdp, xdp-generic, packet or tcx")
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, method)| method == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// An opened interface.
pub struct Opened {
    /// One source for each queue (XDP) or for each socket asked for (packet socket).
    pub sources: Vec<Box<dyn Source>>,
    /// The kernel's side, where a program filters there.
    pub kernel: Option<Handle>,
    /// The interfaces that must stay; none where all are captured.
    pub interfaces: Vec<String>,
    /// What was got, and why not better, in one line.
    pub line: String,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("sources", &self.sources.len())
            .field("kernel", &self.kernel)
            .field("line", &self.line)
            .finish()
    }
}

/// Opens an interface. `xdp` and `packet` say how, for whichever way it comes to; they name the
/// same interface.
pub fn open(
    method: Method,
    xdp: &XdpOptions,
    packet: &PacketOptions,
) -> Result<Opened, CaptureError> {
    match method {
        Method::Packet => open_packet(packet, None),
        Method::Tcx => Err(CaptureError::Method("capture = tcx is for mode = host")),
        Method::Xdp => open_xdp(xdp),
        Method::XdpGeneric => open_xdp(&XdpOptions { native: false, generic: true, ..xdp.clone() }),
        Method::Auto => match open_xdp(xdp) {
            Ok(opened) => Ok(opened),
            // Only what is about XDP itself: the rest stands in the way of any means.
            Err(
                error @ (CaptureError::NoXdp { .. }
                | CaptureError::Taken(..)
                | CaptureError::Load(_)),
            ) => open_packet(packet, Some(&error)),
            Err(error) => Err(error),
        },
    }
}

fn open_xdp(options: &XdpOptions) -> Result<Opened, CaptureError> {
    let (interface, sources) = xdp::open(options)?;
    let line = first_line(&sources, interface.queues() as usize);
    let interfaces = vec![interface.name().to_owned()];
    Ok(Opened { sources: boxed(sources), kernel: Some(Handle::Xdp(interface)), interfaces, line })
}

/// How a host's own interfaces are opened.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// By TCX: all of them together.
    pub tcx: TcxOptions,
    /// By packet sockets: each by itself, or [`ANY`].
    pub packet: Vec<PacketOptions>,
}

/// Opens a host's own interfaces, from which nothing is taken: by TCX, or else by packet sockets.
/// Gives them with their names.
pub fn open_host(
    method: Method,
    options: &HostOptions,
) -> Result<Vec<(String, Opened)>, CaptureError> {
    match method {
        Method::Xdp | Method::XdpGeneric => Err(CaptureError::Method(
            "XDP takes frames from the host: with mode = host or interface = any, capture is \
             auto, tcx or packet",
        )),
        Method::Tcx => open_tcx(&options.tcx),
        Method::Packet => open_sockets(options, None),
        Method::Auto => match open_tcx(&options.tcx) {
            Ok(opened) => Ok(opened),
            // What a packet socket may not need.
            Err(
                error @ (CaptureError::NoTcx { .. }
                | CaptureError::Load(_)
                | CaptureError::NotAllowed { .. }),
            ) => open_sockets(options, Some(&error)),
            Err(error) => Err(error),
        },
    }
}

fn open_tcx(options: &TcxOptions) -> Result<Vec<(String, Opened)>, CaptureError> {
    let (handle, sources) = tcx::open(options)?;
    let line = first_line(&sources, sources.len());
    let interfaces = options.interfaces.clone();
    let name = if interfaces.is_empty() { ANY.to_owned() } else { interfaces.join(",") };
    let kernel = Some(Handle::Tcx(handle));
    Ok(vec![(name, Opened { sources: boxed(sources), kernel, interfaces, line })])
}

fn open_sockets(
    options: &HostOptions,
    why: Option<&CaptureError>,
) -> Result<Vec<(String, Opened)>, CaptureError> {
    let mut all = Vec::new();
    for packet in &options.packet {
        let filter = Filter::load(&options.tcx.program);
        let sources = packet_socket::open_filtered(packet, filter.as_ref().ok())?;
        let mut line = first_line(&sources, sources.len());
        if let Some(why) = why {
            line += &format!(" ({why})");
        }
        match &filter {
            Ok(_) => line += ", filtered in the kernel",
            Err(error) => line += &format!(", unfiltered ({error})"),
        }
        let name = packet.interface.clone();
        let interfaces = if name == ANY { Vec::new() } else { vec![name.clone()] };
        let kernel = filter.ok().map(Handle::Filter);
        all.push((name, Opened { sources: boxed(sources), kernel, interfaces, line }));
    }
    Ok(all)
}

fn open_packet(
    options: &PacketOptions,
    why: Option<&CaptureError>,
) -> Result<Opened, CaptureError> {
    let sources = packet_socket::open(options)?;
    let mut line = first_line(&sources, sources.len());
    if let Some(why) = why {
        line += &format!(" ({why})");
    }
    let interfaces = vec![options.interface.clone()];
    Ok(Opened { sources: boxed(sources), kernel: None, interfaces, line })
}

fn boxed<S: Source + 'static>(sources: Vec<S>) -> Vec<Box<dyn Source>> {
    sources.into_iter().map(|source| Box::new(source) as Box<dyn Source>).collect()
}

/// What the first source says of itself, and how many there are.
fn first_line<S: Source>(sources: &[S], count: usize) -> String {
    let first = sources.first().map(Source::describe).unwrap_or_default();
    match count {
        0 | 1 => first,
        _ => format!("{first}; {count} in all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_capture_has_a_name() {
        for (name, method) in Method::NAMES {
            assert_eq!(name.parse(), Ok(method));
            assert_eq!(method.to_string(), name);
        }
        assert!("dpdk".parse::<Method>().unwrap_err().contains("auto, xdp"));
    }
}
