//! HEP 3 over TCP and TLS: a thread for each connection, and a limit of connections.
//!
//! Only version 3 says its length, so the others cannot come this way. A peer that sends nothing
//! is kept; one that does not finish what it began is not, and where others wait for a place the
//! one that was silent for longest goes.

pub(super) mod tls;

use std::io::{self, Read};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringtap_wire::hep;
use rustix::net::sockopt;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::counts::{Event, Outcome};
use super::reader::Reader;
use super::{LOOK, Shared};

/// A message, or the start of TLS, may take so long.
const UNFINISHED_MAX: Duration = Duration::from_secs(10);

/// A connection that was silent for so long may be ended for another.
const IDLE_MIN: Duration = Duration::from_secs(60);

/// How long a message waits for room at the workers; meanwhile its peer does.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a write of TLS may take.
const WRITE: Duration = Duration::from_secs(5);

/// The kernel asks a silent peer after this time whether it is there, as often, at this distance.
const ALIVE: (Duration, u32, Duration) = (Duration::from_secs(60), 4, Duration::from_secs(15));

/// Bytes that are read at once.
const READ: usize = 16 << 10;

/// A connection's stack.
const STACK: usize = 512 << 10;

/// A connection as others see it.
#[derive(Debug)]
struct Place {
    /// When it last brought something, ms after the table was made.
    heard_ms: AtomicU64,
    /// It is to end.
    leave: AtomicBool,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Table {
    started: Instant,
    places: Mutex<Vec<Arc<Place>>>,
    max: usize,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        Self { started: Instant::now(), places: Mutex::default(), max }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A place for a new connection. `None`: there is none.
    fn enter(&self, shared: &Shared) -> Option<Arc<Place>> {
        let now_ms = self.now_ms();
        let place =
            Arc::new(Place { heard_ms: AtomicU64::new(now_ms), leave: AtomicBool::new(false) });
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= self.max {
            let heard = |(_, place): &(usize, &Arc<Place>)| place.heard_ms.load(Ordering::Relaxed);
            let (at, silent) = places.iter().enumerate().min_by_key(heard)?;
            let idle_ms = now_ms.saturating_sub(silent.heard_ms.load(Ordering::Relaxed));
            if Duration::from_millis(idle_ms) < IDLE_MIN {
                return None;
            }
            silent.leave.store(true, Ordering::Release);
            places.swap_remove(at);
            shared.counts.note(Event::ConnectionsEvicted, 1);
        }
        places.push(Arc::clone(&place));
        Some(place)
    }

    fn leave(&self, place: &Arc<Place>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|other| !Arc::ptr_eq(other, place));
    }
}

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    /// TLS is spoken.
    pub(super) context: Option<Arc<ServerConfig>>,
    pub(super) table: Arc<Table>,
    pub(super) shared: Arc<Shared>,
}

impl Door {
    /// Lets connections in until the end, and waits for theirs.
    pub(super) fn run(self) {
        let _ = self.listener.set_nonblocking(true);
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        while !self.shared.stopped() {
            let Ok((stream, from)) = self.listener.accept() else {
                std::thread::sleep(LOOK / 5);
                continue;
            };
            threads.retain(|thread| !thread.is_finished());
            let Some(place) = self.table.enter(&self.shared) else {
                self.shared.counts.note(Event::ConnectionsRefused, 1);
                continue;
            };
            let (table, mine) = (Arc::clone(&self.table), Arc::clone(&place));
            let guest = Guest {
                from: from.ip(),
                place,
                reader: Reader::new(Arc::clone(&self.shared)),
                table: Arc::clone(&self.table),
                began: Some(Instant::now()).filter(|_| self.context.is_some()),
            };
            let context = self.context.clone();
            let thread = std::thread::Builder::new()
                .name("hep-connection".into())
                .stack_size(STACK)
                .spawn(move || guest.serve(stream, context));
            match thread {
                Ok(thread) => {
                    self.shared.counts.note(Event::Connections, 1);
                    threads.push(thread);
                }
                Err(_) => {
                    self.shared.counts.note(Event::ConnectionsRefused, 1);
                    table.leave(&mine);
                }
            }
        }
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// What messages are read from.
trait Line: Read {
    /// Whether they can come already.
    fn is_open(&self) -> bool;
}

impl Line for TcpStream {
    fn is_open(&self) -> bool {
        true
    }
}

impl Line for StreamOwned<ServerConnection, TcpStream> {
    fn is_open(&self) -> bool {
        !self.conn.is_handshaking()
    }
}

/// One connection.
struct Guest {
    from: IpAddr,
    place: Arc<Place>,
    reader: Reader,
    table: Arc<Table>,
    /// Since when something is unfinished.
    began: Option<Instant>,
}

impl Guest {
    fn serve(mut self, stream: TcpStream, context: Option<Arc<ServerConfig>>) {
        if ready(&stream).is_ok() {
            match context.map(ServerConnection::new) {
                None => self.receive(stream),
                Some(Ok(tls)) => self.receive(StreamOwned::new(tls, stream)),
                Some(Err(_)) => self.note(Event::TlsFailed),
            }
        }
        self.table.leave(&self.place);
    }

    fn note(&self, event: Event) {
        self.reader.shared.counts.note(event, 1);
    }

    fn receive(&mut self, mut stream: impl Line) {
        let mut held: Vec<u8> = Vec::new();
        let mut buffer = vec![0; READ];
        while !self.reader.shared.stopped() && !self.place.leave.load(Ordering::Acquire) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => {
                    let now_ms = self.table.now_ms();
                    self.place.heard_ms.store(now_ms, Ordering::Relaxed);
                    held.extend_from_slice(buffer.get(..len).unwrap_or_default());
                    if !self.take(&mut held) {
                        self.reader.shared.counts.count(Outcome::Malformed);
                        return self.note(Event::ConnectionsBroken);
                    }
                }
                Err(error) if is_wait(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return self.note(Event::TlsFailed);
                }
                Err(_) => break,
            }
            if held.is_empty() && stream.is_open() {
                self.began = None;
            }
            if self.began.is_some_and(|began| began.elapsed() >= UNFINISHED_MAX) {
                return self.note(Event::ConnectionsSlow);
            }
        }
        if !held.is_empty() {
            self.note(Event::ConnectionsCut);
        }
    }

    /// Takes whole messages off the front. False: what comes next is none.
    fn take(&mut self, held: &mut Vec<u8>) -> bool {
        let mut at = 0;
        let fine = loop {
            let rest = held.get(at..).unwrap_or_default();
            match hep::frame(rest) {
                Ok(Some(len)) if len <= rest.len() => {
                    let message = rest.get(..len).unwrap_or_default();
                    self.reader.message(message, self.from, PATIENCE);
                    at += len;
                }
                Ok(_) => break true,
                Err(_) => break false,
            }
        };
        held.drain(..at);
        if held.is_empty() {
            self.began = None;
        } else if at > 0 || self.began.is_none() {
            self.began = Some(Instant::now());
        }
        fine
    }
}

fn is_wait(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn ready(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(WRITE))?;
    let (idle, times, apart) = ALIVE;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepcnt(stream, times)?;
    sockopt::set_tcp_keepintvl(stream, apart)?;
    Ok(())
}
