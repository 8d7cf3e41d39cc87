//! A spool segment that somebody damaged or forged: recovery, search and export.
//!
//! The input is a script, because no mutation finds a hash: it lays out chunks with right
//! checksums, over true and false facts, and then does damage.

use std::fs;
use std::path::Path;

use ringtap_spool::format::{Codec, HEADER_BYTES, Header, Prologue, record_header};
use ringtap_spool::layout::{PART, SEALED};
use ringtap_spool::read::{Format, Wanted, export};
use ringtap_spool::{ChunkKey, Class, Kind, Recovered, recover};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use crate::input::Input;

/// The segment's base time, and the folder that is named after it.
const BASE_NS: u64 = 1_700_000_000_000_000_000;
const FOLDER: &str = "2023-11-14/22/RTP";
const STEM: &str = "20231114T221320Z-s7-l1-00000000000000ab";
const SEGMENT: u64 = 0xab;
const CHUNKS_MAX: usize = 8;

/// Recovery of a torn segment succeeds, once it has run nothing is left to do, and an export gives
/// no more packets than were written.
pub fn spool_read(data: &[u8]) {
    let mut input = Input::new(data);
    let root = root();
    let folder = root.path().join(FOLDER);
    fs::create_dir_all(&folder).expect("folders of a segment");
    let ending = if input.byte() & 1 == 0 { PART } else { SEALED };
    let (bytes, records) = segment(&mut input);
    fs::write(folder.join(format!("{STEM}{ending}")), &bytes).expect("a segment");
    if ending == SEALED && input.byte() & 1 == 1 {
        fs::write(folder.join(format!("{STEM}.idx")), input.rest()).expect("an index");
    }
    exported(root.path(), records);
    let done = recover(root.path()).expect("a root that can be listed");
    assert_eq!(done.busy, 0, "{done:?}");
    exported(root.path(), records);
    let again = recover(root.path()).expect("a root that can be listed");
    if ending == PART {
        assert_eq!(done.failed, 0, "{done:?}");
        assert_eq!(again, Recovered::default(), "something is left to do");
    } else {
        // A sealed segment is not mended: what cannot be done stays so.
        assert_eq!((again.failed, again.indexes), (done.failed, 0), "{done:?}, then {again:?}");
    }
}

/// A folder where the environment wants it, else in memory: this is not about disks.
fn root() -> TempDir {
    let root = if std::env::var_os("TMPDIR").is_some() {
        TempDir::new()
    } else {
        TempDir::new_in("/dev/shm").or_else(|_| TempDir::new())
    };
    root.expect("a folder for the segment")
}

fn exported(root: &Path, records: u64) {
    let kinds = [Kind::Sip, Kind::Rtp, Kind::Rtcp];
    let wanted = kinds.into_iter().flat_map(|kind| (0..4).map(move |key| (kind, key)));
    let wanted: Vec<Wanted> = wanted
        .map(|(kind, key)| Wanted { realm: 1, kind, key, from_ns: 0, to_ns: u64::MAX })
        .collect();
    let mut file = Vec::new();
    let done = export(root, &wanted, &mut file, Format::PcapNg).expect("an export into memory");
    assert!(done.packets <= records, "{} of {records}", done.packets);
    assert!(done.first_ns <= done.last_ns);
    assert!(done.bytes <= file.len() as u64);
}

/// A segment's bytes, and the records that its chunks can hold at most.
fn segment(input: &mut Input<'_>) -> (Vec<u8>, u64) {
    let prologue = Prologue {
        class: input.pick(&[Class::Media, Class::Sip]),
        sensor: 7,
        link: 1,
        segment: SEGMENT,
        base_ns: BASE_NS,
    };
    let mut bytes = prologue.encode().to_vec();
    let mut records = 0;
    for _ in 0..usize::from(input.byte()) % (CHUNKS_MAX + 1) {
        match input.byte() % 8 {
            0 => bytes.extend_from_slice(input.bytes(32)),
            1 => bytes.resize(bytes.len() + usize::from(input.byte()), 0),
            2 => records += chunk(input, true, &mut bytes),
            _ => records += chunk(input, false, &mut bytes),
        }
    }
    for _ in 0..input.byte() % 4 {
        let at = usize::from(input.u16()) % bytes.len();
        match input.byte() % 4 {
            0 => bytes.truncate(at.max(1)),
            1 => {
                // What stood there stands twice: a chunk within a gap within a chunk.
                let end = (at + usize::from(input.byte())).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.extend_from_slice(&copy);
                records += copy.len() as u64;
            }
            2 => bytes[at..].iter_mut().take(32).for_each(|byte| *byte = 0),
            _ => bytes[at] ^= input.byte() | 1,
        }
    }
    (bytes, records)
}

/// Adds a chunk; a forged one is consistent in its checksums alone.
fn chunk(input: &mut Input<'_>, forged: bool, bytes: &mut Vec<u8>) -> u64 {
    let first_ns = BASE_NS + u64::from(input.byte()) * 1_000_000_000;
    let count = u32::from(input.byte() % 4) + 1;
    let mut records = Vec::new();
    for number in 0..count {
        let length = usize::from(input.byte() % 64);
        let packet = input.bytes(length);
        let length = packet.len() as u32;
        let stated = if forged && input.byte() & 1 == 1 { input.u32() } else { length };
        let ts_ns = first_ns + u64::from(number) * 1_000_000;
        records.extend_from_slice(&record_header(ts_ns, stated, stated));
        records.extend_from_slice(packet);
    }
    let mut body = vec![0; records.len() + HEADER_BYTES];
    let length = ringtap_spool::format::raw_frame(&records, &mut body).expect("room for a frame");
    body.truncate(length);
    let mut header = Header {
        key: ChunkKey {
            realm: 1,
            kind: input.pick(&[Kind::Rtp, Kind::Rtcp, Kind::Sip]),
            key: u64::from(input.byte() % 4),
            link: 1,
        },
        codec: input.pick(&[Codec::Raw, Codec::Zstd]),
        segment: SEGMENT,
        first_ns,
        last_ns: first_ns + u64::from(count - 1) * 1_000_000,
        packets: count,
        records_len: records.len() as u32,
        body_len: body.len() as u32,
        body_hash: xxh3_64(&body),
    };
    if forged {
        forge(input, &mut header, &mut body);
    }
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(&body);
    // A record takes sixteen bytes.
    (records.len() / 16) as u64 + u64::from(count)
}

fn forge(input: &mut Input<'_>, header: &mut Header, body: &mut Vec<u8>) {
    match input.byte() % 8 {
        0 => header.packets = input.u32(),
        1 => header.records_len = input.u32(),
        2 => header.body_len = input.u32(),
        3 => header.segment = u64::from(input.byte()),
        4 => (header.first_ns, header.last_ns) = (u64::from(input.u32()), u64::MAX),
        5 => header.key.link = input.u16(),
        6 => header.records_len = u32::from(input.u16()),
        _ => {
            let at = usize::from(input.byte()) % body.len();
            body[at] ^= input.byte() | 1;
            body.extend_from_slice(input.bytes(8));
            header.body_len = body.len() as u32;
            header.body_hash = xxh3_64(body);
        }
    }
}
