//! The reader against files built here byte by byte, against damage at every byte, against any
//! bytes at all, and against the counts that Wireshark's `capinfos` gives for real captures.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::batch::Link;

const SECONDS: u32 = 1_700_000_000;
const T: u64 = SECONDS as u64 * 1_000_000_000;

type Got = (u64, u16, Link, u32, Vec<u8>);

/// Writes numbers in a chosen byte order.
#[derive(Clone)]
struct Bytes {
    big: bool,
    out: Vec<u8>,
}

impl Bytes {
    fn new(big: bool) -> Self {
        Bytes { big, out: Vec::new() }
    }
    fn u16(mut self, v: u16) -> Self {
        self.out.extend(if self.big { v.to_be_bytes() } else { v.to_le_bytes() });
        self
    }
    fn u32(mut self, v: u32) -> Self {
        self.out.extend(if self.big { v.to_be_bytes() } else { v.to_le_bytes() });
        self
    }
    fn raw(mut self, v: &[u8]) -> Self {
        self.out.extend(v);
        self
    }
    fn block(self, kind: u32, body: Bytes) -> Self {
        let mut body = body.out;
        body.resize(body.len().next_multiple_of(4), 0);
        let total = body.len() as u32 + 12;
        self.u32(kind).u32(total).raw(&body).u32(total)
    }
    fn section(self) -> Self {
        let big = self.big;
        let body = Bytes::new(big).u32(0x1a2b_3c4d).u16(1).u16(0).raw(&[0xff; 8]);
        self.block(0x0a0d_0d0a, body)
    }
    fn interface(self, dlt: u16, options: Bytes) -> Self {
        let big = self.big;
        self.block(1, Bytes::new(big).u16(dlt).u16(0).u32(0).raw(&options.out))
    }
    fn enhanced(self, id: u32, ticks: u64, wire_len: u32, data: &[u8]) -> Self {
        let body = Bytes::new(self.big).u32(id).u32((ticks >> 32) as u32).u32(ticks as u32);
        let body = body.u32(data.len() as u32).u32(wire_len).raw(data);
        self.block(6, body)
    }
}

fn pcap(big: bool, magic: u32, dlt: u32, frames: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut file = Bytes::new(big).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(262_144).u32(dlt);
    for (seconds, fraction, data) in frames {
        let len = data.len() as u32;
        file = file.u32(*seconds).u32(*fraction).u32(len).u32(len + 4).raw(data);
    }
    file.out
}

fn reader(file: &[u8]) -> Result<Reader, FileError> {
    Reader::new(Box::new(Cursor::new(file.to_vec())), "test".into())
}

fn read_all(reader: &mut Reader) -> Vec<Got> {
    let mut block = Block::new();
    let mut got = Vec::new();
    let mut clock = 0;
    while reader.next_block(&mut block).unwrap() {
        assert!(!block.is_empty());
        for frame in block.iter() {
            assert!(frame.clock >= clock);
            assert!(frame.wire_len as usize >= frame.bytes.len());
            clock = frame.clock;
            got.push((frame.ts, frame.origin, frame.link, frame.wire_len, frame.bytes.to_vec()));
        }
    }
    assert!(block.is_empty());
    got
}

fn small_ng(big: bool) -> Vec<u8> {
    let nano = Bytes::new(big).u16(9).u16(1).raw(&[9, 0, 0, 0]).u32(0);
    let offset = if big { 60_i64.to_be_bytes() } else { 60_i64.to_le_bytes() };
    let milli = Bytes::new(big).u16(14).u16(8).raw(&offset).u16(9).u16(1).raw(&[3, 0, 0, 0]);
    let obsolete = Bytes::new(big).u16(1).u16(7).u32((T >> 32) as u32).u32(T as u32);
    Bytes::new(big)
        .section()
        .interface(1, Bytes::new(big))
        .interface(101, nano)
        .interface(113, milli)
        .enhanced(0, T / 1000, 70, b"micro")
        .enhanced(1, T, 4, b"nano")
        .enhanced(2, T / 1_000_000 - 60_000, 5, b"milli")
        .block(5, Bytes::new(big).raw(&[1; 24]))
        .block(3, Bytes::new(big).u32(6).raw(b"simple"))
        .block(2, obsolete.u32(3).u32(3).raw(b"old"))
        .out
}

