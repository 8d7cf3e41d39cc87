//! Opens an interface by the best means that can be had, and says which and why not better.

use std::fmt;
use std::str::FromStr;

use crate::packet_socket::{self, PacketOptions};
use crate::source::{CaptureError, Source};
use crate::xdp::{self, XdpInterface, XdpOptions};

/// How an interface is to be captured: the setting `capture`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// XDP, or else a packet socket.
    #[default]
    Auto,
    /// XDP: native mode, or else generic mode.
    Xdp,
    /// XDP in generic mode.
    XdpGeneric,
    /// A packet socket.
    Packet,
}

impl Method {
    const NAMES: [(&'static str, Method); 4] = [
        ("auto", Method::Auto),
        ("xdp", Method::Xdp),
        ("xdp-generic", Method::XdpGeneric),
        ("packet", Method::Packet),
    ];
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, method)| *method).ok_or_else(|| {
            format!("`{name}` is no way to capture: auto, xdp, xdp-generic or packet")
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
    /// The interface's handle, if it is captured by XDP.
    pub xdp: Option<XdpInterface>,
    /// What was got, and why not better, in one line.
    pub line: String,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("sources", &self.sources.len())
            .field("xdp", &self.xdp)
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
    Ok(Opened { sources: boxed(sources), xdp: Some(interface), line })
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
    Ok(Opened { sources: boxed(sources), xdp: None, line })
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
