//! Which registrations and requests outside of calls a user asks for.

use super::{Filter, FilterError, refused};
use crate::outside::RegisterState;

/// What to find; everything that is set must hold. Of the filter's parts, those on media find
/// nothing here and are not to be set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutsideFilter {
    /// Times, parties, addresses, sensor, response, agent and limit. `caller` and `called` are
    /// the numbers of From and To.
    pub filter: Filter,
    /// Registrations that came to be in this state.
    pub state: Option<RegisterState>,
    /// Of each registration only the last record.
    pub current: bool,
    /// Requests of this method.
    pub method: Option<String>,
}

const STATE: &str = "registered, failed, expired or unregistered";

impl OutsideFilter {
    /// As [`Filter::set`], with `state` and `method` besides.
    pub fn set(&mut self, name: &str, value: &str, now_us: u64) -> Result<(), FilterError> {
        match name {
            "state" => {
                let state = RegisterState::from_label(value);
                self.state = Some(state.ok_or_else(|| refused("state", value, STATE))?);
            }
            "method" => self.method = Some(value.to_owned()),
            _ => return self.filter.set(name, value, now_us),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_one_of_four_words() {
        let mut filter = OutsideFilter::default();
        assert_eq!(filter.set("state", "expired", 0), Ok(()));
        assert_eq!(filter.state, Some(RegisterState::Expired));
        let error = filter.set("state", "5", 0).unwrap_err().to_string();
        assert_eq!(error, format!("--state: \"5\" is not {STATE}"));
        assert_eq!(filter.set("caller", "10", 0), Ok(()));
        assert_eq!(filter.filter.caller.as_deref(), Some("10"));
    }
}
