//! The status socket of a running sensor: reads requests, writes answers, waits for nobody.
//!
//! A request is one line: a JSON object whose `ask` names what is wanted, or nothing at all for
//! the ledger. Peers are few and short-lived, and each step of each of them is non-blocking: one
//! that is slow, silent or gone costs the sensor nothing but its place, and that not for long.
//! What an answer says is not known here.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Map, Value};

/// Peers served at once; more wait in the socket's own queue.
const PEERS_MAX: usize = 16;

/// Bytes of a request at most.
const REQUEST_MAX: usize = 8192;

/// How long a peer may take to say what it wants, and how long to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A peer that was told nothing by then is let go.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What a peer wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The ledger.
    Ledger,
    /// Something else, by the words of its request.
    Other(Map<String, Value>),
    /// What nobody understands.
    Unreadable,
}

/// Which peer an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerId(u64);

/// The status socket of a running sensor.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    listener: UnixListener,
    peers: Vec<Peer>,
    next: u64,
}

#[derive(Debug)]
struct Peer {
    id: PeerId,
    stream: UnixStream,
    stage: Stage,
    until: Instant,
}

#[derive(Debug)]
enum Stage {
    /// Its request, so far.
    Asking(Vec<u8>),
    /// Its request is whole.
    Asked(Request),
    /// Somebody prepares its answer.
    Waiting,
    /// Its answer, and how much of it was taken.
    Told(Vec<u8>, usize),
    /// Nothing more is to be done.
    Done,
}

impl Server {
    /// Opens the socket; one left by a dead sensor is replaced, a living one's is not.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if UnixStream::connect(path).is_ok() {
            bail!("another sensor serves {}: set another status_socket", path.display());
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot open the status socket {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
            .with_context(|| format!("cannot protect {}", path.display()))?;
        listener.set_nonblocking(true).context("cannot set up the status socket")?;
        Ok(Self { path: path.to_owned(), listener, peers: Vec::new(), next: 0 })
    }

    /// One turn: new peers, what they say, what they take.
    pub fn turn(&mut self, now: Instant) {
        while self.peers.len() < PEERS_MAX
            && let Ok((stream, _)) = self.listener.accept()
        {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            self.next += 1;
            let (id, stage) = (PeerId(self.next), Stage::Asking(Vec::new()));
            self.peers.push(Peer { id, stream, stage, until: now + PATIENCE });
        }
        for peer in &mut self.peers {
            peer.turn(now);
        }
        self.peers.retain(|peer| !matches!(peer.stage, Stage::Done));
    }

    /// The oldest request that is wanted and nobody has taken up; it is now.
    pub fn take(&mut self, wanted: impl Fn(&Request) -> bool) -> Option<(PeerId, Request)> {
        let peer = self.peers.iter_mut().find(|peer| match &peer.stage {
            Stage::Asked(request) => wanted(request),
            _ => false,
        })?;
        match std::mem::replace(&mut peer.stage, Stage::Waiting) {
            Stage::Asked(request) => Some((peer.id, request)),
            _ => None,
        }
    }

