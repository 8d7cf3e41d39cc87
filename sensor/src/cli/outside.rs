//! Arguments of the commands that list what happened outside of calls.

use clap::{Args, ValueEnum};

use super::{Format, StoreArgs};

/// What the lists of registrations, messages and requests have in common.
#[derive(Debug, Args)]
pub struct OutsideArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What was at or after T: RFC 3339, `YYYY-MM-DD HH:MM:SS`, UNIX seconds, or -1h
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// What was before T
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Number of From begins with P
    #[arg(long, value_name = "P")]
    pub caller: Option<String>,
    /// Number of To begins with P
    #[arg(long, value_name = "P")]
    pub called: Option<String>,
    /// Address of either side is A, or in network A (CIDR)
    #[arg(long, value_name = "A")]
    pub ip: Option<String>,
    /// Seen by sensor N
    #[arg(long, value_name = "N")]
    pub sensor: Option<u16>,
    /// SIP response is N
    #[arg(long, value_name = "N")]
    pub response: Option<u16>,
    /// A user agent contains A
    #[arg(long, value_name = "A")]
    pub agent: Option<String>,
    /// At most N, the newest
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What has become of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// The registrar has taken it.
    Registered,
    /// The registrar has refused it, or does not answer.
    Failed,
    /// Its time has passed without another REGISTER.
    Expired,
    /// It was taken back.
    Unregistered,
}

/// `ringtap registers`
#[derive(Debug, Args)]
pub struct RegistersArgs {
    /// Common filters.
    #[command(flatten)]
    pub common: OutsideArgs,
    /// Changes to this state
    #[arg(long, value_enum)]
    pub state: Option<State>,
    /// Only the last change of each registration: its present state
    #[arg(long)]
    pub current: bool,
}

/// `ringtap requests`
#[derive(Debug, Args)]
pub struct RequestsArgs {
    /// Common filters.
    #[command(flatten)]
    pub common: OutsideArgs,
    /// The method is M (OPTIONS, SUBSCRIBE, …)
    #[arg(long, value_name = "M")]
    pub method: Option<String>,
}
