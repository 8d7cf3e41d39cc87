//! How fast the spool is on this machine: packets into segments, one call out of many.
//!
//! `cargo run --release -p ringtap-spool --example throughput [FOLDER [MILLIONS [STREAMS]]]`
//! prints a table; it leaves nothing in the folder. The audio is noise, which no compressor
//! shortens: the worst case.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ringtap_spool::read::{Format, Wanted, export};
use ringtap_spool::{ChunkKey, Compression, Kind, Options, Slot, Spool};

const T0: u64 = 1_700_000_000_000_000_000;
const PACKET_BYTES: usize = 214;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().unwrap_or_else(|| ".".into()));
    let millions: u64 = args.next().map_or(Ok(4), |number| number.parse())?;
    let streams: u64 = args.next().map_or(Ok(2000), |number| number.parse())?;
    println!("{millions} million packets of {PACKET_BYTES} bytes in {streams} streams, 1 worker");
    println!("compression   worker ns/pkt   pkts/CPU-s   wall s   disk MB   one call   packets");
    for (name, compression) in [
        ("none", Compression::None),
        ("zstd -5", Compression::Zstd(-5)),
        ("zstd -1", Compression::Zstd(-1)),
        ("zstd 1", Compression::Zstd(1)),
    ] {
        let root = folder.join(format!("spool-throughput-{}", std::process::id()));
        let line = measure(&root, compression, millions * 1_000_000, streams);
        std::fs::remove_dir_all(&root)?;
        println!("{name:11}   {}", line?);
    }
    Ok(())
}

fn measure(
    root: &Path,
    compression: Compression,
    packets: u64,
    streams: u64,
) -> Result<String, Box<dyn Error>> {
    let options = Options {
        compression_sip: compression,
        compression_rtp: compression,
        lossless: true,
        ..Options::new(root.to_path_buf())
    };
    let noise = noise(1 << 20);
    let mut headers: Vec<[u8; 54]> = (0..streams).map(header).collect();
    let (wall, cpu) = (Instant::now(), cpu_ns(false));
    let (spool, mut gatherers) = Spool::start(&options, 1)?;
    let mut gatherer = gatherers.remove(0);
    let mut slots = vec![Slot::default(); streams as usize];
    let mut packet = [0_u8; PACKET_BYTES];
    let worker = cpu_ns(true);
    for number in 0..packets / streams {
        for (stream, (slot, header)) in (0..).zip(slots.iter_mut().zip(headers.iter_mut())) {
            // Sequence number and time stamp go on; the rest of a header stays.
            header[44..46].copy_from_slice(&(number as u16).to_be_bytes());
            header[46..50].copy_from_slice(&(number as u32 * 160).to_be_bytes());
            packet[..54].copy_from_slice(header);
            let at = (number * 7919 + stream * 104_729) as usize % (noise.len() - 160);
            packet[54..].copy_from_slice(&noise[at..at + 160]);
            let ts = T0 + number * 20_000_000 + stream * 9000;
            let key = ChunkKey { realm: 0, kind: Kind::Rtp, key: stream, link: 1 };
            let _ = gatherer.append(slot, &key, ts, ts, PACKET_BYTES as u32, &packet);
        }
    }
    drop(gatherer);
    let worker = cpu_ns(true) - worker;
    let counters = spool.seal()?;
    let (wall, cpu) = (wall.elapsed(), cpu_ns(false) - cpu);
    if counters.stored != counters.offered {
        return Err(format!("packets are missing: {counters:?}").into());
    }
    let started = Instant::now();
    let want = |key| Wanted { realm: 0, kind: Kind::Rtp, key, from_ns: 0, to_ns: u64::MAX };
    let done = export(root, &[want(0), want(1)], &mut std::io::sink(), Format::PcapNg)?;
    let export_ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(format!(
        "{:13.0}   {:8.2} M   {:6.2}   {:7}   {:5.1} ms   {}",
        worker as f64 / counters.offered as f64,
        counters.offered as f64 * 1e3 / cpu as f64,
        wall.as_secs_f64(),
        counters.disk_bytes >> 20,
        export_ms,
        done.packets
    ))
}

/// The headers of a G.711 stream over Ethernet, IPv4, UDP and RTP.
fn header(stream: u64) -> [u8; 54] {
    let mut bytes = [0; 54];
    bytes[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    bytes[22..24].copy_from_slice(&[64, 17]);
    bytes[26..34].copy_from_slice(&(stream * 0x9E37_79B9).to_be_bytes());
    bytes[42..44].copy_from_slice(&[0x80, 8]);
    bytes[50..54].copy_from_slice(&(stream as u32).to_be_bytes());
    bytes
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// CPU time of this thread or of the whole process, from the system's own account.
fn cpu_ns(thread: bool) -> u64 {
    if thread {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        return text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
    }
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, fields 14 and 15, in ticks of 10 ms.
    ticks.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10_000_000
}
