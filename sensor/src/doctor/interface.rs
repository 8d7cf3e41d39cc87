//! An interface: whether it can be captured, by which means, and what fits through it.

use std::fs;
use std::io;

use ringtap_capture::Method;
use ringtap_capture::nic::{Attached, Basics, Nic, Place, XdpProgram};

use super::Watched;
use super::finding::{Finding, State};
use crate::config::{Config, Mode};

/// `ARPHRD_ETHER`
const ETHERNET: u16 = 1;

/// The usual MTU of what is mirrored.
const MIRRORED: u32 = 1500;

/// What a mirror's tunnel adds to a packet: IPv4, UDP, VXLAN or Geneve, and Ethernet. ERSPAN has
/// 50 or 54, IPv6 adds 20.
const TUNNEL: u32 = 50;

/// The longest packet that XDP takes in one buffer: a page without the program's and the
/// kernel's own room.
const ONE_BUFFER: u32 = 3498;

pub(super) fn examine(watched: &mut Watched, config: &Config) -> Vec<Finding> {
    let name = watched.name.as_str();
    let new = |state, what: String| Finding::new(state, name, what);
    let Some(nic) = &mut watched.nic else {
        return vec![
            new(State::Problem, "there is no such interface".into())
                .advice("`ip link` lists those there are"),
        ];
    };
    let basics = match nic.basics() {
        Ok(basics) => basics,
        Err(error) => return vec![new(State::Problem, format!("cannot be asked ({error})"))],
    };
    let mut found = vec![link(name, nic, &basics)];
    if basics.hardware != ETHERNET && config.tries_xdp() {
        let (state, means) = match config.capture {
            Method::Auto => (State::Note, "a packet socket is taken"),
            _ => (State::Problem, "no capture by XDP"),
        };
        let what = format!("is no Ethernet interface (hardware type {})", basics.hardware);
        found.push(new(state, what).means(means).advice("or set `capture = packet`"));
    }
    if basics.hardware == ETHERNET {
        found.extend(own_address(name, nic.own_address(), config));
    }
    if config.tries_xdp() && basics.hardware == ETHERNET {
        found.push(xdp(name, &watched.attached, config));
        found.extend(held(name, watched.attached.xdp.as_ref()));
    }
    if !watched.attached.tcx.is_empty() {
        let what = format!("TCX programs sit on it: {}", watched.attached.tcx.join(", "));
        let means = match config.takes_nothing() {
            true => "they come behind ours where frames come in, and before where they go out",
            false => "they come behind XDP and packet sockets",
        };
        found.push(new(State::Note, what).means(means));
    }
    found.push(mtu(name, basics.mtu, &watched.attached, config));
    found
}

