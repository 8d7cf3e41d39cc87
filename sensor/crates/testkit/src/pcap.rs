//! Capture files, written as a stream: classic pcap (micro- or nanoseconds, either byte order)
//! and pcapng (one or more interfaces and sections, either byte order).
//!
//! It writes and never reads, keeps no index and seeks nowhere, so a pipe is as good as a file.

use std::io::{self, BufWriter, Write};

/// Link type Ethernet (LINKTYPE_ETHERNET).
pub const ETHERNET: u16 = 1;
/// Link type BSD loopback (LINKTYPE_NULL).
pub const NULL: u16 = 0;
/// Link type raw IP (LINKTYPE_RAW).
pub const RAW: u16 = 101;
/// Link type Linux cooked capture (LINKTYPE_LINUX_SLL).
pub const SLL: u16 = 113;
/// Link type Linux cooked capture, version 2 (LINKTYPE_LINUX_SLL2).
pub const SLL2: u16 = 276;

/// Bytes gathered before a write reaches the file.
const BUFFER: usize = 256 * 1024;

/// Which file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The classic format: one header, one link type.
    Pcap,
    /// Blocks with interfaces of their own.
    Pcapng,
}

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which format.
    pub kind: Kind,
    /// Nanosecond stamps; otherwise microseconds (cut off, not rounded).
    pub nanos: bool,
    /// Big-endian headers; otherwise little-endian.
    pub big_endian: bool,
    /// Link type of the file, or of the first interface.
    pub linktype: u16,
    /// Frames are cut to this many bytes; their original length is kept.
    pub snaplen: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: Kind::Pcap,
            nanos: false,
            big_endian: false,
            linktype: ETHERNET,
            snaplen: 262_144,
        }
    }
}

