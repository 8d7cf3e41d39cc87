//! What the counts of a look mean, for an interface and for capture files alike.

use ringtap_common::tunnel::Kind;
use ringtap_common::walk::PROTO_TCP;

use super::Look;
use super::streams::Found;
use crate::config::Config;
use crate::doctor::finding::{Finding, State};
use crate::plant::directions::Directions;

/// Ports that are named in one finding.
const PORTS_NAMED: usize = 4;

/// Of less time a rate would be chance, s.
const RATE_SECONDS_MIN: f64 = 0.1;

/// Streams from which on it tells something that none is answered.
const STREAMS_MIN: usize = 4;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What findings call it.
    pub name: &'a str,
    /// How long was looked, s; `None`: as long as the frames' own times say.
    pub seconds: Option<f64>,
    /// The interface's MTU.
    pub mtu: Option<u32>,
    /// What is heard of its hosts.
    pub directions: Directions,
}

/// All findings of a look.
pub fn findings(look: &Look, place: &Place<'_>, config: &Config) -> Vec<Finding> {
    let says = Says { look, place, config, found: look.streams.found() };
    let mut all = vec![says.frames()];
    if look.counts.frames > 0 {
        all.extend([says.sip(), says.rtp()]);
        all.extend(says.rtcp());
        all.extend(says.directions());
        all.extend(says.tunnels());
        all.extend(says.copies());
        all.extend(says.shape());
        all.extend(says.elsewhere());
    }
    all
}

/// What a mirror brings of the two directions; nothing where too little was heard.
pub fn directions(name: &str, directions: Directions) -> Option<Finding> {
    let about = format!("{name} directions");
    let (what, host) = match directions {
        Directions::Unknown => return None,
        Directions::Both => return Some(Finding::new(State::Ok, about, "both directions of SIP")),
        Directions::WithoutSent(host) => ("sent", host),
        Directions::WithoutReceived(host) => ("received", host),
    };
    let what = format!("one direction of SIP only: what {host} has {what} is missing");
    Some(
        Finding::new(State::Warning, about, what)
            .means("calls are seen by half")
            .advice("mirror both ingress and egress"),
    )
}

struct Says<'a> {
    look: &'a Look,
    place: &'a Place<'a>,
    config: &'a Config,
    found: Found,
}

