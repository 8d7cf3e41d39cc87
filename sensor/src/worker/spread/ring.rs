//! Frames from one worker to another: a ring of bytes, in which each frame lies in one piece.
//!
//! The reader's memory belongs to the kernel and must go back at once, so a frame is copied here;
//! the other worker takes it where it lies. A record is a head of [`HEAD`] bytes, then the frame.

use ringtap_capture::{Frame, Link};
use ringtap_common::peel::Tunnel;
use ringtap_common::tunnel::Kind;
use rtrb::chunks::ReadChunk;
use rtrb::{Consumer, Producer, RingBuffer};

/// Records are multiples of this, so that what is left at the end of the ring has room for a
/// length.
const ALIGN: usize = 8;

/// Length of the whole record, of the frame, then what [`Frame`] says, then the tunnel.
const HEAD: usize = 80;

/// Longest record.
pub(super) const RECORD_MAX: usize = 256 << 10;

/// In place of the frame's length: the rest up to the ring's end is not used.
const SKIP: usize = u32::MAX as usize;

/// In place of a tunnel's kind: a frame as it was read.
const AS_READ: u8 = u8::MAX;

/// In place of a tunnel's kind: a whole packet that came through none.
const NO_TUNNEL: u8 = AS_READ - 1;

/// What is given.
#[derive(Clone, Copy, Debug)]
pub(in crate::worker) enum As<'a> {
    /// A frame as it was read.
    Read,
    /// A packet that was put together out of pieces, and the tunnel that these came through.
    Whole(Option<&'a Tunnel>),
}

/// The sender's end.
#[derive(Debug)]
pub(super) struct Giver(Producer<u8>);

/// The receiver's end.
#[derive(Debug)]
pub(super) struct Taker(Consumer<u8>);

/// A ring of about so many bytes.
pub(super) fn ring(bytes: usize) -> (Giver, Taker) {
    let (producer, consumer) = RingBuffer::new(bytes.next_multiple_of(ALIGN));
    (Giver(producer), Taker(consumer))
}

impl Giver {
    /// Copies a frame into the ring. False: there was no room.
    pub(super) fn give(&mut self, frame: &Frame<'_>, as_what: As<'_>) -> bool {
        let Ok(len) = u32::try_from(frame.bytes.len()) else { return false };
        let need = (HEAD + frame.bytes.len()).next_multiple_of(ALIGN);
        if need > RECORD_MAX {
            return false;
        }
        let skipped = match self.0.write_chunk(need) {
            Ok(mut chunk) => {
                let (place, rest) = chunk.as_mut_slices();
                if rest.is_empty() {
                    write(place, frame, len, as_what);
                    chunk.commit_all();
                    return true;
                }
                place.len()
            }
            Err(_) => return false,
        };
        // It would go around the ring's end: it begins anew at the start.
        let Ok(mut chunk) = self.0.write_chunk(skipped + need) else { return false };
        let (rest, place) = chunk.as_mut_slices();
        put(rest, 0, &(skipped as u32).to_le_bytes());
        put(rest, 4, &(SKIP as u32).to_le_bytes());
        write(place, frame, len, as_what);
        chunk.commit_all();
        true
    }
}

fn write(place: &mut [u8], frame: &Frame<'_>, len: u32, as_what: As<'_>) {
    let whole = place.len() as u32;
    put(place, 0, &whole.to_le_bytes());
    put(place, 4, &len.to_le_bytes());
    put(place, 8, &frame.ts.to_le_bytes());
    put(place, 16, &frame.clock.to_le_bytes());
    put(place, 24, &frame.order.to_le_bytes());
    put(place, 32, &frame.wire_len.to_le_bytes());
    put(place, 36, &frame.origin.to_le_bytes());
    put(place, 38, &frame.link.dlt().to_le_bytes());
    let kind = match as_what {
        As::Read => AS_READ,
        As::Whole(tunnel) => tunnel.map_or(NO_TUNNEL, |tunnel| tunnel.kind as u8),
    };
    put(place, 40, &[kind]);
    if let As::Whole(Some(tunnel)) = as_what {
        put(place, 44, &tunnel.id.to_le_bytes());
        put(place, 48, &tunnel.src);
        put(place, 64, &tunnel.dst);
    }
    put(place, HEAD, frame.bytes);
}

fn put(place: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = place.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

impl Taker {
    /// Lends what lies there, at most so many bytes of it, and says whether that is all. A limit
    /// below [`RECORD_MAX`] could be less than the first record.
    pub(super) fn lend(&mut self, bytes_max: usize) -> Option<(ReadChunk<'_, u8>, bool)> {
        let slots = self.0.slots();
        let chunk = self.0.read_chunk(slots.min(bytes_max)).ok()?;
        Some((chunk, slots <= bytes_max))
    }
}

/// Records in the order in which they were given.
#[derive(Debug)]
pub(super) struct Records<'a> {
    /// What lies at hand, and what lies at the ring's start behind it.
    bytes: &'a [u8],
    rest: &'a [u8],
    taken: usize,
    head: Option<Head>,
    last_ns: u64,
}

/// What is known of the record at hand.
#[derive(Clone, Copy, Debug)]
struct Head {
    whole: usize,
    len: usize,
    clock_ns: u64,
}

impl<'a> Records<'a> {
    /// What a ring has lent.
    pub(super) fn new((bytes, rest): (&'a [u8], &'a [u8])) -> Self {
        let mut records = Self { bytes, rest, taken: 0, head: None, last_ns: 0 };
        records.look();
        records
    }

