//! Which calls a user asks for.
//!
//! It holds and checks the question; how it is answered is the store's business.

mod header;
pub mod outside;
mod tunnel;

use crate::clock;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

pub use header::HeaderFilter;
pub use tunnel::TunnelFilter;

/// What to find; everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// `calldate` at or after, UNIX microseconds.
    pub since_us: Option<u64>,
    /// `calldate` before, UNIX microseconds.
    pub until_us: Option<u64>,
    /// The caller's number begins with.
    pub caller: Option<String>,
    /// The called number begins with.
    pub called: Option<String>,
    /// The SIP address of either side, or either end of one of the streams, is inside.
    pub ip: Option<Cidr>,
    /// Seen by this sensor.
    pub sensor: Option<u16>,
    /// The last SIP response's number.
    pub response: Option<u16>,
    /// The lowest MOS of the call is below.
    pub mos_below: Option<f32>,
    /// One of the streams has this codec (upper and lower case are the same).
    pub codec: Option<String>,
    /// The user agent of either side contains (upper and lower case are the same).
    pub agent: Option<String>,
    /// A configured header has such a value.
    pub header: Option<Box<HeaderFilter>>,
    /// The first message came through such a tunnel.
    pub tunnel: Option<Box<TunnelFilter>>,
    /// At most so many, the latest; `None`: all.
    pub limit: Option<usize>,
}

/// A value that a filter cannot take: one line for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{name}: {value:?} is not {accepted}")]
pub struct FilterError {
    /// The filter's name, as in the command line.
    pub name: &'static str,
    /// What was given.
    pub value: String,
    /// What is accepted.
    pub accepted: &'static str,
}

impl Filter {
    /// Sets the filter `name` (as the command line names it, without dashes) from its text;
    /// relative times count back from `now_us`.
    pub fn set(&mut self, name: &str, value: &str, now_us: u64) -> Result<(), FilterError> {
        let text = || Some(value.to_owned());
        match name {
            "since" => self.since_us = Some(when("since", value, now_us)?),
            "until" => self.until_us = Some(when("until", value, now_us)?),
            "caller" => self.caller = text(),
            "called" => self.called = text(),
            "ip" => self.ip = Some(read("ip", value, Cidr::ACCEPTED)?),
            "sensor" => self.sensor = Some(read("sensor", value, "a sensor id (0 to 65535)")?),
            "response" => {
                let number: u16 = read("response", value, RESPONSE)?;
                if !(100..=999).contains(&number) {
                    return Err(refused("response", value, RESPONSE));
                }
                self.response = Some(number);
            }
            "mos-below" => {
                let mos: f32 = read("mos-below", value, MOS)?;
                if !(0.0..=5.0).contains(&mos) {
                    return Err(refused("mos-below", value, MOS));
                }
                self.mos_below = Some(mos);
            }
            "codec" => self.codec = text(),
            "agent" => self.agent = text(),
            "header" => {
                self.header = Some(Box::new(read("header", value, HeaderFilter::ACCEPTED)?));
            }
            "tunnel" => {
                self.tunnel = Some(Box::new(read("tunnel", value, TunnelFilter::ACCEPTED)?));
            }
            "limit" => self.limit = Some(read("limit", value, "a number")?),
            _ => return Err(refused("filter", name, "the name of a filter")),
        }
        Ok(())
    }
}

const RESPONSE: &str = "the number of a SIP response (100 to 999)";
const MOS: &str = "a MOS (0 to 5)";

fn refused(name: &'static str, value: &str, accepted: &'static str) -> FilterError {
    FilterError { name, value: value.chars().take(80).collect(), accepted }
}

fn read<T: FromStr>(
    name: &'static str,
    value: &str,
    accepted: &'static str,
) -> Result<T, FilterError> {
    value.trim().parse().map_err(|_| refused(name, value, accepted))
}

fn when(name: &'static str, value: &str, now_us: u64) -> Result<u64, FilterError> {
    clock::parse_when(value, now_us).ok_or_else(|| refused(name, value, clock::ACCEPTED))
}

/// A network: an address and the length of its prefix. IPv4-mapped IPv6 counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The first address.
    first: IpAddr,
    /// The last address.
    last: IpAddr,
}

impl Cidr {
    /// What is accepted, for messages.
    pub const ACCEPTED: &'static str = "an IP address or a network (10.0.0.0/8, 2001:db8::/32)";

