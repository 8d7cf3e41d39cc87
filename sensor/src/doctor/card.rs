//! The card behind an interface: its ring, its queues, how it spreads frames over them, what it
//! does to frames, and what it says it has lost.

use std::fs;
use std::time::Duration;

use ringtap_capture::affinity::processors;
use ringtap_capture::nic::{Channels, Feature, Nic, Rings, Spreading};

use super::Watched;
use super::finding::{Finding, State};

/// Counters that are named in one finding.
const NAMED_MAX: usize = 6;

/// Counters by name: the kernel's for the interface, and the driver's.
pub(super) type Counters = Vec<(String, u64)>;

/// The kernel's counters of what an interface has received and lost.
const KERNELS: [&str; 7] = [
    "rx_dropped",
    "rx_missed_errors",
    "rx_fifo_errors",
    "rx_over_errors",
    "rx_crc_errors",
    "rx_length_errors",
    "rx_frame_errors",
];

pub(super) fn examine(watched: &mut Watched) -> Vec<Finding> {
    let name = watched.name.as_str();
    let Some(nic) = &mut watched.nic else { return Vec::new() };
    let mut found = Vec::new();
    found.extend(nic.rings().map(|rings| ring(name, rings)));
    let processors = processors().len();
    found.extend(nic.channels().map(|channels| queues(name, channels, processors)));
    found.extend(nic.spreading().and_then(|spreading| spread(name, &spreading)));
    found.extend(features(name, &nic.features()));
    found
}

fn ring(name: &str, rings: Rings) -> Finding {
    let Rings { now, max } = rings;
    let about = format!("{name} ring");
    let what = format!("holds {now} of {max} frames");
    if now >= max {
        return Finding::new(State::Ok, about, what);
    }
    Finding::new(State::Note, about, what)
        .means("a burst beyond that is lost in the card")
        .advice(format!("`ethtool -G {name} rx {max}`"))
}

fn queues(name: &str, channels: Channels, processors: usize) -> Finding {
    let Channels { now, max } = channels;
    let new = |state| {
        let what = format!("{now} of {max}, for {processors} processors");
        Finding::new(state, format!("{name} queues"), what)
    };
    let count = usize::try_from(now).unwrap_or(usize::MAX);
    if count > processors {
        return new(State::Note)
            .means("several workers share a processor")
            .advice(format!("`ethtool -L {name} combined {processors}`"));
    }
    if now < max && count < processors {
        let best = usize::try_from(max).unwrap_or(usize::MAX).min(processors);
        return new(State::Note)
            .means("what comes by one queue is read by one worker; of it, tunnels alone are spread")
            .advice(format!(
                "`ethtool -L {name} combined {best}`, or more `workers`, if one is too slow"
            ));
    }
    new(State::Ok)
}

/// How frames are spread; nothing is said of a card with one queue.
fn spread(name: &str, spreading: &Spreading) -> Option<Finding> {
    let queue = spreading.slots.first()?;
    let about = format!("{name} spreading");
    if spreading.slots.iter().all(|slot| slot == queue) {
        let what = format!("all frames go to queue {queue}");
        return Some(
            Finding::new(State::Note, about, what)
                .means("one worker reads all of it")
                .advice(format!("`ethtool -X {name} equal QUEUES`, with more than one queue")),
        );
    }
    let symmetry = if spreading.symmetric { "symmetric" } else { "not symmetric" };
    if spreading.udp_ports == Some(false) {
        return Some(
            Finding::new(
                State::Note,
                about,
                format!("{symmetry}, by addresses, not by UDP's ports"),
            )
            .means("what one gateway sends comes to one queue")
            .advice(format!("`ethtool -N {name} rx-flow-hash udp4 sdfn`")),
        );
    }
    let finding = Finding::new(State::Ok, about, symmetry);
    if spreading.symmetric {
        return Some(finding);
    }
    Some(finding.means("the directions of a call come to two workers, who tell each other"))
}

/// What is done to frames that matters here.
fn features(name: &str, features: &[Feature]) -> Vec<Finding> {
    let on = |wanted: &str| features.iter().any(|one| one.name == wanted && one.on);
    let mut found = Vec::new();
    let new = |state, what| Finding::new(state, format!("{name} offload"), what);
    if on("rx-lro") {
        found.push(
            new(State::Warning, "LRO is on")
                .means("frames come put together, and many drivers refuse native XDP with it")
                .advice(format!("`ethtool -K {name} lro off`")),
        );
    }
    if on("rx-vlan-hw-parse") {
        found.push(
            new(State::Note, "the card takes VLAN tags out of frames")
                .means("XDP does not see them, and records have no VLAN")
                .advice(format!("`ethtool -K {name} rxvlan off`, if VLANs matter")),
        );
    }
    found
}