impl Says<'_> {
    fn say(&self, state: State, about: &str, what: impl Into<String>) -> Finding {
        Finding::new(state, format!("{} {about}", self.place.name), what)
    }

    fn seconds(&self) -> f64 {
        let counts = &self.look.counts;
        let told = counts.last_ns.saturating_sub(counts.first_ns) as f64 / 1e9;
        self.place.seconds.unwrap_or(told)
    }

    /// How many a second, to stand behind a count.
    fn rate(&self, count: u64) -> String {
        match self.seconds() {
            seconds if seconds >= RATE_SECONDS_MIN => {
                format!(", {:.1}/s", count as f64 / seconds)
            }
            _ => String::new(),
        }
    }

    fn frames(&self) -> Finding {
        let counts = &self.look.counts;
        if counts.frames == 0 && self.place.seconds.is_none() {
            return self.say(State::Problem, "frames", "no frame that can be read");
        }
        if counts.frames == 0 {
            let what = format!("no frame in {:.1} s", self.seconds());
            return self
                .say(State::Warning, "frames", what)
                .means("nothing is mirrored here")
                .advice("check the mirror's source and target ports, and the cable");
        }
        let seconds = self.seconds();
        let (frames, bytes) = (counts.frames, counts.bytes);
        let what = format!("{frames} frames, {bytes} bytes in {seconds:.1} s");
        let finding = self.say(State::Ok, "frames", what);
        if seconds < RATE_SECONDS_MIN {
            return finding;
        }
        let megabits = bytes as f64 * 8.0 / 1e6 / seconds;
        finding.means(format!("{:.1}/s, {megabits:.2} Mbit/s", frames as f64 / seconds))
    }

    fn sip(&self) -> Finding {
        let counts = &self.look.counts;
        if counts.sip > 0 {
            let what = format!("{} packets with SIP{}", counts.sip, self.rate(counts.sip));
            return self.say(State::Ok, "sip", what);
        }
        let ports = ranges(&self.config.sipport);
        self.say(State::Warning, "sip", format!("no SIP on the ports of `sipport` ({ports})"))
            .means("without SIP there are no calls, only streams")
            .advice("mirror the SIP servers too, or name their ports in `sipport`")
    }

    fn rtp(&self) -> Finding {
        let (packets, found) = (self.look.counts.rtp, &self.found);
        if found.streams > 0 {
            let more = if found.untold > 0 { " at least" } else { "" };
            let (streams, rate) = (found.streams, self.rate(packets));
            let what = format!("{streams} streams{more}, {packets} packets{rate}");
            return self.say(State::Ok, "rtp", what);
        }
        let ports = ranges(&self.config.media_ports);
        let what = format!("no stream of RTP on the ports of `media_ports` ({ports})");
        let state = if self.look.counts.sip > 0 { State::Warning } else { State::Note };
        self.say(state, "rtp", what)
            .means("no call talks at the moment, or media goes another way")
            .advice("mirror the media's way too")
    }

    /// Nothing where there is no media that it could speak of.
    fn rtcp(&self) -> Option<Finding> {
        let packets = self.look.counts.rtcp;
        if packets > 0 {
            let what = format!("{packets} packets{}", self.rate(packets));
            return Some(self.say(State::Ok, "rtcp", what));
        }
        (self.found.streams > 0).then(|| {
            self.say(State::Note, "rtcp", "no RTCP")
                .means("the delay of the path is unknown, MOS assumes one")
        })
    }

    fn directions(&self) -> Vec<Finding> {
        let mut all: Vec<Finding> =
            directions(self.place.name, self.place.directions).into_iter().collect();
        let streams = self.found.streams;
        if streams >= STREAMS_MIN && self.found.answered == 0 {
            let what = format!("none of {streams} streams has one the other way");
            all.push(
                self.say(State::Warning, "directions", what)
                    .means("one direction of RTP only, or media that nobody answers")
                    .advice("mirror both ingress and egress"),
            );
        }
        all
    }

    fn tunnels(&self) -> Vec<Finding> {
        let counts = &self.look.counts;
        let tunnels = Kind::ALL.iter().zip(counts.tunnels).filter(|(_, packets)| *packets > 0);
        let mut all: Vec<Finding> = tunnels
            .map(|(kind, packets)| {
                let (title, rate) = (kind.title(), self.rate(packets));
                let what = format!("{packets} packets out of {title}{rate}");
                self.say(State::Ok, "tunnel", what)
            })
            .collect();
        if counts.too_deep > 0 {
            let depth = self.config.tunnel_depth;
            let what = format!("{} packets in more tunnels than are opened", counts.too_deep);
            all.push(
                self.say(State::Warning, "tunnel", what)
                    .means(format!("`tunnel_depth` is {depth}, what is deeper is not seen"))
                    .advice("raise `tunnel_depth`"),
            );
        }
        for (port, kind, packets) in self.look.hidden.found().into_iter().take(PORTS_NAMED) {
            let (title, key) = (kind.title(), key(kind));
            let what = format!("{packets} datagrams to port {port} look like {title}");
            let set = if kind == Kind::AudioCodes { "set `audiocodes = yes` and " } else { "" };
            // Its port is known: then it is the depth that keeps it shut.
            let advice = match self.look.is_tunnel_port(port) {
                true => "raise `tunnel_depth`".to_owned(),
                false => format!("{set}add the port to `{key}`"),
            };
            all.push(
                self.say(State::Warning, "tunnel", what)
                    .means("what is in them is not seen")
                    .advice(advice),
            );
        }
        if counts.gtp > 0 {
            let what = format!("{} packets of GTP", counts.gtp);
            all.push(
                self.say(State::Note, "tunnel", what)
                    .means("it is not opened")
                    .advice("mirror behind the gateway (PGW, UPF) to see what mobile users send"),
            );
        }
        all
    }

    fn copies(&self) -> Vec<Finding> {
        let (counts, mut all) = (&self.look.counts, Vec::new());
        let share = |count: u64| {
            let percent = count as f64 * 100.0 / counts.frames.max(1) as f64;
            format!("{count} of {} frames ({percent:.1} %)", counts.frames)
        };
        if counts.copies > 0 {
            let what = format!("{} are copies", share(counts.copies));
            let finding = if self.config.deduplicate {
                self.say(State::Note, "copies", what)
                    .means("the mirror brings them twice; they are dropped and counted")
            } else {
                self.say(State::Warning, "copies", what)
                    .means("the mirror brings them twice, and RTP counts them as duplicates")
                    .advice("set `deduplicate = yes`")
            };
            all.push(finding);
        }
        if counts.late_copies > 0 {
            let window = self.config.deduplicate_window_ms;
            let what = format!("{} are copies of RTP that come late", share(counts.late_copies));
            all.push(
                self.say(State::Warning, "copies", what)
                    .means(format!("more than {window} ms behind, so they are not told"))
                    .advice("raise `deduplicate_window_ms`"),
            );
        }
        all
    }

    /// Frames that are in pieces, cut, put together or broken.
    fn shape(&self) -> Vec<Finding> {
        let (counts, mut all) = (&self.look.counts, Vec::new());
        if counts.pieces > 0 {
            let (pieces, tunnel) = (counts.pieces, counts.tunnel_pieces);
            let what = format!("{pieces} pieces of packets, {tunnel} of them of tunnels' packets");
            let finding = if tunnel > 0 {
                let advice = "give the tunnel's way an MTU 50 bytes and more above the mirror's";
                self.say(State::Warning, "fragments", what)
                    .means("each mirrored packet costs two frames, and one lost loses both")
                    .advice(advice)
            } else {
                self.say(State::Note, "fragments", what).means("they are put together")
            };
            all.push(finding);
        }
        if counts.cut > 0 {
            let what = format!("{} frames are cut, at {} bytes", counts.cut, counts.cut_at);
            let advice = "capture whole frames (`tcpdump -s 0`, no truncation at the mirror)";
            let (state, means) = if counts.cut_sip > 0 {
                (State::Warning, format!("{} of them have SIP: calls lack parts", counts.cut_sip))
            } else {
                (State::Note, "scores are as good, but audio is not to be had".to_owned())
            };
            all.push(self.say(state, "length", what).means(means).advice(advice));
        }
        let header = 18;
        if let Some(mtu) = self.place.mtu.filter(|mtu| counts.longest > mtu.saturating_add(header))
        {
            let what = format!("frames of {} bytes, above the MTU of {mtu}", counts.longest);
            all.push(
                self.say(State::Note, "length", what)
                    .means("the host puts segments together (GRO, LRO); calls do not suffer"),
            );
        }
        if counts.malformed > 0 {
            let what = format!("{} frames contradict themselves", counts.malformed);
            all.push(self.say(State::Note, "length", what).means("they are left out"));
        }
        all
    }

    /// What is VoIP and not taken.
    fn elsewhere(&self) -> Vec<Finding> {
        let (counts, mut all) = (&self.look.counts, Vec::new());
        let (ports, rest) = self.look.sip_elsewhere.busiest(PORTS_NAMED);
        for one in &ports {
            let proto = if one.proto == PROTO_TCP { "TCP" } else { "UDP" };
            let what = format!("{} messages of SIP on {proto} port {}", one.packets, one.port);
            let told = ranges(&self.config.sipport);
            all.push(
                self.say(State::Warning, "sip elsewhere", what)
                    .means("they are not seen")
                    .advice(format!("set `sipport = {told},{}`", one.port)),
            );
        }
        if rest > 0 {
            let what = format!("{rest} more messages of SIP on other ports");
            all.push(self.say(State::Warning, "sip elsewhere", what).means("they are not seen"));
        }
        if counts.tls > 0 {
            let what = format!("{} packets of TLS on ports of SIP", counts.tls);
            all.push(
                self.say(State::Note, "sip", what)
                    .means("what is encrypted cannot be read")
                    .advice("have the SIP server send HEP (`hep = yes`), or mirror behind its TLS"),
            );
        }
        if let Some((low, high)) = self.found.ports {
            let Found { elsewhere, packets_elsewhere, .. } = self.found;
            let what = format!(
                "{elsewhere} streams of RTP, {packets_elsewhere} packets, to ports {low} to {high}"
            );
            all.push(
                self.say(State::Warning, "rtp elsewhere", what)
                    .means("they are not seen: `media_ports` does not have them")
                    .advice(format!("add them to `media_ports`: {low}-{high}")),
            );
        }
        if counts.hep > 0 {
            let what = format!("{} messages of HEP pass by", counts.hep);
            all.push(
                self.say(State::Note, "hep", what)
                    .means("agents send them to somebody; they are not opened here")
                    .advice("to receive them, set `hep = yes` and let agents send here"),
            );
        }
        all
    }
}

/// The key that names the ports of a tunnel.
fn key(kind: Kind) -> &'static str {
    match kind {
        Kind::Vxlan => "udp_port_vxlan",
        Kind::Geneve => "udp_port_geneve",
        Kind::Tzsp => "udp_port_tzsp",
        Kind::Mpls => "udp_port_mpls",
        Kind::HpErm => "udp_port_hperm",
        Kind::AudioCodes => "udp_port_audiocodes",
        _ => "udp_port_gre",
    }
}

/// Ports as the configuration writes them.
fn ranges(ports: &[(u16, u16)]) -> String {
    let one = |&(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ports.iter().map(one).collect::<Vec<_>>().join(",")
}
