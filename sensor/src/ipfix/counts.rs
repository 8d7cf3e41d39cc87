//! What became of every set: exactly one outcome each; what sets there were, and what happened
//! beside.

use ringtap_wire::ipfix::{self, Set};

use crate::agents::{Counters, counts};

counts::counted! {
    /// What sets there were.
    Kind {
        /// Handshakes.
        Handshake "handshake",
        /// Answers to handshakes, which are ours to send.
        Answer "answer",
        /// SIP over UDP, received
        SipUdpIn "sip_udp_in",
        /// and sent.
        SipUdpOut "sip_udp_out",
        /// SIP over TCP, received
        SipTcpIn "sip_tcp_in",
        /// and sent.
        SipTcpOut "sip_tcp_out",
        /// RTP, received
        RtpIn "rtp_in",
        /// and sent.
        RtpOut "rtp_out",
        /// Quality of a call's media.
        Qos "qos",
        /// Templates.
        Template "template",
        /// Templates of options.
        OptionsTemplate "options_template",
        /// Data of templates that nobody knows.
        Unknown "unknown",
        /// Ids that stand for nothing.
        Reserved "reserved",
    }
}

counts::counted! {
    /// What became of one set.
    Outcome {
        /// Its packet went to a worker.
        Delivered "delivered",
        /// It was answered.
        Answered "answered",
        /// Its figures became records.
        Reported "reported",
        /// It is of a kind that is not read.
        Skipped "skipped",
        /// It contradicts itself.
        Misshapen "misshapen",
        /// The packet in it is none of UDP, or a piece.
        OtherPacket "other_packet",
        /// There is nothing in its packet.
        Empty "empty",
        /// Its message is longer than a packet can be.
        TooLong "too_long",
        /// Its figures name no call.
        NoCall "no_call",
        /// Too much waited for the workers.
        QueueFull "queue_full",
    }
}

counts::counted! {
    /// What happened beside.
    Event {
        /// Messages.
        Messages "messages",
        /// Messages that are none, or whose sets do not fit.
        Malformed "malformed",
        /// Sets that go on behind what was read of them.
        Beyond "sets_with_more",
    }
}

/// All counters, for all threads.
#[derive(Debug, Default)]
pub struct Counts {
    /// Sets by kind.
    pub sets: Counters<Kind>,
    /// What became of sets.
    pub outcomes: Counters<Outcome>,
    /// What happened beside.
    pub events: Counters<Event>,
}

/// What a set is counted as.
pub(super) fn kind(set: &Set<'_>) -> Kind {
    let sent = set.id & 1 == 1;
    match set.kind() {
        ipfix::Kind::Handshake => Kind::Handshake,
        ipfix::Kind::Answer => Kind::Answer,
        ipfix::Kind::SipUdp if sent => Kind::SipUdpOut,
        ipfix::Kind::SipUdp => Kind::SipUdpIn,
        ipfix::Kind::SipTcp if sent => Kind::SipTcpOut,
        ipfix::Kind::SipTcp => Kind::SipTcpIn,
        ipfix::Kind::Rtp if sent => Kind::RtpOut,
        ipfix::Kind::Rtp => Kind::RtpIn,
        ipfix::Kind::Qos => Kind::Qos,
        ipfix::Kind::Template => Kind::Template,
        ipfix::Kind::OptionsTemplate => Kind::OptionsTemplate,
        ipfix::Kind::Unknown => Kind::Unknown,
        ipfix::Kind::Reserved => Kind::Reserved,
    }
}
