//! What can go wrong in the spool, one line for a human each.
//!
//! Packets that could not be kept are no errors; they are counted in [`crate::Counters`].

use std::io;
use std::path::{Path, PathBuf};

/// Why the spool could not be opened, written, read or recovered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The operating system refused a file operation.
    #[error("spool: cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// An option is outside its limits.
    #[error("spool: {0}")]
    Options(&'static str),
    /// The spool thread could not be started or died.
    #[error("spool: {0}")]
    Thread(String),
    /// One pcap file holds one link type; what was asked for has several.
    #[error("spool: the packets have {0} link types, which a pcap file cannot hold; use pcapng")]
    MixedLinks(usize),
    /// The caller's output did not take the packets.
    #[error("spool: cannot write the exported packets: {0}")]
    Output(#[source] io::Error),
}

impl SpoolError {
    /// Whether the file system has no room left, or the user none of it.
    pub(crate) fn is_full(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}
