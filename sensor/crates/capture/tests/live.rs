//! The live sources on real interfaces of a network namespace: XDP in native and generic mode,
//! jumbo frames, the packet socket, and everything that must be refused.

mod lab;

use std::collections::BTreeMap;

use ringtap_capture::packet_socket::{self, PacketOptions};
use ringtap_capture::xdp::load::AttachMode;
use ringtap_capture::xdp::{self, BusyPoll, XdpInterface, XdpOptions};
use ringtap_capture::{CaptureError, Link, Method, Opened, Source, SourceStats, open};

use lab::{FAR, QUEUES, drain, inside, receive, rtp, send};

const FLOWS: u16 = 64;
const EACH: u16 = 20;
const FRAMES: usize = FLOWS as usize * EACH as usize;

fn traffic() -> impl Iterator<Item = Vec<u8>> {
    (0..EACH).flat_map(|sequence| (0..FLOWS).map(move |flow| rtp(flow, sequence)))
}

fn options(native: bool) -> XdpOptions {
    XdpOptions { native, generic: !native, ..XdpOptions::new(FAR) }
}

type Boxed = Vec<Box<dyn Source>>;

fn open_xdp(options: &XdpOptions) -> (XdpInterface, Boxed) {
    let (interface, sources) = xdp::open(options).expect("XDP works on veth");
    (interface, sources.into_iter().map(|s| Box::new(s) as Box<dyn Source>).collect())
}

fn total(sources: &mut Boxed) -> SourceStats {
    let mut sum = SourceStats::default();
    for source in sources {
        sum.add(&source.stats());
    }
    sum
}

/// Every frame sent is received unchanged, in the order of its flow, and accounted for.
fn all_frames_arrive(options: &XdpOptions, mode: AttachMode) {
    let (interface, mut sources) = open_xdp(options);
    assert_eq!(interface.mode(), mode);
    assert_eq!(sources.len(), QUEUES);
    println!("{}", sources[0].describe());
    send(traffic());
    let mut flows: BTreeMap<Vec<u8>, u16> = BTreeMap::new();
    let mut queues = [0; QUEUES];
    let mut clocks = [0; QUEUES];
    let got = receive(&mut sources, FRAMES, |queue, frame| {
        let next = flows.entry(frame.bytes[26..36].to_vec()).or_default();
        let flow = u16::from_be_bytes([frame.bytes[28], frame.bytes[29]]);
        assert_eq!(frame.bytes, rtp(flow, *next));
        assert_eq!(frame.wire_len as usize, frame.bytes.len());
        assert_eq!((frame.link, frame.origin), (Link::Ethernet, 0));
        assert!(frame.clock >= clocks[queue] && frame.order == frame.clock);
        assert!(frame.ts > 1_700_000_000_000_000_000);
        *next += 1;
        clocks[queue] = frame.clock;
        queues[queue] += 1;
    });
    assert_eq!(got, FRAMES);
    assert_eq!(flows.len(), usize::from(FLOWS));
    assert!(queues.iter().filter(|&&frames| frames > FRAMES / 20).count() >= 2, "{queues:?}");
    let counts = interface.counts().expect("counters can be read");
    let stats = total(&mut sources);
    assert_eq!(counts.total(), FRAMES as u64, "{counts:?}");
    assert_eq!(counts.redirected(), stats.received + stats.lost());
    assert_eq!(stats, SourceStats { received: FRAMES as u64, ..stats });
    assert_eq!((stats.lost(), stats.clock_clamped), (0, stats.clock_clamped));
    let stamped = options.program.settings.kernel_timestamps != 0;
    assert_eq!(stats.unstamped, if stamped { 0 } else { stats.received });
}

#[test]
fn native_xdp_receives_every_frame_on_several_queues() {
    inside(|lab| {
        all_frames_arrive(&options(true), AttachMode::Native);
        let left = lab.far();
        assert!(!left.contains("xdp") && left.contains("promiscuity 0"), "{left}");
    });
}

#[test]
fn generic_xdp_receives_every_frame() {
    inside(|_| all_frames_arrive(&options(false), AttachMode::Generic));
}

#[test]
fn busy_polling_without_kernel_stamps_receives_the_same() {
    inside(|_| {
        let mut options = options(true);
        options.busy_poll = Some(BusyPoll::default());
        options.program.settings.kernel_timestamps = 0;
        options.huge_pages = false;
        all_frames_arrive(&options, AttachMode::Native);
    });
}

