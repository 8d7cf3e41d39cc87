//! The closed list of what can become of a frame in the kernel program: counter index and metric
//! label at once.
//!
//! Every frame is counted under exactly one verdict, after the redirect was tried, so that the
//! frames of an interface are the sum of all verdicts, and the frames that sockets may expect are
//! the sum of the redirected ones. The verdict does not say what to do with the rest: that is a
//! setting.

use crate::classify::Class;
use crate::walk::{PROTO_TCP, Stop};

/// What happens to the frames of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Handed to the socket of the frame's queue, or copied into a ring.
    Redirected,
    /// Dropped in every mode.
    Dropped,
    /// Not ours: dropped on a mirror port, passed to the host otherwise.
    Rest,
}

macro_rules! verdicts {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $fate:ident;)*) => {
        /// What became of a frame.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Verdict {
            $($(#[$doc])* $name,)*
        }

        impl Verdict {
            /// Every verdict, in the order of its counters.
            pub const ALL: [Self; COUNT] = [$(Self::$name),*];

            /// The name in metrics and in the ledger.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// What happens to its frames.
            #[inline(always)]
            #[must_use]
            pub fn fate(self) -> Fate {
                match self {
                    $(Self::$name => Fate::$fate,)*
                }
            }
        }

        /// How many verdicts there are.
        pub const COUNT: usize = [$($label),*].len();
    };
}

verdicts! {
    /// SIP over UDP, by port.
    SipUdp = "sip_udp", Redirected;
    /// SIP over TCP, by port.
    SipTcp = "sip_tcp", Redirected;
    /// RTP or SRTP, by its first bytes.
    Rtp = "rtp", Redirected;
    /// RTCP or SRTCP, by its first bytes.
    Rtcp = "rtcp", Redirected;
    /// STUN, by its first bytes.
    Stun = "stun", Redirected;
    /// DTLS, by its first bytes.
    Dtls = "dtls", Redirected;
    /// Any datagram from or to a learned endpoint.
    Learned = "learned", Redirected;
    /// A piece of a UDP or TCP packet: user space reassembles and decides.
    Fragment = "fragment", Redirected;
    /// A tunnel's packet that the program does not look into: user space does.
    Tunnel = "tunnel", Redirected;
    /// A further copy of a packet that was redirected already.
    Duplicate = "duplicate", Dropped;
    /// VoIP that is addressed to this host, where only that of others is wanted.
    OwnVoip = "own_voip", Rest;
    /// Worth redirecting, but no socket is bound to the frame's queue.
    NoSocket = "no_socket", Rest;
    /// Sound UDP or TCP that is not VoIP.
    NotVoip = "not_voip", Rest;
    /// IP, but neither UDP nor TCP.
    OtherProto = "other_proto", Rest;
    /// Neither IPv4 nor IPv6.
    NotIp = "not_ip", Rest;
    /// The frame ends inside a header.
    Truncated = "truncated", Rest;
    /// An IP header that contradicts itself.
    BadIp = "bad_ip", Rest;
    /// A UDP header that contradicts itself.
    BadUdp = "bad_udp", Rest;
    /// A TCP header that contradicts itself.
    BadTcp = "bad_tcp", Rest;
    /// More VLAN tags, extension headers or tunnels than the walk follows.
    TooDeep = "too_deep", Rest;
}

impl Verdict {
    /// The verdict with this counter index.
    #[must_use]
    pub fn from_index(index: u32) -> Option<Self> {
        Self::ALL.get(index as usize).copied()
    }

    /// The counter index.
    #[inline(always)]
    #[must_use]
    pub fn index(self) -> u32 {
        self as u32
    }

    /// Whether a socket receives the frames of this verdict.
    #[inline(always)]
    #[must_use]
    pub fn is_redirected(self) -> bool {
        matches!(self.fate(), Fate::Redirected)
    }

    /// The verdict on a payload of a class, before duplicates and sockets are looked at.
    #[inline(always)]
    #[must_use]
    pub fn of(class: Class, proto: u8) -> Self {
        match class {
            Class::Sip if proto == PROTO_TCP => Self::SipTcp,
            Class::Sip => Self::SipUdp,
            Class::Rtp => Self::Rtp,
            Class::Rtcp => Self::Rtcp,
            Class::Stun => Self::Stun,
            Class::Dtls => Self::Dtls,
            Class::Other => Self::NotVoip,
        }
    }
}

impl From<Stop> for Verdict {
    #[inline(always)]
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Truncated => Self::Truncated,
            Stop::NotIp => Self::NotIp,
            Stop::BadIp => Self::BadIp,
            Stop::BadUdp => Self::BadUdp,
            Stop::BadTcp => Self::BadTcp,
            Stop::TooDeep => Self::TooDeep,
            Stop::OtherProto => Self::OtherProto,
            Stop::Wrapped => Self::Tunnel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_name_are_one_to_one() {
        for (i, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict.index() as usize, i);
            assert_eq!(Verdict::from_index(i as u32), Some(verdict));
            let same = Verdict::ALL.iter().filter(|v| v.label() == verdict.label()).count();
            assert_eq!(same, 1, "{}", verdict.label());
        }
        assert_eq!(Verdict::from_index(COUNT as u32), None);
    }
}
