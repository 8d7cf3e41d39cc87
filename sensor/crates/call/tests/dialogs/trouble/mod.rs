//! What should not happen and does: odd messages, lost ones, and chaos.

mod chaos;
mod losses;
mod odd;