#[test]
fn buffers_are_used_again_and_again() {
    inside(|_| {
        let mut options = options(true);
        options.buffers = 512;
        let (_interface, mut sources) = open_xdp(&options);
        for round in 0..30 {
            send((0..200).map(|i| rtp(7, round * 200 + i)));
            assert_eq!(receive(&mut sources, 200, |_, _| {}), 200, "round {round}");
        }
        assert_eq!(total(&mut sources).lost(), 0);
    });
}

#[test]
fn frames_that_nobody_reads_are_counted_as_lost() {
    inside(|_| {
        let mut options = options(true);
        options.buffers = 512;
        let (interface, mut sources) = open_xdp(&options);
        // All on one queue, which holds 512.
        send((0..2000).map(|i| rtp(7, i)));
        receive(&mut sources, 512, |_, _| {});
        interface.stop().unwrap();
        let stats = drain(&mut sources, 2000);
        let counts = interface.counts().unwrap();
        assert!(stats.lost() > 0, "{stats:?}");
        assert_eq!(counts.redirected(), stats.received + stats.lost(), "{counts:?} {stats:?}");
        assert_eq!(counts.total(), 2000);
    });
}

#[test]
fn jumbo_frames_arrive_whole() {
    inside(|_| {
        let long: Vec<u8> = (0..8958_u32).map(|i| (i % 251) as u8).collect();
        for native in [true, false] {
            let (_interface, mut sources) = open_xdp(&options(native));
            let frames: Vec<_> = (0..300_u16)
                .map(|i| match i % 3 {
                    0 => rtp(1, i),
                    _ => lab::datagram(1, i, 5060, &long),
                })
                .collect();
            assert_eq!(frames[1].len(), 9000);
            send(frames.iter().cloned());
            // Short and long ones are different flows and may be on different queues.
            let mut missing: BTreeMap<_, _> =
                frames.iter().map(|f| (f[18..20].to_vec(), f)).collect();
            let got = receive(&mut sources, frames.len(), |_, frame| {
                let sent = missing.remove(&frame.bytes[18..20]).unwrap();
                assert!(frame.bytes == &sent[..], "{} of {}", frame.bytes.len(), sent.len());
            });
            assert_eq!(got, frames.len(), "native: {native}, {:?}", total(&mut sources));
            let stats = total(&mut sources);
            assert_eq!((stats.lost(), stats.unstamped), (0, 0), "native: {native}");
        }
    });
}

#[test]
fn packet_sockets_share_the_frames_by_flow() {
    inside(|lab| {
        let options = PacketOptions { sockets: 3, ..PacketOptions::new(FAR) };
        let sources = packet_socket::open(&options).unwrap();
        let mut sources: Boxed =
            sources.into_iter().map(|s| Box::new(s) as Box<dyn Source>).collect();
        println!("{}", sources[0].describe());
        assert!(lab.far().contains("promiscuity 3"));
        send(traffic());
        let mut flows: BTreeMap<u16, (usize, u16)> = BTreeMap::new();
        let got = receive(&mut sources, FRAMES, |socket, frame| {
            let flow = u16::from_be_bytes([frame.bytes[28], frame.bytes[29]]);
            let (at, next) = flows.entry(flow).or_insert((socket, 0));
            assert_eq!((*at, frame.bytes), (socket, &rtp(flow, *next)[..]));
            assert!(frame.ts > 1_700_000_000_000_000_000);
            *next += 1;
        });
        assert_eq!(got, FRAMES);
        let stats = total(&mut sources);
        assert_eq!((stats.received, stats.lost()), (FRAMES as u64, 0));
        let used: Vec<_> = flows.values().map(|(socket, _)| *socket).collect();
        assert!((0..3).all(|socket| used.contains(&socket)), "{used:?}");
    });
}

#[test]
fn packet_sockets_give_vlan_tags_and_jumbo_frames_back_whole() {
    inside(|_| {
        let sources = packet_socket::open(&PacketOptions::new(FAR)).unwrap();
        let mut sources: Boxed =
            sources.into_iter().map(|s| Box::new(s) as Box<dyn Source>).collect();
        let mut tagged = rtp(1, 1);
        tagged.splice(12..12, [0x81, 0, 0x20, 42]);
        let mut service = rtp(2, 2);
        service.splice(12..12, [0x88, 0xa8, 0, 7, 0x81, 0, 0, 9]);
        let jumbo = lab::datagram(3, 3, 5060, &[7; 8958]);
        let frames = [tagged, service, jumbo];
        send(frames.iter().cloned());
        let mut next = frames.iter();
        let got = receive(&mut sources, frames.len(), |_, frame| {
            assert_eq!(Some(&frame.bytes.to_vec()), next.next());
            assert_eq!(frame.wire_len as usize, frame.bytes.len());
        });
        assert_eq!(got, frames.len());
    });
}