/// What the kernel and the driver count of losses.
pub(super) fn counters(nic: &mut Nic, name: &str) -> Counters {
    let kernels = KERNELS.iter().filter_map(|counter| {
        let path = format!("/sys/class/net/{name}/statistics/{counter}");
        let value = fs::read_to_string(path).ok()?.trim().parse().ok()?;
        Some(((*counter).to_owned(), value))
    });
    let mut all: Counters = kernels.collect();
    let known = all.len();
    for (counter, value) in nic.statistics() {
        let is_known = all.iter().take(known).any(|(name, _)| *name == counter);
        if !is_known && kind(&counter) != Kind::Else {
            all.push((counter, value));
        }
    }
    all
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Frames beyond what a cloud allows a machine.
    Allowance,
    /// Frames lost or broken.
    Loss,
    /// Frames that the kernel has dropped: lost ones, and those that nobody wanted.
    Unwanted,
    /// Something else.
    Else,
}

fn kind(counter: &str) -> Kind {
    const LOSSES: [&str; 16] = [
        "drop",
        "discard",
        "miss",
        "no_buf",
        "nobuf",
        "no_desc",
        "no_dma",
        "out_of_buf",
        "fifo",
        "overrun",
        "crc_err",
        "over_err",
        "length_err",
        "frame_err",
        "no_mem",
        "alloc_fail",
    ];
    let counter = counter.to_ascii_lowercase();
    if counter.contains("allowance_exceeded") {
        return Kind::Allowance;
    }
    if counter == "rx_dropped" {
        return Kind::Unwanted;
    }
    // What XDP programs drop, they drop because they want to.
    if counter.contains("xdp") {
        return Kind::Else;
    }
    let sent = counter.starts_with("tx") || counter.contains("_tx_") || counter.contains(":tx");
    if !sent && LOSSES.iter().any(|word| counter.contains(word)) { Kind::Loss } else { Kind::Else }
}

/// What was counted before, and what meanwhile.
pub(super) fn what_was_counted(watched: &mut Watched, look: Duration) -> Vec<Finding> {
    let name = watched.name.as_str();
    let Some(nic) = &mut watched.nic else { return Vec::new() };
    let now = counters(nic, name);
    let mut found = Vec::new();
    for wanted in [Kind::Allowance, Kind::Loss, Kind::Unwanted] {
        let of = |all: &Counters| -> Counters {
            all.iter().filter(|(counter, _)| kind(counter) == wanted).cloned().collect()
        };
        found.extend(judge(name, wanted, &of(&watched.counters), &of(&now), look));
    }
    found
}

fn judge(
    name: &str,
    kind: Kind,
    before: &Counters,
    now: &Counters,
    look: Duration,
) -> Option<Finding> {
    let (about, means, advice) = match kind {
        Kind::Allowance => (
            format!("{name} allowance"),
            "the cloud drops what exceeds the machine's allowance, before it arrives",
            "a larger machine, or less that is mirrored",
        ),
        Kind::Unwanted => (
            format!("{name} counters"),
            "frames that the kernel has no use for, unless the card's own counters rise too",
            "nothing, as long as it is few (LLDP, spanning tree)",
        ),
        Kind::Loss | Kind::Else => (
            format!("{name} counters"),
            "the card or its driver loses frames",
            "a longer ring, more queues; `crc` means the cable",
        ),
    };
    let was = |counter: &str| before.iter().find(|(name, _)| name == counter).map_or(0, |c| c.1);
    let rising: Vec<String> = now
        .iter()
        .filter(|(counter, value)| *value > was(counter))
        .map(|(counter, value)| format!("{counter} +{}", value - was(counter)))
        .collect();
    if !rising.is_empty() {
        let what = format!("rising in {} s: {}", look.as_secs(), some(&rising));
        let state = if kind == Kind::Unwanted { State::Note } else { State::Warning };
        return Some(Finding::new(state, about, what).means(means).advice(advice));
    }
    let lost: Vec<String> = now
        .iter()
        .filter(|(_, value)| *value > 0)
        .map(|(counter, value)| format!("{counter} {value}"))
        .collect();
    if !lost.is_empty() {
        let what = format!("since it is up: {}", some(&lost));
        let finding = Finding::new(State::Note, about, what).means(means);
        return Some(finding.advice("see whether they rise under load"));
    }
    let what = match (now.len(), kind) {
        (0, _) | (_, Kind::Unwanted) => return None,
        (count, Kind::Allowance) => format!("{count} counters, nothing was beyond it"),
        (count, _) => format!("{count} counters of losses, all zero"),
    };
    Some(Finding::new(State::Ok, about, what))
}

