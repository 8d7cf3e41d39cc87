//! Names of keys that existing configurations may hold, and what a misspelt one was meant to be.
//!
//! It knows names only: nothing of what the keys would do, but for those that can do nothing here.

use super::keys::KEYS;

/// Names that are known, one a line, sorted; whether we have them is told by [`KEYS`].
static KNOWN: &str = include_str!("original_keys.txt");

/// Keys whose meaning is settled by how calls end here, and what settles it.
static MOOT: &[(&str, &str)] = &[
    (
        "bye_confirmed_timeout",
        "a call is closed half a second after its BYE was confirmed, also where RTP goes on",
    ),
    (
        "ignore_rtp_after_bye_confirmed",
        "RTP that goes on when its call is closed is counted, and is no part of the call",
    ),
    ("ignore_duration_after_bye_confirmed", "a call's duration ends with the answer to its BYE"),
    ("quick_save_cdr", "records are made within a second of a call's end"),
    ("cleanup_calls_period", "each call has a timer of its own"),
    ("hep_via_pb", "HEP goes the way of all packets"),
    ("ipfix_via_pb", "IPFIX goes the way of all packets"),
    ("ipfix_counter_log", "`ringtap status` counts what became of every IPFIX set"),
    ("hep_counter_log", "`ringtap status` counts what became of every HEP message"),
    ("sdp_multiplication", "of calls that announce one endpoint, the newest has its streams"),
];

/// Keys beyond this length are like none.
const KEY_MAX: usize = 64;

/// The known name that `key` is, in upper or lower case.
pub(super) fn known(key: &str) -> Option<&'static str> {
    KNOWN.lines().find(|name| name.eq_ignore_ascii_case(key))
}

/// Why a known name has no effect, if it never will have one.
pub(super) fn moot(name: &str) -> Option<&'static str> {
    MOOT.iter().find_map(|(known, why)| (*known == name).then_some(*why))
}

/// The name that `key` was perhaps meant to be; one of ours before others.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    if key.len() > KEY_MAX {
        return None;
    }
    let key = key.to_ascii_lowercase().replace('-', "_");
    // One wrong letter in four, and three at most.
    let limit = (key.chars().count() / 4).clamp(1, 3);
    let distance = |name: &str| {
        strsim::damerau_levenshtein(&key, &name.to_ascii_lowercase().replace('-', "_"))
    };
    // Of equals: ours before others, then that which begins alike for longest.
    let rank = |rank: u8, name: &'static str| {
        let alike = key.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
        (distance(name), rank, usize::MAX - alike, name)
    };
    let ours = KEYS.iter().map(|key| rank(0, key.name));
    let best = ours.chain(KNOWN.lines().map(|name| rank(1, name))).min()?;
    (best.0 <= limit).then_some(best.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_each_is_there_once() {
        let names: Vec<&str> = KNOWN.lines().collect();
        assert!(names.len() > 1000);
        assert!(names.is_sorted_by(|a, b| a < b));
        assert!(names.iter().all(|name| name.len() <= KEY_MAX && name.trim() == *name));
    }

    #[test]
    fn what_has_no_effect_is_known_and_none_of_ours() {
        for (name, _) in MOOT {
            assert_eq!(known(name), Some(*name));
            assert!(KEYS.iter().all(|key| key.name != *name), "{name}");
        }
        assert_eq!(moot("mysqlhost"), None);
    }

    #[test]
    fn what_was_meant() {
        for (key, meant) in [
            ("sipprot", Some("sipport")),
            ("savertpp", Some("savertp")),
            ("save_rtp", Some("savertp")),
            ("Interfce", Some("interface")),
            ("dedup_window_ms", None),
            ("deduplicate_windows_ms", Some("deduplicate_window_ms")),
            ("mysqlhots", Some("mysqlhost")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(key), meant, "{key}");
        }
        assert_eq!(nearest(&"x".repeat(100_000)), None);
        assert_eq!(known("MYSQLHOST"), Some("mysqlhost"));
        assert_eq!(known("sipprot"), None);
    }
}
