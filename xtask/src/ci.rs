//! `cargo xtask ci`: the gate, the same on a laptop and on a build machine.
//!
//! It is `test` with its defaults; a name of its own keeps scripts stable.

use anyhow::Result;

use crate::test::{self, TestArgs};

/// Runs the gate.
pub(crate) fn run() -> Result<()> {
    test::run(&TestArgs::default())
}