    /// Finds the record at hand.
    fn look(&mut self) {
        let number = |bytes: &[u8], at: usize| {
            bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize)
        };
        if let (Some(whole), Some(SKIP)) = (number(self.bytes, 0), number(self.bytes, 4)) {
            self.step(whole);
        }
        if self.bytes.is_empty() {
            self.bytes = std::mem::take(&mut self.rest);
        }
        self.head = (|| {
            let (whole, len) = (number(self.bytes, 0)?, number(self.bytes, 4)?);
            let record = self.bytes.get(..whole)?;
            let clock_ns = u64::from_le_bytes(*record.get(16..)?.first_chunk()?);
            Some(Head { whole, len, clock_ns })
        })();
    }

    fn step(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes.len());
        self.taken += bytes;
        self.bytes = self.bytes.get(bytes..).unwrap_or_default();
    }

    /// The clock of the frame at hand.
    #[inline]
    pub(super) fn clock_ns(&self) -> Option<u64> {
        self.head.map(|head| head.clock_ns)
    }

    /// The clock of the frame taken last; 0 before the first.
    pub(super) fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// Bytes that may be let go of.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes the frame at hand, if it is one as it was read.
    #[inline]
    pub(super) fn frame(&mut self) -> Option<Frame<'a>> {
        let record = self.record(|kind| kind == AS_READ)?;
        self.take(record)
    }

    /// Takes the packet at hand, if it was put together out of pieces, and their tunnel.
    pub(super) fn whole(&mut self) -> Option<(Frame<'a>, Option<Tunnel>)> {
        let record = self.record(|kind| kind != AS_READ)?;
        let kind = Kind::from_number(*record.get(40)?);
        let tunnel = kind.and_then(|kind| {
            Some(Tunnel {
                kind,
                id: u32::from_le_bytes(*record.get(44..)?.first_chunk()?),
                src: *record.get(48..)?.first_chunk()?,
                dst: *record.get(64..)?.first_chunk()?,
            })
        });
        Some((self.take(record)?, tunnel))
    }

    fn record(&self, is_wanted: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let record = self.bytes.get(..self.head?.whole)?;
        is_wanted(*record.get(40)?).then_some(record)
    }

    fn take(&mut self, record: &'a [u8]) -> Option<Frame<'a>> {
        let Head { whole, len, clock_ns } = self.head?;
        self.step(whole);
        self.look();
        self.last_ns = clock_ns;
        Some(Frame {
            ts: u64::from_le_bytes(*record.get(8..)?.first_chunk()?),
            clock: clock_ns,
            order: u64::from_le_bytes(*record.get(24..)?.first_chunk()?),
            wire_len: u32::from_le_bytes(*record.get(32..)?.first_chunk()?),
            origin: u16::from_le_bytes(*record.get(36..)?.first_chunk()?),
            link: Link::from_dlt(u16::from_le_bytes(*record.get(38..)?.first_chunk()?))?,
            bytes: record.get(HEAD..HEAD + len)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, bytes: &[u8]) -> Frame<'_> {
        let wire_len = bytes.len() as u32 + 4;
        let (ts, clock, order) = (number, number + 1, number + 2);
        Frame { ts, clock, order, origin: 3, link: Link::RawIp, wire_len, bytes }
    }

    #[test]
    fn frames_come_out_as_they_went_in_around_the_end_of_the_ring() {
        let (mut giver, mut taker) = ring(3000);
        let bytes: Vec<u8> = (0..=255).cycle().take(1400).collect();
        let (mut given, mut taken) = (0_u64, 0_u64);
        let (src, dst) = ([1; 16], [2; 16]);
        let tunnel = Tunnel { kind: Kind::Mpls, id: 77, src, dst };
        while taken < 5000 {
            loop {
                let len = (given * 37 % 1400) as usize;
                let as_what = match given % 5 {
                    0 => As::Whole(Some(&tunnel)),
                    1 => As::Whole(None),
                    _ => As::Read,
                };
                if !giver.give(&frame(given, &bytes[..len]), as_what) {
                    break;
                }
                given += 1;
            }
            let (chunk, all) = taker.lend(1 << 20).unwrap();
            let mut records = Records::new(chunk.as_slices());
            while let Some(clock_ns) = records.clock_ns() {
                let got = match records.frame() {
                    Some(frame) => frame,
                    None => {
                        let (frame, through) = records.whole().unwrap();
                        assert_eq!(through, (taken % 5 == 0).then_some(tunnel));
                        assert!(taken % 5 < 2);
                        frame
                    }
                };
                let len = (taken * 37 % 1400) as usize;
                assert_eq!(got, frame(taken, &bytes[..len]));
                assert_eq!((clock_ns, records.last_ns()), (taken + 1, taken + 1));
                taken += 1;
            }
            assert!(all && given == taken, "nothing is left behind");
            let done = records.taken();
            chunk.commit(done);
        }
    }

    #[test]
    fn what_has_no_room_is_refused_and_the_rest_stays_whole() {
        let (mut giver, mut taker) = ring(1000);
        assert!(!giver.give(&frame(0, &[0; 2000]), As::Read));
        assert!(!giver.give(&frame(0, &vec![0; RECORD_MAX]), As::Read));
        let given =
            (0..100).filter(|number| giver.give(&frame(*number, &[7; 100]), As::Read)).count();
        assert_eq!(given, 5);
        let (chunk, all) = taker.lend(400).unwrap();
        let mut records = Records::new(chunk.as_slices());
        let taken: Vec<u64> =
            std::iter::from_fn(|| records.frame()).map(|frame| frame.ts).collect();
        assert_eq!((taken, all), (vec![0, 1], false), "no more than it may");
        let done = records.taken();
        chunk.commit(done);
        assert!(giver.give(&frame(9, &[7; 100]), As::Read));
    }
}
