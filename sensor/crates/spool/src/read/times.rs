//! Which packets are asked for, by what identifies a chunk.

use std::collections::HashMap;

use crate::format::{ChunkKey, Class, Kind};
use crate::read::Wanted;
use crate::read::index::Entry;

/// The times asked for.
#[derive(Clone, Debug)]
pub(crate) enum Times {
    /// Of some keys, each with its own.
    Keys(HashMap<(u32, Kind, u64), Vec<(u64, u64)>>),
    /// Of all.
    All([(u64, u64); 1]),
}

impl Times {
    pub(crate) fn of(wanted: &[Wanted]) -> Self {
        let mut keys: HashMap<_, Vec<_>> = HashMap::new();
        for want in wanted {
            let key = (want.realm, want.kind, want.key);
            keys.entry(key).or_default().push((want.from_ns, want.to_ns));
        }
        Self::Keys(keys)
    }

    pub(crate) fn all(from_ns: u64, to_ns: u64) -> Self {
        Self::All([(from_ns, to_ns)])
    }

    /// The times of a chunk.
    pub(crate) fn at(&self, key: &ChunkKey) -> &[(u64, u64)] {
        match self {
            Self::Keys(keys) => {
                keys.get(&(key.realm, key.kind, key.key)).map_or(&[], Vec::as_slice)
            }
            Self::All(times) => times,
        }
    }

    pub(crate) fn match_entry(&self, entry: &Entry) -> bool {
        let mut times = self.at(&entry.key).iter();
        times.any(|(from, to)| entry.first_ns <= *to && entry.last_ns >= *from)
    }

    /// From the earliest to the latest, of a class or of all; `None`: nothing is asked for.
    pub(crate) fn span(&self, class: Option<Class>) -> Option<(u64, u64)> {
        match self {
            Self::All([times]) => Some(*times),
            Self::Keys(keys) => keys
                .iter()
                .filter(|((_, kind, _), _)| class.is_none_or(|class| class == kind.class()))
                .flat_map(|(_, times)| times.iter().copied())
                .reduce(|sum, one| (sum.0.min(one.0), sum.1.max(one.1))),
        }
    }

    /// What of it lies between two times.
    pub(crate) fn within(&self, from_ns: u64, to_ns: u64) -> Self {
        let cut = |(from, to): (u64, u64)| {
            let part = (from.max(from_ns), to.min(to_ns));
            (part.0 <= part.1).then_some(part)
        };
        match self {
            Self::All([(from, to)]) => Self::All([((*from).max(from_ns), (*to).min(to_ns))]),
            Self::Keys(keys) => {
                let cut_all = |times: &Vec<(u64, u64)>| {
                    times.iter().copied().filter_map(cut).collect::<Vec<_>>()
                };
                let keys = keys.iter().map(|(key, times)| (*key, cut_all(times)));
                Self::Keys(keys.filter(|(_, times)| !times.is_empty()).collect())
            }
        }
    }
}
