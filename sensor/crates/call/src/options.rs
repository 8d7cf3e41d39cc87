//! Limits and timeouts, with the names and defaults that `voipmonitor.conf` users know.
//!
//! Reads no files.

use ringtap_sip::Header;

/// How the call table behaves. Times are in seconds unless the name says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Keeps equal Call-IDs of different sites apart; part of every [`crate::CallKey`].
    pub realm: u64,
    /// How many calls are kept at once; further ones are refused and counted.
    pub calls_max: usize,
    /// No call is longer (code 102).
    pub absolute_timeout: u32,
    /// Silence of media and signalling after media was seen (code 104).
    pub rtptimeout: u32,
    /// A ringing or answered call without media, since its last message (code 108).
    pub sipwithoutrtptimeout: u32,
    /// An INVITE that nobody answers, since its last retransmission (code 105).
    pub onewaytimeout: u32,
    /// A BYE whose answer never comes, since the first BYE, however often repeated (code 103).
    pub bye_timeout: u32,
    /// A 3xx response that is never acknowledged.
    pub redirect_response_300_timeout: u32,
    /// Any other final response that is never acknowledged (481: 180 s, 487: 15 s).
    pub response_default_timeout: u32,
    /// A 401 or 407 after which no request with credentials follows, inside of calls and outside;
    /// a person may have to type.
    pub challenge_timeout: u32,
    /// A refusal that makes user agents send another INVITE by themselves (a redirection, 422,
    /// 484, 491 …), since it was acknowledged.
    pub retry_timeout: u32,
    /// A CANCEL after which the INVITE's final response does not come.
    pub cancel_timeout: u32,
    /// No 18x, no 2xx, no media since the INVITE (code 107).
    pub zombie_timeout: u32,
    /// A call with more messages is closed (code 109).
    pub max_sip_packets_in_call: u32,
    /// A call with more INVITEs is closed (code 109).
    pub max_invite_packets_in_call: u32,
    /// Response times count from the first INVITE instead of the one that is answered.
    pub response_time_from_first_invite: bool,
    /// Headers that name the caller, in the order in which they are asked before From.
    pub caller_headers: [Option<Header>; 3],
    /// How long a call that has ended is kept for retransmissions.
    pub linger_ms: u32,
    /// How long a BYE that was sent only once is waited on for its answer (RFC 3261 timer F).
    pub bye_unconfirmed_ms: u32,
    /// Which requests outside of calls become records.
    pub recorded: Recorded,
    /// How many requests outside of calls are waited on at once; further ones are refused and
    /// counted.
    pub transactions_max: usize,
    /// How many registrations are remembered; attempts of further ones are told without what came
    /// before.
    pub registrations_max: usize,
    /// How long a request outside of calls is waited on for its answer (RFC 3261 timer F).
    pub transaction_ms: u32,
    /// How long a REGISTER is waited on, since it was last sent.
    pub sip_register_timeout: u32,
    /// Failures of a registration in a row are told again after this time, and what is not
    /// registered is forgotten after it.
    pub sip_register_state_timeout: u32,
    /// How much of a MESSAGE's text is kept, in bytes; 0: nothing.
    pub message_text_max: usize,
}

/// Requests outside of calls that become records, by method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration")]
pub struct Recorded {
    /// REGISTER, as changes of registrations.
    pub register: bool,
    /// MESSAGE.
    pub message: bool,
    /// OPTIONS.
    pub options: bool,
    /// SUBSCRIBE.
    pub subscribe: bool,
    /// NOTIFY.
    pub notify: bool,
    /// All others, and what is left of calls whose INVITE was not seen.
    pub other: bool,
}

impl Default for Recorded {
    fn default() -> Self {
        Self {
            register: true,
            message: true,
            options: true,
            subscribe: true,
            notify: true,
            other: true,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            realm: 0,
            calls_max: 500_000,
            absolute_timeout: 14_400,
            rtptimeout: 300,
            sipwithoutrtptimeout: 3600,
            onewaytimeout: 15,
            bye_timeout: 1200,
            redirect_response_300_timeout: 300,
            response_default_timeout: 5,
            challenge_timeout: 60,
            retry_timeout: 4,
            cancel_timeout: 10,
            zombie_timeout: 300,
            max_sip_packets_in_call: 20_000,
            max_invite_packets_in_call: 10_000,
            response_time_from_first_invite: false,
            caller_headers: [None; 3],
            linger_ms: 500,
            bye_unconfirmed_ms: 32_000,
            recorded: Recorded::default(),
            transactions_max: 65_536,
            registrations_max: 100_000,
            transaction_ms: 32_000,
            sip_register_timeout: 5,
            sip_register_state_timeout: 600,
            message_text_max: 0,
        }
    }
}