#[test]
fn pcap_in_every_resolution_and_byte_order() {
    for big in [false, true] {
        for (magic, ns) in [(0xa1b2_c3d4, 5000), (0xa1b2_3c4d, 5)] {
            let file = pcap(big, magic, 1, &[(SECONDS, 5, b"one"), (SECONDS + 1, 0, b"")]);
            let mut reader = reader(&file).unwrap();
            let want = vec![
                (T + ns, 0, Link::Ethernet, 7, b"one".to_vec()),
                (T + 1_000_000_000, 0, Link::Ethernet, 4, vec![]),
            ];
            assert_eq!(read_all(&mut reader), want);
            assert_eq!(reader.damage(), None);
            assert!(reader.remarks().is_empty());
        }
    }
}

#[test]
fn the_long_frame_headers_of_patched_kernels() {
    let file = Bytes::new(false).u32(0xa1b2_cd34).u16(2).u16(4).u32(0).u32(0).u32(96).u32(113);
    let file = file.u32(SECONDS).u32(1).u32(2).u32(2).u32(3).u16(8).u16(0).raw(b"ab");
    let got = read_all(&mut reader(&file.out).unwrap());
    assert_eq!(got, vec![(T + 1000, 0, Link::Sll, 2, b"ab".to_vec())]);
}

#[test]
fn pcapng_with_several_interfaces_sections_and_packet_blocks() {
    for big in [false, true] {
        let want = vec![
            (T, 0, Link::Ethernet, 70, b"micro".to_vec()),
            (T, 1, Link::RawIp, 4, b"nano".to_vec()),
            (T, 2, Link::Sll, 5, b"milli".to_vec()),
            (T, 0, Link::Ethernet, 6, b"simple".to_vec()),
            (T, 1, Link::RawIp, 3, b"old".to_vec()),
        ];
        let mut one = reader(&small_ng(big)).unwrap();
        assert_eq!(read_all(&mut one), want);
        assert_eq!(one.damage(), None);
        // A second section, in the other byte order, has interfaces of its own.
        let mut both = small_ng(big);
        both.extend(small_ng(!big));
        let mut both = reader(&both).unwrap();
        let got = read_all(&mut both);
        assert_eq!(got[..5], want);
        assert_eq!(got[5..].iter().map(|g| g.1).collect::<Vec<_>>(), [3, 4, 5, 3, 4]);
        assert_eq!(both.next_start().origin, 6);
    }
}

#[test]
fn stamps_in_powers_of_two_and_ten() {
    for (resolution, ticks, ns) in [
        (0x80 | 20, 3 << 19, 1_500_000_000),
        (0x80, 2, 2_000_000_000),
        (0, 7, 7_000_000_000),
        (12, 7_000, 7),
        (0x7f, u64::MAX, 1),
        (0xff, u64::MAX, 0),
    ] {
        let option = Bytes::new(false).u16(9).u16(1).raw(&[resolution, 0, 0, 0]);
        let file = Bytes::new(false).section().interface(1, option).enhanced(0, ticks, 0, b"");
        assert_eq!(read_all(&mut reader(&file.out).unwrap())[0].0, ns, "{resolution}");
    }
}

#[test]
fn a_cut_at_any_byte_gives_the_frames_before_it() {
    let files = [
        pcap(
            false,
            0xa1b2_c3d4,
            1,
            &[(SECONDS, 0, b"0123"), (SECONDS, 1, b""), (SECONDS, 2, b"x")],
        ),
        small_ng(false),
        small_ng(true),
    ];
    for file in files {
        let whole = read_all(&mut reader(&file).unwrap());
        let (mut most, mut whole_cuts) = (0, 0);
        for cut in 4..file.len() {
            let mut reader = reader(&file[..cut]).unwrap();
            let got = read_all(&mut reader);
            assert_eq!(got[..], whole[..got.len()], "cut at {cut}");
            assert!(got.len() >= most);
            most = got.len();
            match reader.damage() {
                Some(damage) => {
                    assert_eq!(damage.what, Flaw::Truncated);
                    assert!(damage.offset <= cut as u64);
                    assert_eq!(reader.remarks().len(), 1);
                }
                // A cut between two pieces cannot be seen.
                None => whole_cuts += 1,
            }
        }
        assert!(most >= whole.len() - 1);
        assert!((most..=most + 8).contains(&whole_cuts), "{whole_cuts}");
    }
}