    /// The first and the last address of the network, of one family.
    pub fn bounds(&self) -> (IpAddr, IpAddr) {
        (self.first, self.last)
    }

    /// Is the address inside?
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

/// Not an address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address or a network")]
pub struct CidrError;

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => {
                if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(CidrError);
                }
                (address, Some(length.parse::<u32>().map_err(|_| CidrError)?))
            }
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| CidrError)?;
        match address {
            IpAddr::V4(v4) => {
                let mask = host_bits(length.unwrap_or(32), 32)? as u32;
                let first = v4.to_bits() & !mask;
                let last = Ipv4Addr::from_bits(first | mask).into();
                Ok(Self { first: Ipv4Addr::from_bits(first).into(), last })
            }
            IpAddr::V6(v6) => {
                let length = length.unwrap_or(128);
                if let (Some(v4), 96..=128) = (v6.to_ipv4_mapped(), length) {
                    return format!("{v4}/{}", length - 96).parse();
                }
                let mask = host_bits(length, 128)?;
                let first = v6.to_bits() & !mask;
                let last = Ipv6Addr::from_bits(first | mask).into();
                Ok(Self { first: Ipv6Addr::from_bits(first).into(), last })
            }
        }
    }
}

/// The bits behind a prefix of `length`, of an address of `width` bits.
fn host_bits(length: u32, width: u32) -> Result<u128, CidrError> {
    let host = width.checked_sub(length).ok_or(CidrError)?;
    Ok(1_u128.checked_shl(host).map_or(u128::MAX, |bit| bit - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inside(network: &str, address: &str) -> Option<bool> {
        Some(network.parse::<Cidr>().ok()?.contains(address.parse().ok()?))
    }

    #[test]
    fn networks() {
        assert_eq!(inside("10.0.0.0/8", "10.255.255.255"), Some(true));
        assert_eq!(inside("10.0.0.0/8", "11.0.0.0"), Some(false));
        assert_eq!(inside("10.1.2.3/24", "10.1.2.0"), Some(true), "host bits are ignored");
        assert_eq!(inside("10.1.2.3", "10.1.2.3"), Some(true));
        assert_eq!(inside("10.1.2.3", "10.1.2.4"), Some(false));
        assert_eq!(inside("0.0.0.0/0", "255.255.255.255"), Some(true));
        assert_eq!(inside("0.0.0.0/0", "::"), Some(false));
        assert_eq!(inside("::/0", "ffff::1"), Some(true));
        assert_eq!(inside("2001:db8::/32", "2001:db8:ffff::1"), Some(true));
        assert_eq!(inside("2001:db8::/32", "2001:db9::"), Some(false));
        assert_eq!(inside("10.0.0.0/8", "::ffff:10.1.1.1"), Some(true));
        assert_eq!(inside("::ffff:10.0.0.0/104", "10.1.1.1"), Some(true));
    }

    #[test]
    fn what_is_no_network() {
        for text in ["", "/", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8"] {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError), "{text}");
        }
    }

    #[test]
    fn a_wrong_value_names_itself_and_what_is_accepted() {
        let mut filter = Filter::default();
        let line = |e: FilterError| e.to_string();
        assert_eq!(
            filter.set("response", "4x6", 0).map_err(line),
            Err("--response: \"4x6\" is not the number of a SIP response (100 to 999)".into())
        );
        for (name, value) in
            [("mos-below", "NaN"), ("mos-below", "-1"), ("sensor", "65536"), ("since", "soon")]
        {
            assert!(filter.set(name, value, 0).is_err(), "{name} {value}");
        }
        assert_eq!(filter, Filter::default());
        assert_eq!(filter.set("mos-below", "3.6", 0), Ok(()));
        assert_eq!(filter.set("since", "-1h", 7_200_000_000), Ok(()));
        assert_eq!((filter.mos_below, filter.since_us), (Some(3.6), Some(3_600_000_000)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = text.parse::<Cidr>();
        }

        #[test]
        fn an_address_is_in_its_own_network(bits: u128, length in 0_u32..=128) {
            let address = Ipv6Addr::from_bits(bits);
            let network = format!("{address}/{length}").parse::<Cidr>();
            prop_assert_eq!(network.map(|n| n.contains(address.into())), Ok(true));
        }
    }
}