/// What a file of an interface says.
pub(super) fn told(name: &str, file: &str) -> Option<String> {
    let path = format!("/sys/class/net/{name}/{file}");
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn link(name: &str, nic: &mut Nic, basics: &Basics) -> Finding {
    let driver = nic.driver().map_or_else(|| "unknown".to_owned(), |driver| driver.name);
    let speed = told(name, "speed").and_then(|speed| speed.parse::<u32>().ok());
    // A link without a speed says -1.
    let speed = speed.map_or_else(String::new, |speed| format!(", {speed} Mbit/s"));
    let new =
        |state, how: &str| Finding::new(state, name, format!("{how}, driver {driver}{speed}"));
    if !basics.up {
        return new(State::Problem, "down")
            .means("`ringtap run` refuses it")
            .advice(format!("`ip link set {name} up`"));
    }
    match told(name, "carrier").as_deref() {
        Some("0") => new(State::Warning, "up, without a link")
            .means("nothing arrives")
            .advice("check the cable and the mirror's target port"),
        _ => new(State::Ok, "up"),
    }
}

/// The same question that `run` asks before it takes an interface by XDP.
fn own_address(
    name: &str,
    address: io::Result<Option<(String, std::net::IpAddr)>>,
    config: &Config,
) -> Option<Finding> {
    let (carrier, address) = address.ok().flatten()?;
    let what = match carrier == name {
        true => format!("carries this host's address {address}"),
        false => format!("carries this host's address {address} on {carrier}"),
    };
    let new = |state| Finding::new(state, name, what.clone());
    let advice = "use a mirror port, `mode = host` on the PBX itself, `capture = packet`, or \
                  `mode = tunnel` for a mirror in tunnels";
    Some(match (config.capture, config.mode) {
        _ if config.takes_nothing() => new(State::Ok).means("nothing is taken from the host"),
        (Method::Packet, _) => new(State::Ok).means("a packet socket takes nothing from the host"),
        (_, Mode::Tunnel | Mode::PassRest) => {
            new(State::Ok).means("the host keeps what is its own, by `mode`")
        }
        _ if config.allow_own_address => new(State::Warning)
            .means("XDP takes what looks like VoIP away from the host, as is allowed by name")
            .advice(advice),
        _ => new(State::Problem)
            .means("`ringtap run` refuses it, because XDP would take the host's own frames")
            .advice(advice),
    })
}

fn xdp(name: &str, attached: &Attached, config: &Config) -> Finding {
    let about = format!("{name} xdp");
    let new = |state, what: &str| Finding::new(state, about.as_str(), what);
    let generic = "frames take the longer way through the kernel";
    if config.capture == Method::XdpGeneric {
        return new(State::Note, "generic mode, as is asked for").means(generic);
    }
    match attached.ability {
        None => new(State::Note, "the driver tells of no native XDP")
            .means("it may have it all the same; `ringtap run` tries, and says what it got"),
        Some(ability) if !ability.native => {
            new(State::Warning, "the driver has no native XDP that redirects")
                .means(generic)
                .advice("a newer driver, or another card")
        }
        Some(ability) if ability.zero_copy => new(State::Ok, "native, zero-copy"),
        Some(_) => new(State::Ok, "native, no zero-copy")
            .means("each frame is copied once, which costs some of the rate"),
    }
}

/// A program that is there already.
fn held(name: &str, program: Option<&XdpProgram>) -> Option<Finding> {
    let XdpProgram { id, name: called, place } = program?;
    let called = called.as_deref().unwrap_or("of unknown name");
    let place = match place {
        Place::Native => "native",
        Place::Generic => "generic",
        Place::Hardware => "hardware",
        Place::Several => "several modes",
    };
    let about = format!("{name} xdp");
    let what = format!("program {id} ({called}, {place}) is attached");
    if called.starts_with("ringtap") {
        return Some(Finding::new(State::Ok, about, what).means("a sensor captures here"));
    }
    Some(
        Finding::new(State::Warning, about, what)
            .means("it comes first, and XDP is not to be had beside it")
            .advice("stop the program that attached it, or set `capture = packet`"),
    )
}

fn mtu(name: &str, mtu: u32, attached: &Attached, config: &Config) -> Finding {
    let about = format!("{name} mtu");
    let whole = mtu.saturating_sub(TUNNEL);
    let what = format!("{mtu} bytes");
    let long = attached.ability.is_some_and(|ability| !ability.long_frames);
    if long && mtu > ONE_BUFFER && config.tries_xdp() {
        return Finding::new(State::Warning, about, what)
            .means("the driver's XDP takes no frame of that length, generic mode is used")
            .advice(format!("`ip link set {name} mtu {ONE_BUFFER}`, if the mirror allows it"));
    }
    let new = |state| Finding::new(state, about.as_str(), what.clone());
    let means = format!("tunnels bring packets up to {whole} bytes whole, 20 fewer over IPv6");
    if config.tunnel_depth == 0 || mtu >= MIRRORED + TUNNEL {
        return new(State::Ok);
    }
    if config.mode != Mode::Tunnel {
        return new(State::Ok).means(means);
    }
    new(State::Warning).means(format!("{means}; longer ones come in pieces")).advice(format!(
        "raise it to {} and more on all of the way, or keep the mirror's at {whole}",
        MIRRORED + TUNNEL
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtap_capture::nic::Ability;

    fn can(native: bool, zero_copy: bool, long_frames: bool) -> Attached {
        let ability = Some(Ability { native, zero_copy, long_frames });
        Attached { ability, ..Attached::default() }
    }

    #[test]
    fn what_the_driver_can_do() {
        let config = Config::default();
        assert_eq!(xdp("a", &can(true, true, true), &config).state, State::Ok);
        assert!(xdp("a", &can(true, false, true), &config).what.contains("no zero-copy"));
        assert_eq!(xdp("a", &can(false, false, false), &config).state, State::Warning);
        assert_eq!(xdp("a", &Attached::default(), &config).state, State::Note);
    }

    #[test]
    fn a_program_of_somebody_else_is_in_the_way() {
        let program =
            |name: &str| XdpProgram { id: 7, name: Some(name.to_owned()), place: Place::Native };
        assert_eq!(held("a", None), None);
        assert_eq!(held("a", Some(&program("ringtap_xdp"))).unwrap().state, State::Ok);
        assert_eq!(held("a", Some(&program("balancer"))).unwrap().state, State::Warning);
    }

    #[test]
    fn an_own_address_is_what_run_makes_of_it() {
        let address = || Ok(Some(("br0".to_owned(), "10.0.0.1".parse().unwrap())));
        let state = |config: &Config| own_address("a", address(), config).unwrap().state;
        let config = Config::default();
        assert_eq!(state(&config), State::Problem);
        assert_eq!(state(&Config::with(|c| c.allow_own_address = true)), State::Warning);
        assert_eq!(state(&Config::with(|c| c.mode = Mode::Tunnel)), State::Ok);
        assert_eq!(state(&Config::with(|c| c.capture = Method::Packet)), State::Ok);
        assert!(own_address("a", address(), &config).unwrap().what.ends_with("on br0"));
        assert_eq!(own_address("a", Ok(None), &config), None);
    }

    #[test]
    fn tunnels_need_room() {
        let config = Config::with(|c| c.mode = Mode::Tunnel);
        let judged = |bytes, config: &Config| mtu("a", bytes, &can(true, true, false), config);
        assert!(judged(1500, &config).means.contains("1450 bytes whole"));
        assert_eq!(judged(1500, &config).state, State::Warning);
        assert_eq!(judged(1550, &config).state, State::Ok);
        assert_eq!(judged(1500, &Config::default()).state, State::Ok);
        assert_eq!(judged(9000, &config).state, State::Warning);
    }
}