#[test]
fn lengths_that_cannot_be_are_damage_and_not_memory() {
    let mut file = pcap(false, 0xa1b2_c3d4, 1, &[(SECONDS, 0, b"good")]);
    let place = file.len() as u64;
    file.extend(Bytes::new(false).u32(SECONDS).u32(0).u32(0x7fff_ffff).u32(60).out);
    let mut damaged = reader(&file).unwrap();
    assert_eq!(read_all(&mut damaged).len(), 1);
    let what = Flaw::FrameTooLong(0x7fff_ffff);
    assert_eq!(damaged.damage(), Some(&Damage { offset: place, what }));

    let good = Bytes::new(false).section().interface(1, Bytes::new(false)).enhanced(0, 1, 1, b"a");
    let place = good.out.len() as u64;
    let bad = Bytes::new(false);
    let long = bad.clone().u32(0).u32(0).u32(0).u32(1 << 30).u32(60).raw(b"short");
    for (tail, what) in [
        (bad.clone().u32(6).u32(8).u32(8), Flaw::BadLength(8)),
        (bad.clone().u32(6).u32(33).raw(&[0; 40]), Flaw::BadLength(33)),
        (bad.clone().u32(6).u32(1 << 30).raw(&[0; 40]), Flaw::BadLength(1 << 30)),
        (bad.clone().u32(9).u32(12).u32(16), Flaw::LengthsDiffer(12, 16)),
        (bad.clone().enhanced(7, 0, 0, b""), Flaw::NoInterface(7)),
        (bad.clone().block(6, bad.clone().u32(0)), Flaw::BadLength(16)),
        (bad.clone().block(6, long), Flaw::FrameTooLong(1 << 30)),
        (bad.clone().raw(&SECTION_BYTES).u32(28).raw(&[0; 20]), Flaw::BadByteOrder),
        (bad.raw(&[0; 64]), Flaw::BadLength(0)),
    ] {
        let file = [&good.out[..], &tail.out].concat();
        let mut damaged = reader(&file).unwrap();
        assert_eq!(read_all(&mut damaged).len(), 1);
        assert_eq!(damaged.damage(), Some(&Damage { offset: place, what }));
    }
}

const SECTION_BYTES: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

#[test]
fn zeros_at_the_end_are_not_frames() {
    let mut file = pcap(false, 0xa1b2_c3d4, 1, &[(SECONDS, 0, b"good")]);
    file.extend([0; 4096]);
    let mut damaged = reader(&file).unwrap();
    assert_eq!(read_all(&mut damaged).len(), 1);
    assert_eq!(damaged.damage().unwrap().what, Flaw::Blank);
}

