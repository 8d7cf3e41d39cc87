//! Whether an interface that is captured is still there, and up.
//!
//! Sockets do not tell: one whose interface has vanished is merely silent.

use crate::sys;

/// How an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There, and up.
    Up,
    /// There, and down.
    Down,
    /// Not there, or another one of the same name.
    Gone,
}

/// An interface that is watched.
#[derive(Debug)]
pub struct Watched {
    name: String,
    index: Option<u32>,
    last: Presence,
}

impl Watched {
    /// Watches the interface that has this name now.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), index: sys::interface_index(name), last: Presence::Up }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it was at the last look.
    pub fn presence(&self) -> Presence {
        self.last
    }

    /// Looks again; what has changed, if anything. One that is gone does not come back: its
    /// sockets belong to what was there before.
    pub fn look(&mut self) -> Option<Presence> {
        let now = match (self.last, sys::interface_index(&self.name)) {
            (Presence::Gone, _) => Presence::Gone,
            (_, index) if index.is_none() || index != self.index => Presence::Gone,
            _ => match sys::facts(&self.name) {
                Ok(facts) if facts.up => Presence::Up,
                Ok(_) => Presence::Down,
                Err(_) => Presence::Gone,
            },
        };
        let changed = now != self.last;
        self.last = now;
        changed.then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_stays_and_an_absent_interface_is_gone_for_good() {
        let mut here = Watched::new("lo");
        assert_ne!(here.look(), Some(Presence::Gone));
        let mut absent = Watched::new("absent0");
        assert_eq!(absent.look(), Some(Presence::Gone));
        assert_eq!(absent.look(), None);
        assert_eq!(absent.presence(), Presence::Gone);
    }
}
