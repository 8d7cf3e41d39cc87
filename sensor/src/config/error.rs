//! What can be wrong with a configuration, each as one line for its user.
//!
//! Whether a line is wrong is for the others to say.

use super::Fault;

/// What is wrong with a configuration: one line, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: {why}")]
    File {
        /// The file.
        file: String,
        /// What the system said, or how large it is.
        why: String,
    },
    /// A line that says nothing.
    #[error("{origin}: {why}")]
    Line {
        /// File and line.
        origin: String,
        /// Why not.
        why: Fault,
    },
    /// A value that its key cannot take.
    #[error("{origin}: {key} = {value:?} is not valid: {key} takes {accepted}")]
    Value {
        /// File and line, or the command line's option.
        origin: String,
        /// The key.
        key: &'static str,
        /// What was given.
        value: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// A key that there is not, but nearly.
    #[error("{origin}: there is no key `{key}`; did you mean `{suggestion}`?")]
    Misspelt {
        /// File and line, or the command line's option.
        origin: String,
        /// What was given.
        key: String,
        /// What was meant, perhaps.
        suggestion: &'static str,
    },
    /// A key that is like none.
    #[error("{origin}: there is no key `{key}`")]
    Unknown {
        /// File and line, or the command line's option.
        origin: String,
        /// What was given.
        key: String,
    },
    /// A known key that cannot mean anything here.
    #[error("{origin}: `{key}` has no effect: {why}")]
    Moot {
        /// File and line, or the command line's option.
        origin: String,
        /// The key.
        key: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A key that is known and not built yet.
    #[error("{origin}: `{key}` is not supported yet and has no effect")]
    NotYet {
        /// File and line, or the command line's option.
        origin: String,
        /// The key.
        key: &'static str,
    },
}

impl ConfigError {
    /// The product can start all the same: the line is only without effect.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::NotYet { .. } | Self::Moot { .. })
    }
}