#[test]
fn what_is_no_capture_is_refused_in_one_line() {
    let refusal = |bytes: &[u8]| reader(bytes).unwrap_err().to_string();
    assert!(refusal(b"").contains("is empty"));
    assert!(refusal(b"ab").contains("not a pcap"));
    assert!(refusal(b"INVITE sip:").contains("not a pcap"));
    assert!(refusal(&[0x1f, 0x8b, 8, 0]).contains("zcat test | ringtap replay -"));
    let missing = Reader::open(Path::new("/nonexistent/x.pcap")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot open /nonexistent/x.pcap: "));
    let folder = Reader::open(Path::new("/")).unwrap_err().to_string();
    assert!(folder.starts_with("cannot read /: "));
}

#[test]
fn unknown_link_types_are_counted_and_said_once() {
    let file = Bytes::new(false)
        .section()
        .interface(147, Bytes::new(false))
        .interface(1, Bytes::new(false))
        .enhanced(0, 0, 1, b"a")
        .enhanced(0, 0, 1, b"b")
        .enhanced(1, 0, 1, b"c");
    let mut reader = reader(&file.out).unwrap();
    let mut block = Block::new();
    assert!(reader.next_block(&mut block).unwrap());
    assert_eq!(block.len(), 1);
    assert_eq!(block.get(0).unwrap().order, 2, "frame numbers are those of other tools");
    let counts = reader.counts();
    assert_eq!((counts.frames, counts.unknown_link_frames, counts.unknown_link), (1, 2, Some(147)));
    assert_eq!(reader.remarks(), ["test: 2 frames of link type 147, which is not read"]);
}

#[test]
fn several_files_make_one_order() {
    let file = pcap(false, 0xa1b2_c3d4, 1, &[(SECONDS, 0, b"a"), (SECONDS, 7, b"b")]);
    let mut first = reader(&file).unwrap();
    read_all(&mut first);
    let mut second = reader(&file).unwrap().starting_at(first.next_start());
    let mut block = Block::new();
    assert!(second.next_block(&mut block).unwrap());
    let got: Vec<_> = block.iter().map(|f| (f.order, f.origin, f.ts, f.clock)).collect();
    assert_eq!(got, [(2, 1, T, T + 7000), (3, 1, T + 7000, T + 14_000)]);
}

/// The clock jumps around a block's end: no frame is lost, doubled or moved, and those that were
/// held when the block ended have their true time. `frames` before the jump, `after` behind it.
fn check_jump(frames: u32, after: u32, jump: i64, believed: u32) {
    let data = [7_u8; 1400];
    let stamp = |i: u32| match i < frames {
        true => (SECONDS, i, &data[..]),
        false => ((i64::from(SECONDS) + jump) as u32, i, &data[..1 + i as usize % 9]),
    };
    let stamps: Vec<_> = (0..frames + after).map(stamp).collect();
    let mut reader = reader(&pcap(false, 0xa1b2_c3d4, 1, &stamps)).unwrap();
    let (mut block, mut got) = (Block::new(), Vec::new());
    while reader.next_block(&mut block).unwrap() {
        got.extend(block.iter().map(|f| (f.order, f.ts, f.clock, f.bytes.to_vec())));
    }
    let ahead = u64::from(jump > 0) * 3_600_000_000_000;
    let last = T + u64::from(frames - 1) * 1000;
    let expected = stamps.iter().zip(0..).map(|(&(seconds, fraction, bytes), order)| {
        let ts = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * 1000;
        let since = u64::from(fraction).saturating_sub(u64::from(frames)) * 1000;
        let clock = match fraction < frames {
            true => ts,
            false if after < believed => last,
            false => last + ahead + since,
        };
        (order, ts, clock, bytes.to_vec())
    });
    assert!(expected.eq(got), "{frames} frames, jump of {jump} s, then {after}");
}

#[test]
fn frames_held_at_a_blocks_end_are_given_with_their_true_time() {
    // A frame takes 1416 bytes, so that the first block ends after frame 740.
    let (day, fits) = (86_400, BLOCK_BYTES as u32 / 1416);
    for frames in fits - 3..fits + 2 {
        for after in [1, 2, 3, 4] {
            check_jump(frames, after, 2 * day, 3);
        }
    }
    for frames in [fits - 40, fits - 1, fits] {
        for after in [63, 64, 200] {
            check_jump(frames, after, -day, 64);
        }
    }
}

/// Hands out a few bytes at a time, as a pipe may.
struct Trickle(Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 * 7 % 9973 + 1;
        let len = buf.len().min(self.1);
        self.0.read(&mut buf[..len])
    }
}