fn some(all: &[String]) -> String {
    let mut text = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX {
        text.push_str(&format!(" and {} more", all.len() - NAMED_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_by_their_names() {
        let kinds = [
            ("bw_in_allowance_exceeded", Kind::Allowance),
            ("pps_allowance_exceeded", Kind::Allowance),
            ("conntrack_allowance_exceeded", Kind::Allowance),
            ("conntrack_allowance_available", Kind::Else),
            ("queue_0_rx_bad_desc_num", Kind::Else),
            ("rx_drops", Kind::Loss),
            ("rx_overruns", Kind::Loss),
            ("queue_0_tx_missed_tx", Kind::Else),
            ("rx_missed_errors", Kind::Loss),
            ("rx_no_buffer_count", Kind::Loss),
            ("port.rx_dropped", Kind::Loss),
            ("rx_out_of_buffer", Kind::Loss),
            ("rx_discards_phy", Kind::Loss),
            ("tx_dropped", Kind::Else),
            ("rx_bytes", Kind::Else),
            ("rx_drops_packet_over_mru[0]", Kind::Loss),
            ("vf_rx_dropped", Kind::Loss),
            ("rx_crc_errors", Kind::Loss),
            ("queue_0_rx_page_alloc_fail", Kind::Loss),
            ("rx_over_errors", Kind::Loss),
            ("rx0_xdp_drops", Kind::Else),
            ("rx_dropped", Kind::Unwanted),
            ("peer_ifindex", Kind::Else),
        ];
        for (name, wanted) in kinds {
            assert_eq!(kind(name), wanted, "{name}");
        }
    }

    #[test]
    fn what_rises_is_worse_than_what_was() {
        let counted =
            |one, other| vec![("rx_drops".to_owned(), one), ("rx_miss".to_owned(), other)];
        let second = Duration::from_secs(1);
        let judged = |kind, before, now| judge("a", kind, &before, &now, second).unwrap();
        let rising = judged(Kind::Loss, counted(1, 1), counted(1, 5));
        assert_eq!(
            (rising.state, rising.what.as_str()),
            (State::Warning, "rising in 1 s: rx_miss +4")
        );
        let lost = judged(Kind::Allowance, counted(2, 0), counted(2, 0));
        assert_eq!(lost.state, State::Note);
        assert!(lost.what.ends_with("rx_drops 2") && lost.means.contains("cloud"));
        assert_eq!(judged(Kind::Loss, counted(0, 0), counted(0, 0)).state, State::Ok);
        assert_eq!(judge("a", Kind::Loss, &vec![], &vec![], second), None);
        assert_eq!(judged(Kind::Unwanted, counted(0, 0), counted(0, 1)).state, State::Note);
        // A counter that went back was reset, and has not risen.
        assert_eq!(judged(Kind::Loss, counted(9, 0), counted(0, 0)).state, State::Ok);
    }

    #[test]
    fn rings_queues_and_spreading() {
        assert!(ring("a", Rings { now: 512, max: 4096 }).advice.contains("-G a rx 4096"));
        assert_eq!(ring("a", Rings { now: 512, max: 512 }).state, State::Ok);
        let judged = |now, max, processors| queues("a", Channels { now, max }, processors).state;
        assert_eq!(judged(4, 4, 4), State::Ok);
        assert_eq!(judged(1, 1, 4), State::Ok);
        assert_eq!(judged(8, 8, 4), State::Note);
        assert_eq!(judged(1, 8, 4), State::Note);
        let of = |slots: &[u32], symmetric, udp_ports| {
            let slots = slots.to_vec();
            spread("a", &Spreading { slots, symmetric, udp_ports, key: vec![] })
        };
        assert_eq!(of(&[], true, None), None);
        assert_eq!(of(&[3, 3], true, None).unwrap().what, "all frames go to queue 3");
        assert_eq!(of(&[0, 1], false, Some(true)).unwrap().state, State::Ok);
        assert_eq!(of(&[0, 1], true, Some(false)).unwrap().state, State::Note);
    }

    #[test]
    fn offloads_that_matter_are_named() {
        let feature = |name: &str, on| Feature { name: name.into(), on, switchable: true };
        let told = features("a", &[feature("rx-lro", true), feature("rx-gro", true)]);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].state, State::Warning);
        assert_eq!(features("a", &[feature("rx-lro", false)]), []);
        assert_eq!(features("a", &[feature("rx-vlan-hw-parse", true)])[0].state, State::Note);
    }
}
