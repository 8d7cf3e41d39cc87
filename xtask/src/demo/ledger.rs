//! What the demo wants to know of the sensor's ledger (`ringtap status --json`).

use anyhow::{Context, Result};
use serde_json::Value;

/// Whether every frame is accounted for. Not while frames are on their way.
pub(super) fn balanced(ledger: &Value) -> Result<bool> {
    ledger["balanced"].as_bool().context("the ledger does not say whether it balances")
}

/// Second copies dropped: by the kernel program, and by user space.
pub(super) fn duplicates(ledger: &Value) -> Result<u64> {
    let user = ledger["user"]["dispositions"]["duplicate"].as_u64();
    let kernel = interfaces(ledger).map(|i| i["verdicts"]["duplicate"].as_u64()).sum();
    let sum = user.zip(kernel).map(|(user, kernel): (u64, u64)| user + kernel);
    sum.context("the ledger does not say how many duplicates were dropped")
}

/// Frames that came by each queue of each interface.
pub(super) fn queues(ledger: &Value) -> Vec<u64> {
    let queues = interfaces(ledger).filter_map(|interface| interface["queues"].as_array());
    queues.flatten().filter_map(Value::as_u64).collect()
}

fn interfaces(ledger: &Value) -> impl Iterator<Item = &Value> {
    ledger["interfaces"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn duplicates_are_summed_over_kernel_and_user_space() {
        let ledger = json!({
            "balanced": true,
            "interfaces": [{"verdicts": {"duplicate": 5}, "queues": [1, 2]}],
            "user": {"dispositions": {"duplicate": 2}},
        });
        assert_eq!(duplicates(&ledger).unwrap(), 7);
        assert_eq!(queues(&ledger), [1, 2]);
        assert!(balanced(&ledger).unwrap());
        assert!(duplicates(&json!({"interfaces": [{}], "user": {}})).is_err());
        assert!(balanced(&json!({})).is_err());
    }
}