#[test]
fn a_full_packet_ring_counts_what_it_loses() {
    inside(|_| {
        let options = PacketOptions { ring_bytes: 0, ..PacketOptions::new(FAR) };
        let sources = packet_socket::open(&options).unwrap();
        let mut sources: Boxed =
            sources.into_iter().map(|s| Box::new(s) as Box<dyn Source>).collect();
        send((0..10_000).map(|i| rtp(1, i)));
        let stats = drain(&mut sources, 10_000);
        assert!(stats.packet_dropped > 0, "{stats:?}");
        assert_eq!(stats.received + stats.lost(), 10_000, "{stats:?}");
    });
}

fn open_by(method: Method, interface: &str) -> Result<Opened, CaptureError> {
    open(method, &XdpOptions::new(interface), &PacketOptions::new(interface))
}

#[test]
fn the_best_means_is_chosen_and_named() {
    inside(|lab| {
        let got = open_by(Method::Auto, FAR).unwrap();
        println!("{}", got.line);
        assert!(got.line.contains("native XDP") && got.line.contains("4 in all"), "{}", got.line);
        drop(got);
        let got = open_by(Method::XdpGeneric, FAR).unwrap();
        assert!(got.line.contains("generic XDP"), "{}", got.line);
        drop(got);
        let got = open_by(Method::Packet, FAR).unwrap();
        assert!(got.line.contains("packet socket") && got.kernel.is_none(), "{}", got.line);
        drop(got);
        lab.ip(&["link", "set", "lo", "up"]);
        let got = open_by(Method::Auto, "lo").unwrap();
        println!("{}", got.line);
        assert!(got.line.contains("packet socket") && got.line.contains("XDP cannot be had"));
        assert!(matches!(open_by(Method::Xdp, "lo"), Err(CaptureError::NoXdp { .. })));
    });
}

#[test]
fn what_cannot_work_is_refused_in_one_line() {
    inside(|lab| {
        let refusal = |method, interface| {
            let line = open_by(method, interface).unwrap_err().to_string();
            assert!(!line.contains('\n'));
            println!("{line}");
            line
        };
        for method in [Method::Auto, Method::Packet] {
            assert!(refusal(method, "absent0").contains("there is no interface absent0"));
            assert!(refusal(method, "a-name-that-is-too-long").contains("there is no interface"));
        }
        lab.ip(&["link", "set", FAR, "down"]);
        for method in [Method::Auto, Method::Packet] {
            assert!(refusal(method, FAR).contains("ip link set far0 up"));
        }
        lab.ip(&["link", "set", FAR, "up"]);
        let held = open_by(Method::Xdp, FAR).unwrap();
        assert!(refusal(Method::Xdp, FAR).contains("taken by another"));
        drop(held);
        // An address is the host's also where it sits on what is built upon the interface.
        lab.ip(&["link", "add", "bridge0", "type", "bridge"]);
        lab.ip(&["link", "set", FAR, "master", "bridge0"]);
        lab.ip(&["addr", "add", "fe80::7/64", "dev", "bridge0"]);
        drop(open_by(Method::Xdp, FAR).unwrap());
        lab.ip(&["addr", "add", "10.6.5.4/24", "dev", "bridge0"]);
        assert!(refusal(Method::Auto, FAR).contains("10.6.5.4 on bridge0"));
        lab.ip(&["link", "del", "bridge0"]);
        lab.ip(&["addr", "add", "10.9.8.7/24", "dev", FAR]);
        assert!(refusal(Method::Auto, FAR).contains("10.9.8.7"));
        open_by(Method::Packet, FAR).unwrap();
        let allowed = XdpOptions { allow_own_address: true, ..XdpOptions::new(FAR) };
        open(Method::Xdp, &allowed, &PacketOptions::new(FAR)).unwrap();
    });
}

#[test]
fn missing_rights_are_told() {
    inside(|_| {
        lab::become_nobody();
        for method in [Method::Auto, Method::Xdp, Method::Packet] {
            let error = open_by(method, FAR).unwrap_err();
            println!("{error}");
            assert!(matches!(error, CaptureError::NotAllowed { .. }), "{error}");
        }
    });
}
