//! Answers of drivers, as `linux/ethtool.h` lays them out: numbers in the host's byte order,
//! names of 32 bytes.
//!
//! Everything is read by its offset, and what lies beyond the answer is `None`.

/// Bytes of a name.
const NAME: usize = 32;

/// Who drives a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// The driver.
    pub name: String,
    /// Its version, or the kernel's.
    pub version: String,
    /// The firmware's version, empty where there is none.
    pub firmware: String,
}

/// A receive ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rings {
    /// Frames that it holds.
    pub now: u32,
    /// Frames that it can be made to hold.
    pub max: u32,
}

/// Queues of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Receive queues.
    pub now: u32,
    /// As many there can be.
    pub max: u32,
}

/// How a device spreads packets over its queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spreading {
    /// The queue of each slot of the hash.
    pub slots: Vec<u32>,
    /// The hash's key.
    pub key: Vec<u8>,
    /// Both directions of a flow come to one queue.
    pub symmetric: bool,
    /// Ports of UDP count.
    pub udp_ports: Option<bool>,
}

/// Something that a device or the kernel does to packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// It is done.
    pub on: bool,
    /// It can be switched.
    pub switchable: bool,
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let at = index.checked_mul(4)?;
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

fn length(bytes: &[u8], index: usize) -> Option<usize> {
    word(bytes, index).and_then(|length| usize::try_from(length).ok())
}

/// A name up to its first zero.
fn name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// `struct ethtool_drvinfo`
pub(super) fn driver(bytes: &[u8]) -> Option<Driver> {
    let field = |number: usize| bytes.get(4 + number * NAME..4 + (number + 1) * NAME).map(name);
    Some(Driver { name: field(0)?, version: field(1)?, firmware: field(2)? })
}

/// `n_stats` of the same.
pub(super) fn statistics_count(bytes: &[u8]) -> Option<usize> {
    // Behind the command: five names, twelve bytes, and another number.
    length(bytes, 1 + (5 * NAME + 12) / 4 + 1)
}

/// `struct ethtool_ringparam`; `None` where there is no ring.
pub(super) fn rings(bytes: &[u8]) -> Option<Rings> {
    let rings = Rings { max: word(bytes, 1)?, now: word(bytes, 5)? };
    (rings.now > 0).then_some(rings)
}

/// `struct ethtool_channels`: queues for receiving alone, and for both ways.
pub(super) fn channels(bytes: &[u8]) -> Option<Channels> {
    let sum = |rx, both| Some(word(bytes, rx)?.saturating_add(word(bytes, both)?));
    let channels = Channels { max: sum(1, 4)?, now: sum(5, 8)? };
    (channels.now > 0).then_some(channels)
}

/// Slots and bytes of the key in `struct ethtool_rxfh`.
pub(super) fn hash_sizes(bytes: &[u8]) -> Option<(usize, usize)> {
    Some((length(bytes, 2)?, length(bytes, 3)?))
}

/// `struct ethtool_rxfh` with its slots and its key.
pub(super) fn hash(bytes: &[u8], slots: usize, key: usize) -> Option<Spreading> {
    const HEAD_WORDS: usize = 6;
    const XOR: u8 = 2;
    let [function, transform, ..] = word(bytes, 4)?.to_ne_bytes();
    let indirection = (0..slots).map(|slot| word(bytes, HEAD_WORDS + slot));
    let indirection = indirection.collect::<Option<Vec<u32>>>()?;
    let at = (HEAD_WORDS + slots) * 4;
    let key = bytes.get(at..at.checked_add(key)?)?.to_vec();
    let symmetric = transform != 0 || function == XOR || is_symmetric(&key);
    Some(Spreading { slots: indirection, key, symmetric, udp_ports: None })
}

/// A Toeplitz hash is the same both ways where its key repeats itself every 16 bits: addresses
/// and ports that change places then meet the same bits.
fn is_symmetric(key: &[u8]) -> bool {
    key.len() >= 4 && key.iter().zip(key.iter().skip(2)).all(|(one, other)| one == other)
}

/// Whether the fields of `struct ethtool_rxnfc` hold both ports.
pub(super) fn hashes_ports(bytes: &[u8]) -> Option<bool> {
    const PORTS: u64 = 1 << 6 | 1 << 7;
    let fields = bytes.get(8..)?.first_chunk().copied().map(u64::from_ne_bytes)?;
    Some(fields & PORTS == PORTS)
}

/// The one length in `struct ethtool_sset_info`.
pub(super) fn set_length(bytes: &[u8]) -> Option<usize> {
    length(bytes, 4)
}

/// `struct ethtool_gstrings`
pub(super) fn strings(bytes: &[u8], count: usize) -> Option<Vec<String>> {
    let names = bytes.get(12..)?.chunks_exact(NAME);
    (length(bytes, 2)? == count).then(|| names.take(count).map(name).collect())
}