/// Writes frames to a capture file. [`finish`](Writer::finish) gives the errors of the last
/// bytes; a dropped writer swallows them.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: BufWriter<W>,
    options: Options,
    interfaces: u32,
    frames: u64,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the file's header.
    pub fn new(out: W, options: Options) -> io::Result<Self> {
        let out = BufWriter::with_capacity(BUFFER, out);
        let mut writer = Self { out, options, interfaces: 0, frames: 0, bytes: 0 };
        match options.kind {
            Kind::Pcap => writer.pcap_header()?,
            Kind::Pcapng => {
                writer.section()?;
            }
        }
        Ok(writer)
    }

    /// Appends one frame of the first (or only) interface, stamped in UNIX nanoseconds.
    #[inline]
    pub fn frame(&mut self, ts_ns: u64, bytes: &[u8]) -> io::Result<()> {
        self.frame_on(0, ts_ns, bytes)
    }

    /// Appends one frame of a pcapng interface; classic files have only interface 0.
    #[inline]
    pub fn frame_on(&mut self, interface: u32, ts_ns: u64, bytes: &[u8]) -> io::Result<()> {
        let kept = bytes.len().min(self.options.snaplen as usize);
        let body = bytes.get(..kept).unwrap_or(bytes);
        self.frames += 1;
        self.bytes += kept as u64;
        match self.options.kind {
            Kind::Pcap => self.pcap_record(ts_ns, body, bytes.len() as u32),
            Kind::Pcapng => self.enhanced_packet(interface, ts_ns, body, bytes.len() as u32),
        }
    }

    /// Starts a pcapng section with one interface of the file's link type. Interface numbers
    /// begin again at 0. Does nothing in a classic file.
    pub fn section(&mut self) -> io::Result<()> {
        if self.options.kind == Kind::Pcap {
            return Ok(());
        }
        let mut body = Vec::with_capacity(16);
        body.extend(self.u32(0x1a2b_3c4d));
        body.extend(self.u16(1));
        body.extend(self.u16(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)?;
        self.interfaces = 0;
        self.interface(self.options.linktype)?;
        Ok(())
    }

    /// Declares one more pcapng interface of the current section and gives its number. In a
    /// classic file there is only interface 0.
    pub fn interface(&mut self, linktype: u16) -> io::Result<u32> {
        if self.options.kind == Kind::Pcap {
            return Ok(0);
        }
        let mut body = Vec::with_capacity(20);
        body.extend(self.u16(linktype));
        body.extend(self.u16(0));
        body.extend(self.u32(self.options.snaplen));
        body.extend(self.u16(9)); // if_tsresol
        body.extend(self.u16(1));
        body.extend([if self.options.nanos { 9 } else { 6 }, 0, 0, 0]);
        body.extend([0; 4]); // opt_endofopt
        self.block(1, &body)?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of frames written so far, headers of the file format not counted.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes out what is buffered and gives the file back.
    pub fn finish(self) -> io::Result<W> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn pcap_header(&mut self) -> io::Result<()> {
        let magic = if self.options.nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let mut header = Vec::with_capacity(24);
        header.extend(self.u32(magic));
        header.extend(self.u16(2));
        header.extend(self.u16(4));
        header.extend([0; 8]);
        header.extend(self.u32(self.options.snaplen));
        header.extend(self.u32(u32::from(self.options.linktype)));
        self.out.write_all(&header)
    }

    #[inline]
    fn pcap_record(&mut self, ts_ns: u64, body: &[u8], wire_len: u32) -> io::Result<()> {
        let (seconds, fraction) = (ts_ns / 1_000_000_000, ts_ns % 1_000_000_000);
        let fraction = if self.options.nanos { fraction } else { fraction / 1000 };
        let mut head = [0u8; 16];
        head[0..4].copy_from_slice(&self.u32(seconds as u32));
        head[4..8].copy_from_slice(&self.u32(fraction as u32));
        head[8..12].copy_from_slice(&self.u32(body.len() as u32));
        head[12..16].copy_from_slice(&self.u32(wire_len));
        self.out.write_all(&head)?;
        self.out.write_all(body)
    }

    #[inline]
    fn enhanced_packet(
        &mut self,
        interface: u32,
        ts_ns: u64,
        body: &[u8],
        wire_len: u32,
    ) -> io::Result<()> {
        let ticks = if self.options.nanos { ts_ns } else { ts_ns / 1000 };
        let pad = body.len().next_multiple_of(4) - body.len();
        let total = self.u32((32 + body.len() + pad) as u32);
        let mut head = [0u8; 28];
        head[0..4].copy_from_slice(&self.u32(6));
        head[4..8].copy_from_slice(&total);
        head[8..12].copy_from_slice(&self.u32(interface));
        head[12..16].copy_from_slice(&self.u32((ticks >> 32) as u32));
        head[16..20].copy_from_slice(&self.u32(ticks as u32));
        head[20..24].copy_from_slice(&self.u32(body.len() as u32));
        head[24..28].copy_from_slice(&self.u32(wire_len));
        self.out.write_all(&head)?;
        self.out.write_all(body)?;
        self.out.write_all(&[0u8; 3][..pad])?;
        self.out.write_all(&total)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let total = self.u32(12 + body.len() as u32);
        let kind = self.u32(kind);
        self.out.write_all(&kind)?;
        self.out.write_all(&total)?;
        self.out.write_all(body)?;
        self.out.write_all(&total)
    }

    #[inline]
    fn u32(&self, value: u32) -> [u8; 4] {
        if self.options.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    #[inline]
    fn u16(&self, value: u16) -> [u8; 2] {
        if self.options.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Options, Writer};

    fn bytes(options: Options) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), options).unwrap();
        writer.frame(1_700_000_000_123_456_789, &[1, 2, 3, 4, 5]).unwrap();
        assert_eq!((writer.frames(), writer.bytes()), (1, options.snaplen.min(5).into()));
        writer.finish().unwrap()
    }

    #[test]
    fn classic_little_endian_micro() {
        let file = bytes(Options::default());
        assert_eq!(file[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
        assert_eq!(file[24..28], 1_700_000_000u32.to_le_bytes());
        assert_eq!(file[28..32], 123_456u32.to_le_bytes());
        assert_eq!(file[40..], [1, 2, 3, 4, 5]);
    }

    #[test]
    fn classic_big_endian_nano() {
        let file = bytes(Options { nanos: true, big_endian: true, ..Options::default() });
        assert_eq!(file[..4], [0xa1, 0xb2, 0x3c, 0x4d]);
        assert_eq!(file[20..24], [0, 0, 0, 1]);
        assert_eq!(file[28..32], 123_456_789u32.to_be_bytes());
    }

    #[test]
    fn a_cut_frame_keeps_its_length() {
        let file = bytes(Options { snaplen: 2, ..Options::default() });
        assert_eq!(file[32..], [2, 0, 0, 0, 5, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn pcapng_blocks_frame_each_other() {
        for big_endian in [false, true] {
            let file = bytes(Options { kind: Kind::Pcapng, big_endian, ..Options::default() });
            let read = |at: usize| {
                let four: [u8; 4] = file[at..at + 4].try_into().unwrap();
                if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
            };
            let (mut at, mut kinds) = (0, Vec::new());
            while at < file.len() {
                let length = read(at + 4) as usize;
                kinds.push(read(at));
                assert_eq!(read(at + length - 4) as usize, length);
                at += length;
            }
            assert_eq!(kinds, [0x0a0d_0d0a, 1, 6]);
            assert_eq!(at, file.len());
        }
    }
}
