//! Packets as a nanosecond pcap file, or as pcapng with an interface for each link type.

use std::io::{self, Write};

use crate::format::{SNAPLEN, put_pcap_header, record_header};
use crate::read::Packet;

/// Which file format an export has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// pcap with nanoseconds; one link type.
    Pcap,
    /// pcapng with nanoseconds; any number of link types.
    PcapNg,
}

/// pcapng block types and options.
const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const OPTION_TSRESOL: u16 = 9;

/// Writes packets.
#[derive(Debug)]
pub struct Output<W> {
    out: W,
    format: Format,
    begun: bool,
    links: Vec<u16>,
}

impl<W: Write> Output<W> {
    /// Writes the head of a file for these link types. A [`Format::Pcap`] has the first one only.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn begin(out: W, format: Format, links: &[u16]) -> io::Result<Self> {
        let mut output = Self::lazy(out, format);
        for link in links {
            // A pcap has the first one only.
            output.interface(*link)?;
        }
        output.head()?;
        Ok(output)
    }

    /// A file whose link types are not known yet.
    pub(super) fn lazy(out: W, format: Format) -> Self {
        Self { out, format, begun: false, links: Vec::new() }
    }

    /// The number of a link type, which is written to the file if it is new there. `None`: a pcap
    /// has another one already.
    pub(super) fn interface(&mut self, link: u16) -> io::Result<Option<u32>> {
        if let Some(at) = self.links.iter().position(|known| *known == link) {
            return Ok(Some(at as u32));
        }
        if self.format == Format::Pcap && !self.links.is_empty() {
            return Ok(None);
        }
        let number = self.links.len() as u32;
        self.links.push(link);
        self.head()?;
        if self.format == Format::PcapNg {
            let out = &mut self.out;
            words(out, &[INTERFACE, 32, u32::from(link), SNAPLEN])?;
            // Time stamps count 10^-9 s; then the end of the options.
            let resolution = u32::from(OPTION_TSRESOL) | 1 << 16;
            words(out, &[resolution, 9, 0, 32])?;
        }
        Ok(Some(number))
    }

    /// Writes the head of the file, once.
    fn head(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        match self.format {
            Format::Pcap => {
                let mut header = [0_u8; 24];
                put_pcap_header(&mut header, self.links.first().copied().unwrap_or(1));
                self.out.write_all(&header)
            }
            Format::PcapNg => {
                words(&mut self.out, &[SECTION, 28, 0x1A2B_3C4D, 1, u32::MAX, u32::MAX, 28])
            }
        }
    }

    /// Writes a packet of the link type that had this number in `links`.
    ///
    /// # Errors
    /// What the output answers.
    pub fn packet(&mut self, interface: u32, packet: &Packet<'_>) -> io::Result<()> {
        let kept = packet.bytes.len() as u32;
        match self.format {
            Format::Pcap => {
                self.out.write_all(&record_header(packet.ts_ns, kept, packet.wire_len))?;
                self.out.write_all(packet.bytes)
            }
            Format::PcapNg => {
                let padding = kept.next_multiple_of(4) - kept;
                let block = 32 + kept + padding;
                let (high, low) = ((packet.ts_ns >> 32) as u32, packet.ts_ns as u32);
                let out = &mut self.out;
                words(out, &[PACKET, block, interface, high, low, kept, packet.wire_len])?;
                out.write_all(packet.bytes)?;
                out.write_all([0; 3].get(..padding as usize).unwrap_or_default())?;
                words(out, &[block])
            }
        }
    }

    /// Hands over what is left.
    ///
    /// # Errors
    /// What the output answers.
    pub fn finish(mut self) -> io::Result<()> {
        self.head()?;
        self.out.flush()
    }
}

fn words(out: &mut impl Write, words: &[u32]) -> io::Result<()> {
    words.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))
}
