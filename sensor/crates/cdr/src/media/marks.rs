//! What was the matter with a call's media, as marks: which direction never came, began late or
//! ended early, and what was announced beside RTP.

/// Marks of one call, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaMarks(pub u32);

/// The bits, with their names in JSON.
const NAMES: [(MediaMarks, &str); 10] = [
    (MediaMarks::NO_MEDIA, "no_media"),
    (MediaMarks::CALLER_MISSING, "caller_missing"),
    (MediaMarks::CALLEE_MISSING, "callee_missing"),
    (MediaMarks::CALLER_LATE, "caller_late"),
    (MediaMarks::CALLEE_LATE, "callee_late"),
    (MediaMarks::CALLER_STOPPED, "caller_stopped"),
    (MediaMarks::CALLEE_STOPPED, "callee_stopped"),
    (MediaMarks::ENCRYPTED, "encrypted"),
    (MediaMarks::FAX, "t38"),
    (MediaMarks::VIDEO, "video"),
];

impl MediaMarks {
    /// The call was answered and RTP announced, and none came.
    pub const NO_MEDIA: Self = Self(1);
    /// Only the callee's media came: one-way audio.
    pub const CALLER_MISSING: Self = Self(2);
    /// Only the caller's media came: one-way audio.
    pub const CALLEE_MISSING: Self = Self(4);
    /// The caller's media began more than 2 s after the answer.
    pub const CALLER_LATE: Self = Self(8);
    /// The callee's media began more than 2 s after the answer.
    pub const CALLEE_LATE: Self = Self(16);
    /// The caller's media ended more than 2 s before the call, which was never on hold.
    pub const CALLER_STOPPED: Self = Self(32);
    /// The callee's media ended more than 2 s before the call, which was never on hold.
    pub const CALLEE_STOPPED: Self = Self(64);
    /// Some of its media is encrypted.
    pub const ENCRYPTED: Self = Self(128);
    /// T.38 was announced (UDPTL is not scored).
    pub const FAX: Self = Self(256);
    /// Video was announced.
    pub const VIDEO: Self = Self(512);

    /// Sets a mark where something holds.
    pub fn set(&mut self, mark: Self, holds: bool) {
        if holds {
            self.0 |= mark.0;
        }
    }

    /// Is a mark set?
    pub fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    /// The names of the marks that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(mark, _)| self.has(*mark)).map(|(_, name)| *name)
    }
}
