//! Messages over TCP and TLS: a thread for each connection, and a limit of connections.
//!
//! A peer that sends nothing is kept; one that does not finish what it began is not, and where
//! others wait for a place the one that was silent for longest goes. How messages are cut and read
//! is for each listener to say ([`Taker`]).

pub(crate) mod tls;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::counts::Event;
use super::{House, LOOK, Way};

/// A message, or the start of TLS, may take so long.
const UNFINISHED_MAX: Duration = Duration::from_secs(10);

/// A connection that was silent for so long may be ended for another.
const IDLE_MIN: Duration = Duration::from_secs(60);

/// How long a message waits for room at the workers; meanwhile its peer does.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a write may take.
const WRITE: Duration = Duration::from_secs(5);

/// The kernel asks a silent peer after this time whether it is there, as often, at this distance.
const ALIVE: (Duration, u32, Duration) = (Duration::from_secs(60), 4, Duration::from_secs(15));

/// Bytes that are read at once.
const READ: usize = 16 << 10;

/// A connection's stack.
const STACK: usize = 512 << 10;

/// What comes next in a stream is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Who reads the messages of a connection.
pub(crate) trait Taker: Send + 'static {
    /// Length of the message that a stream goes on with; `None`: too few bytes to tell. A message
    /// has a length, and one that is bounded.
    fn frame(&self, stream: &[u8]) -> Result<Option<usize>, Broken>;

    /// Takes a whole message; waits for room at the workers at most `patience`. What is to be
    /// answered is put behind `answer`, which goes out before the next message is read.
    fn message(&mut self, bytes: &[u8], way: Way, patience: Duration, answer: &mut Vec<u8>);

    /// Counts what is no message.
    fn broken(&mut self);
}

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
pub(crate) struct Table {
    started: Instant,
    places: Mutex<Vec<Arc<Place>>>,
    max: usize,
}

impl Table {
    pub(crate) fn new(max: usize) -> Self {
        Self { started: Instant::now(), places: Mutex::default(), max }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A place for a new connection. `None`: there is none.
    fn enter(&self, house: &House) -> Option<Arc<Place>> {
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
            house.events.note(Event::ConnectionsEvicted, 1);
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
pub(crate) struct Door<F> {
    pub(crate) listener: TcpListener,
    /// TLS is spoken.
    pub(crate) context: Option<Arc<ServerConfig>>,
    pub(crate) table: Arc<Table>,
    pub(crate) house: Arc<House>,
    /// Makes the reader of a connection.
    pub(crate) reader: F,
}

impl<F: Fn() -> T, T: Taker> Door<F> {
    /// Lets connections in until the end, and waits for theirs.
    pub(crate) fn run(self) {
        let _ = self.listener.set_nonblocking(true);
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        while !self.house.stopped() {
            let Ok((stream, from)) = self.listener.accept() else {
                std::thread::sleep(LOOK / 5);
                continue;
            };
            threads.retain(|thread| !thread.is_finished());
            let Some(place) = self.table.enter(&self.house) else {
                self.house.events.note(Event::ConnectionsRefused, 1);
                continue;
            };
            let (table, mine) = (Arc::clone(&self.table), Arc::clone(&place));
            let Ok(to) = stream.local_addr() else {
                self.table.leave(&place);
                continue;
            };
            let guest = Guest {
                way: Way { from, to },
                place,
                reader: (self.reader)(),
                house: Arc::clone(&self.house),
                table: Arc::clone(&self.table),
                began: Some(Instant::now()).filter(|_| self.context.is_some()),
            };
            let context = self.context.clone();
            let thread = std::thread::Builder::new()
                .name(format!("{}-connection", self.house.who.to_ascii_lowercase()))
                .stack_size(STACK)
                .spawn(move || guest.serve(stream, context));
            match thread {
                Ok(thread) => {
                    self.house.events.note(Event::Connections, 1);
                    threads.push(thread);
                }
                Err(_) => {
                    self.house.events.note(Event::ConnectionsRefused, 1);
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
trait Line: Read + Write {
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
struct Guest<T> {
    way: Way,
    place: Arc<Place>,
    house: Arc<House>,
    reader: T,
    table: Arc<Table>,
    /// Since when something is unfinished.
    began: Option<Instant>,
}

impl<T: Taker> Guest<T> {
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
        self.house.events.note(event, 1);
    }

    fn receive(&mut self, mut stream: impl Line) {
        let mut held: Vec<u8> = Vec::new();
        let mut buffer = vec![0; READ];
        while !self.house.stopped() && !self.place.leave.load(Ordering::Acquire) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => {
                    let now_ms = self.table.now_ms();
                    self.place.heard_ms.store(now_ms, Ordering::Relaxed);
                    held.extend_from_slice(buffer.get(..len).unwrap_or_default());
                    match self.take(&mut held, &mut stream) {
                        Ok(true) => {}
                        Ok(false) => {
                            self.reader.broken();
                            return self.note(Event::ConnectionsBroken);
                        }
                        Err(_) => return self.note(Event::ConnectionsDeaf),
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
    fn take(&mut self, held: &mut Vec<u8>, stream: &mut impl Line) -> io::Result<bool> {
        let mut at = 0;
        let mut answer = Vec::new();
        let fine = loop {
            let rest = held.get(at..).unwrap_or_default();
            match self.reader.frame(rest) {
                Ok(Some(len)) if (1..=rest.len()).contains(&len) => {
                    let message = rest.get(..len).unwrap_or_default();
                    self.reader.message(message, self.way, PATIENCE, &mut answer);
                    at += len;
                    if !answer.is_empty() {
                        write(stream, &answer)?;
                        answer.clear();
                    }
                }
                Ok(_) => break true,
                Err(Broken) => break false,
            }
        };
        held.drain(..at);
        if held.is_empty() {
            self.began = None;
        } else if at > 0 || self.began.is_none() {
            self.began = Some(Instant::now());
        }
        Ok(fine)
    }
}

/// Writes all within the time that a write may take, and a second one.
fn write(stream: &mut impl Line, mut bytes: &[u8]) -> io::Result<()> {
    let began = Instant::now();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if began.elapsed() >= WRITE && !bytes.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    stream.flush()
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