    /// Gives a peer its answer, if it is still there.
    pub fn tell(&mut self, to: PeerId, answer: &Value, now: Instant) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == to) {
            peer.stage = Stage::Told(answer.to_string().into_bytes(), 0);
            peer.until = now + PATIENCE;
            peer.turn(now);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Peer {
    fn turn(&mut self, now: Instant) {
        match &mut self.stage {
            Stage::Asking(so_far) => match read(&mut self.stream, so_far) {
                Heard::More => {}
                Heard::All => {
                    self.stage = Stage::Asked(request(so_far));
                    self.until = now + ANSWER_WAIT;
                }
                Heard::Gone => self.stage = Stage::Done,
            },
            Stage::Told(answer, taken) => match write(&mut self.stream, answer, taken) {
                Some(true) | None => self.stage = Stage::Done,
                Some(false) => {}
            },
            Stage::Asked(_) | Stage::Waiting | Stage::Done => {}
        }
        if now >= self.until {
            self.stage = Stage::Done;
        }
    }
}

enum Heard {
    More,
    All,
    Gone,
}

/// Reads on; a line, its end, or the limit end it.
fn read(stream: &mut UnixStream, so_far: &mut Vec<u8>) -> Heard {
    let mut buffer = [0u8; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Heard::All,
            Ok(count) => {
                so_far.extend_from_slice(buffer.get(..count).unwrap_or_default());
                if so_far.contains(&b'\n') || so_far.len() > REQUEST_MAX {
                    return Heard::All;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::More,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Heard::Gone,
        }
    }
}

fn request(line: &[u8]) -> Request {
    if line.len() > REQUEST_MAX {
        return Request::Unreadable;
    }
    if line.trim_ascii().is_empty() {
        return Request::Ledger;
    }
    match serde_json::from_slice(line) {
        Ok(Value::Object(words)) if words.get("ask").is_some_and(|ask| ask == "status") => {
            drop(words);
            Request::Ledger
        }
        Ok(Value::Object(words)) => Request::Other(words),
        _ => Request::Unreadable,
    }
}

/// Writes on. True: all of it; `None`: the peer has gone.
fn write(stream: &mut UnixStream, answer: &[u8], taken: &mut usize) -> Option<bool> {
    loop {
        let rest = answer.get(*taken..).unwrap_or_default();
        if rest.is_empty() {
            return Some(true);
        }
        match stream.write(rest) {
            Ok(0) => return None,
            Ok(count) => *taken += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Place {
        server: Server,
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.sock");
        Place { server: Server::open(&path).unwrap(), path, _folder: folder }
    }

    fn asking(place: &Place, words: &str) -> UnixStream {
        let mut peer = UnixStream::connect(&place.path).unwrap();
        peer.write_all(words.as_bytes()).unwrap();
        peer
    }

    fn answer_of(mut peer: UnixStream) -> String {
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn peers_that_say_nothing_or_take_nothing_hold_nobody_up_and_are_let_go() {
        let mut place = place();
        let start = Instant::now();
        let huge = json!("x".repeat(8 << 20));
        let slow = asking(&place, "\n");
        let silent: Vec<UnixStream> =
            (0..5).map(|_| UnixStream::connect(&place.path).unwrap()).collect();
        place.server.turn(start);
        let (id, request) = place.server.take(|_| true).unwrap();
        assert_eq!(request, Request::Ledger);
        place.server.tell(id, &huge, start);
        // The socket's buffer is full, and the server has come back all the same.
        let quick = asking(&place, "{\"ask\":\"status\"}\n");
        place.server.turn(start);
        let (id, _) = place.server.take(|_| true).unwrap();
        place.server.tell(id, &json!(7), start);
        place.server.turn(start);
        assert_eq!(answer_of(quick), "7");
        place.server.turn(start + PATIENCE);
        assert!(place.server.peers.is_empty());
        assert!(answer_of(slow).len() < 8 << 20, "cut off");
        drop(silent);
    }

    #[test]
    fn more_peers_than_are_served_at_once_wait_for_their_turn() {
        let mut place = place();
        let start = Instant::now();
        let first: Vec<UnixStream> =
            (0..PEERS_MAX).map(|_| UnixStream::connect(&place.path).unwrap()).collect();
        let late = asking(&place, "\n");
        place.server.turn(start);
        assert_eq!(place.server.peers.len(), PEERS_MAX);
        assert_eq!(place.server.take(|_| true), None);
        place.server.turn(start + PATIENCE);
        place.server.turn(start + PATIENCE);
        let (id, _) = place.server.take(|_| true).unwrap();
        place.server.tell(id, &json!("here"), start);
        place.server.turn(start + PATIENCE);
        assert_eq!(answer_of(late), "\"here\"");
        drop(first);
    }

    #[test]
    fn requests_are_read_whole_or_refused() {
        let read = |words: &str| request(words.as_bytes());
        assert_eq!(read(""), Request::Ledger);
        assert_eq!(read("{\"ask\":\"status\"}\n"), Request::Ledger);
        assert_eq!(read("[]"), Request::Unreadable);
        assert_eq!(read("{\"ask\":"), Request::Unreadable);
        assert_eq!(read(&" ".repeat(REQUEST_MAX + 1)), Request::Unreadable);
        assert!(matches!(read("{\"ask\":\"calls\"}"), Request::Other(_)));
        let mut place = place();
        let start = Instant::now();
        let mut peer = asking(&place, "{\"ask\":\"ca");
        place.server.turn(start);
        assert_eq!(place.server.take(|_| true), None, "only half of it has come");
        peer.write_all(b"lls\"}\n").unwrap();
        place.server.turn(start);
        assert!(place.server.take(|_| true).is_some());
    }

    #[test]
    fn a_request_that_is_not_wanted_yet_waits() {
        let mut place = place();
        let start = Instant::now();
        let _peer = asking(&place, "{\"ask\":\"calls\"}\n");
        place.server.turn(start);
        assert_eq!(place.server.take(|request| *request == Request::Ledger), None);
        assert!(place.server.take(|request| matches!(request, Request::Other(_))).is_some());
        assert_eq!(place.server.take(|_| true), None, "it is taken once");
    }
}
