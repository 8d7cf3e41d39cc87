//! A session with the captured host: each of its bytes must come, and come right.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Answers everything that a session says with the same.
pub(crate) fn echo(mut session: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = session.read(&mut bytes) {
        if session.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

/// Talks with the host until told to stop, and counts answers, each of which must be right.
pub(crate) fn talk(mut session: TcpStream, stop: &AtomicBool, answers: &AtomicU64) {
    session.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let said: Vec<u8> = (0..1500_u64).map(|at| (turn ^ at) as u8).collect();
        session.write_all(&said).expect("the session is alive");
        let mut heard = vec![0; said.len()];
        session.read_exact(&mut heard).expect("the session is alive");
        assert!(heard == said, "the session's bytes have changed");
        answers.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(2));
    }
}

/// Stops the session when the scope is left, however.
pub(crate) struct StopAtEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
