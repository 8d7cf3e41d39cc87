//! Lines of logs that an agent tells of a call.

use compact_str::CompactString;
use std::net::IpAddr;

/// Lines that are read with one call.
pub const LINES_MAX: usize = 256;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    /// The record's ID, 0 while it has none.
    pub id: u64,
    /// The sensor that received it, 0 for none.
    pub id_sensor: u16,
    /// When it was written, UNIX microseconds.
    pub ts_us: u64,
    /// Who sent it.
    pub reporter: Option<IpAddr>,
    /// Number of the agent, 0 for none.
    pub agent: u32,
    /// Fixed hash of realm and Call-ID of the call that it names.
    pub call_key: u64,
    /// The Call-ID that it names.
    pub callid: CompactString,
    /// What it says.
    pub text: String,
}