/// `struct ethtool_stats`
pub(super) fn statistics(bytes: &[u8], count: usize) -> Option<Vec<u64>> {
    let values = bytes.get(8..)?.as_chunks::<8>().0.iter();
    (length(bytes, 1)? == count)
        .then(|| values.take(count).map(|value| u64::from_ne_bytes(*value)).collect())
}

/// `struct ethtool_gfeatures`: for each 32 features four words (can be switched, wanted, on,
/// never changes).
pub(super) fn features(names: Vec<String>, bytes: &[u8]) -> Vec<Feature> {
    let bit = |number: usize, which: usize| {
        word(bytes, 2 + number / 32 * 4 + which).is_some_and(|word| word >> (number % 32) & 1 == 1)
    };
    let named = names.into_iter().enumerate().filter(|(_, name)| !name.is_empty());
    let feature = |(number, name)| Feature {
        name,
        on: bit(number, 2),
        switchable: bit(number, 0) && !bit(number, 3),
    };
    named.map(feature).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn named(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(NAME, 0);
        bytes
    }

    #[test]
    fn a_driver_and_its_counters() {
        let mut info = words(&[3]);
        for text in ["ena", "6.1.0-28-cloud-amd64", "", "0000:00:05.0", ""] {
            info.extend(named(text));
        }
        info.extend([0; 12]);
        info.extend(words(&[2, 3, 0, 0, 0]));
        assert_eq!(info.len(), 196);
        let told = driver(&info).unwrap();
        assert_eq!((told.name.as_str(), told.firmware.as_str()), ("ena", ""));
        assert_eq!(statistics_count(&info), Some(3));

        let mut names = words(&[0x1b, 1, 3]);
        for text in ["tx_timeout", "bw_in_allowance_exceeded", "pps_allowance_exceeded"] {
            names.extend(named(text));
        }
        assert_eq!(strings(&names, 3).unwrap()[1], "bw_in_allowance_exceeded");
        // A driver that has fewer now than it said: not guessed which.
        assert_eq!(strings(&names, 4), None);
        let mut values = words(&[0x1d, 3]);
        values.extend([1u64, u64::MAX, 3].iter().flat_map(|value| value.to_ne_bytes()));
        assert_eq!(statistics(&values, 3), Some(vec![1, u64::MAX, 3]));
        assert_eq!(statistics(&values, 2), None);
    }

    #[test]
    fn rings_and_queues() {
        let told = rings(&words(&[0x10, 4096, 0, 0, 4096, 512, 0, 0, 512]));
        assert_eq!(told, Some(Rings { now: 512, max: 4096 }));
        assert_eq!(rings(&words(&[0x10, 0, 0, 0, 0, 0, 0, 0, 0])), None);
        let told = channels(&words(&[0x3c, 0, 0, 1, 8, 0, 0, 1, 4]));
        assert_eq!(told, Some(Channels { now: 4, max: 8 }));
    }

    #[test]
    fn spreading_and_its_symmetry() {
        let told = |key: &[u8], function: u32| {
            let mut bytes = words(&[0x46, 0, 4, key.len() as u32, function, 0, 0, 1, 0, 1]);
            bytes.extend(key);
            hash(&bytes, 4, key.len()).unwrap()
        };
        let usual = [0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2];
        assert_eq!(told(&usual, u32::from_ne_bytes([1, 0, 0, 0])).slots, [0, 1, 0, 1]);
        assert!(!told(&usual, u32::from_ne_bytes([1, 0, 0, 0])).symmetric);
        assert!(told(&[0x6d, 0x5a].repeat(20), u32::from_ne_bytes([1, 0, 0, 0])).symmetric);
        assert!(told(&usual, u32::from_ne_bytes([1, 1, 0, 0])).symmetric, "by transformation");
        assert!(told(&usual, u32::from_ne_bytes([2, 0, 0, 0])).symmetric, "by exclusive or");
        let fields = |bits: u64| [words(&[0x29, 2]), bits.to_ne_bytes().to_vec()].concat();
        assert_eq!(hashes_ports(&fields(0xf0)), Some(true));
        assert_eq!(hashes_ports(&fields(0x30)), Some(false));
        assert_eq!(hashes_ports(&fields(0x30)[..12]), None);
    }

    #[test]
    fn features_have_their_bits() {
        let mut names = vec![String::new(); 40];
        names[1] = "rx-lro".into();
        names[33] = "rx-gro".into();
        let states = words(&[0x3a, 2, 0b10, 0, 0, 0, 0b10, 0, 0b10, 0b10]);
        let told = features(names, &states);
        let of = |name: &str, on, switchable| Feature { name: name.into(), on, switchable };
        assert_eq!(told, [of("rx-lro", false, true), of("rx-gro", true, false)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            count in 0usize..40,
        ) {
            let _ = (driver(&bytes), statistics_count(&bytes), rings(&bytes), channels(&bytes));
            let _ = (hash_sizes(&bytes), hash(&bytes, count, count), hashes_ports(&bytes));
            let _ = (set_length(&bytes), strings(&bytes, count), statistics(&bytes, count));
            prop_assert!(features(vec!["x".into(); count], &bytes).len() == count);
        }
    }
}