#[test]
fn blocks_end_where_the_file_says_however_it_is_read() {
    let data = vec![7_u8; 1400];
    let frames: Vec<_> =
        (0..3000).map(|i| (SECONDS, i, &data[..(i as usize * 37) % 1400])).collect();
    let classic = pcap(false, 0xa1b2_c3d4, 1, &frames);
    let mut ng = Bytes::new(false).section().interface(1, Bytes::new(false));
    for (i, (.., data)) in frames.iter().enumerate() {
        ng = ng.enhanced(0, i as u64, 0, data);
        if i == 1000 {
            // Larger than a block: passed over without being held.
            ng = ng.block(0x0bad, Bytes::new(false).raw(&vec![1; 3 * BLOCK_BYTES + 8]));
        }
    }
    for file in [classic, ng.out] {
        let lengths = |mut reader: Reader| {
            let (mut block, mut out) = (Block::new(), Vec::new());
            while reader.next_block(&mut block).unwrap() {
                out.push((block.len(), block.get(0).unwrap().order));
            }
            assert_eq!(reader.damage(), None);
            out
        };
        let whole = lengths(reader(&file).unwrap());
        let trickle = Box::new(Trickle(Cursor::new(file.clone()), 1));
        assert_eq!(lengths(Reader::new(trickle, "pipe".into()).unwrap()), whole);
        assert!(whole.len() > 2);
        assert_eq!(whole.iter().map(|b| b.0).sum::<usize>(), 3000);
    }
}

proptest! {
    #[test]
    fn any_bytes_end_in_frames_or_one_clear_line(
        magic in 0_usize..5,
        tail in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let heads = [
            vec![],
            pcap(false, 0xa1b2_c3d4, 1, &[]),
            pcap(true, 0xa1b2_3c4d, 0, &[]),
            small_ng(false),
            small_ng(true),
        ];
        let file = [&heads[magic][..], &tail].concat();
        if let Ok(mut reader) = reader(&file) {
            let frames = read_all(&mut reader);
            prop_assert!(frames.iter().map(|f| f.4.len()).sum::<usize>() <= file.len());
            prop_assert!(reader.remarks().iter().all(|line| !line.contains('\n')));
        }
    }

    #[test]
    fn flipped_bytes_never_panic(
        big: bool,
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        let mut file = small_ng(big);
        for (at, value) in flips {
            let at = at % file.len();
            file[at] = value;
        }
        if let Ok(mut reader) = reader(&file) {
            read_all(&mut reader);
        }
    }
}

/// The real captures beside the project, if they are there.
fn captures() -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/captures");
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    Some(
        files
            .filter(|p| p.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "cap"))
            .collect(),
    )
}

/// What `capinfos` tells: frames, bytes on the wire, first and last time (with as many digits as
/// the file has).
fn capinfos(path: &Path) -> io::Result<(u64, u64, String, String)> {
    let options = ["-T", "-r", "-m", "-M", "-S", "-c", "-d", "-a", "-e"];
    let said = Command::new("capinfos").args(options).arg(path).output()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut fields = said.trim().rsplit(',').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let (last, first, bytes, frames) = (next(), next(), next(), next());
    Ok((frames.parse().unwrap(), bytes.parse().unwrap(), first, last))
}

/// A time with as many digits behind the point as another one.
fn like(ns: u64, model: &str) -> String {
    let digits = model.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    text[..text.len() - 9 + digits].to_owned()
}

#[test]
fn real_captures_are_read_as_capinfos_reads_them() {
    let Some(files) = captures() else {
        println!("skipped: no folder with captures beside the project");
        return;
    };
    let mut dated = 0;
    for path in &files {
        let Ok((count, bytes, first, last)) = capinfos(path) else {
            println!("skipped: no capinfos here");
            return;
        };
        let mut reader = Reader::open(path).unwrap();
        let frames = read_all(&mut reader);
        reader.remarks().iter().for_each(|line| println!("{line}"));
        let counts = reader.counts();
        assert_eq!(counts.frames + counts.unknown_link_frames, count, "{}", path.display());
        if counts.unknown_link_frames > 0 {
            continue;
        }
        assert_eq!(frames.iter().map(|f| u64::from(f.3)).sum::<u64>(), bytes, "{}", path.display());
        if first.contains('.') {
            let times = frames.iter().map(|f| f.0);
            let got = times.clone().min().zip(times.max()).unwrap();
            let got = (like(got.0, &first), like(got.1, &last));
            assert_eq!(got, (first, last), "{}", path.display());
            dated += 1;
        }
    }
    println!("{} files compared, {dated} of them with their times", files.len());
    assert!(dated > 0);
}
