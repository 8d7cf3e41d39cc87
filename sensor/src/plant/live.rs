//! Live capture: interfaces opened, a pinned thread for each queue, and the thread that watches
//! over them.
//!
//! The end is orderly: the kernel is told to send no more, what the sockets still hold is read,
//! calls become records, the spool is sealed.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use ringtap_capture::clock::LiveClock;
use ringtap_capture::open::{Opened, open, open_host};
use ringtap_capture::presence::{Presence, Watched};
use ringtap_capture::tcx::Change;
use ringtap_capture::{Handle, Source, SourceStats, affinity};
use ringtap_cdr::Store;
use ringtap_common::verdict::Fate;

use super::directions::{self, Directions};
use super::listeners::Wanted;
use super::pulse::Pulse;
use super::replay::FailGuard;
use super::{Kind, SharedPorts, Stations, WriterCounts, options, start_writer, total};
use crate::agents::{Inbox, Listener};
use crate::config::{Config, Mode};
use crate::ledger::{Published, Tally};
use crate::live::{Asked, Desk, now_us};
use crate::status::{Interface, Ledger, PeerId, Request, Server, Verdict};
use crate::worker::Worker;
use crate::worker::upstream::{Learned, UPSTREAM_MAX, Upstream};
use crate::writer::Written;

/// An idle worker looks at its clock this often.
const IDLE: Duration = Duration::from_millis(10);

/// With several sources, a worker waits this long at each.
const IDLE_SHARED: Duration = Duration::from_millis(1);

/// How often a worker's sockets are asked what they lost.
const STATS_EVERY: Duration = Duration::from_millis(100);

/// How often the watching thread looks around.
const WATCH: Duration = Duration::from_millis(20);

/// How often interfaces are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// At the end, sockets are read until they have been silent this long, at most [`DRAIN_MAX`].
const DRAIN_QUIET: Duration = Duration::from_millis(50);
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// What a live capture has done.
#[derive(Debug)]
pub struct Captured {
    /// The whole ledger at the end.
    pub ledger: Ledger,
    /// What the writer did.
    pub written: Written,
}

/// What each worker's sources counted, where the watching thread can read it.
type Stats = Arc<Mutex<Vec<(usize, SourceStats)>>>;

/// Captures until `stop` is set.
pub fn capture(
    config: &Config,
    store: Option<Box<dyn Store>>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Captured> {
    let mut status = Server::open(&config.status_socket)?;
    let listening = Wanted::of(config)?;
    if config.interface.is_empty() && !listening.any() {
        bail!(
            "no interface is named: give -i IFACE, `interface` in the configuration, or a \
             listener (hep = yes, ipfix = yes, listen_udp_tunnels)"
        );
    }
    let mut opened = open_all(config)?;
    let read_by: Vec<usize> = opened.iter().map(|(_, opened)| opened.sources.len()).collect();
    let mut queues = by_queue(&mut opened);
    if queues.is_empty() {
        queues.resize_with(options::workers(config), Vec::new);
    }
    let wanted = config.workers.map_or(0, usize::from);
    if queues.len() < wanted {
        queues.resize_with(wanted, Vec::new);
    }
    let told = |kernel: &Option<Handle>| kernel.as_ref().is_some_and(Handle::tells_copies);
    let in_kernel = opened.iter().all(|(_, o)| told(&o.kernel));
    let dedup = !in_kernel || opened.len() > 1 || listening.any();
    let spread = options::spread(config, &read_by, queues.len());
    let kind = Kind::Live { dedup, spread };
    let sources: Vec<usize> = queues.iter().map(Vec::len).collect();
    let stations = Stations::build(config, &sources, kind)?;
    let Stations { mut workers, progress, published, spool, records, mut desk } = stations;
    let (writer, counts) = start_writer(config, records, None, store, None)?;
    let (sender, upstream) = bounded(UPSTREAM_MAX);
    if let Some(first) = workers.first_mut()
        && options::learned_media(config)
    {
        first.tell_upstream(sender);
    }
    let mirrored = config.mode != Mode::Host;
    if !mirrored {
        workers.iter_mut().for_each(Worker::no_mirror);
    }
    let drain = Arc::new(AtomicBool::new(false));
    let stats: Vec<Stats> = queues.iter().map(|sources| empty_stats(sources)).collect();
    let heard: Vec<directions::Shared> = queues.iter().map(|_| Arc::default()).collect();
    let agents = u16::try_from(opened.len()).unwrap_or(u16::MAX);
    let mut inboxes: Vec<Inbox> = queues.iter().map(|_| Inbox::default()).collect();
    let listeners = listening.open(config, &mut inboxes)?;
    let mut threads = Vec::new();
    let each = workers.into_iter().zip(queues).zip(inboxes);
    for (index, ((worker, sources), inbox)) in each.enumerate() {
        let (Some(shared), Some(heard)) = (stats.get(index), heard.get(index)) else { continue };
        let station = Station {
            worker,
            sources: sources.into_iter().map(|(_, source)| source).collect(),
            inbox,
            agents,
            stats: Arc::clone(shared),
            heard: Arc::clone(heard),
            drain: Arc::clone(&drain),
            clock: LiveClock::new(),
            lost: 0,
            asked_ns: 0,
        };
        let guard = FailGuard(Arc::clone(&progress));
        let place = Place {
            processor: options::processor_of(config, index),
            priority: config.worker_priority,
        };
        threads.push(start(station, guard, index, place)?);
    }
    let started = Instant::now();
    let opened = &opened;
    let silent = Cell::new(0);
    let mut watch = Watch {
        started,
        opened,
        mirrored,
        listeners,
        published,
        counts,
        stats,
        heard,
        spool,
        silent,
    };
    for (name, opened) in opened {
        if let Some(size) = opened.kernel.as_ref().and_then(|kernel| kernel.size().ok()) {
            let (instructions, verified) = (size.instructions, size.verified);
            tracing::debug!(%name, instructions, verified, "the kernel program is loaded");
        }
        tracing::info!("capturing on {name}: {}", opened.line);
    }
    let outcome = watch.until_stopped(stop, (&mut status, &mut desk), &upstream, &threads);
    for kernel in opened.iter().filter_map(|(_, o)| o.kernel.as_ref()) {
        let _ = kernel.stop();
    }
    watch.listeners.iter_mut().for_each(|listener| listener.stop());
    drain.store(true, Ordering::Release);
    let mut died = false;
    for thread in threads {
        died |= thread.join().is_err();
    }
    let written = writer.join().map_err(|_| anyhow::anyhow!("the writer has died"))?;
    let ledger = watch.end()?;
    outcome?;
    if died {
        bail!("a worker has died; the records are not complete");
    }
    Ok(Captured { ledger, written })
}

fn open_all(config: &Config) -> anyhow::Result<Vec<(String, Opened)>> {
    if let Some(why) = config.contradiction() {
        bail!("{why}");
    }
    if config.takes_nothing() && !config.interface.is_empty() {
        return Ok(open_host(config.capture, &options::host(config))?);
    }
    let mut all = Vec::new();
    for (origin, name) in (0u16..).zip(&config.interface) {
        let (xdp, packet) = options::capture(config, name, origin);
        all.push((name.clone(), open(config.capture, &xdp, &packet)?));
    }
    Ok(all)
}

/// A source, and the number of its interface.
type Numbered = (usize, Box<dyn Source>);

/// Sources by the worker that reads them: worker *i* has queue *i* of every interface.
fn by_queue(opened: &mut [(String, Opened)]) -> Vec<Vec<Numbered>> {
    let mut queues: Vec<Vec<Numbered>> = Vec::new();
    for (interface, (_, opened)) in opened.iter_mut().enumerate() {
        for (index, source) in std::mem::take(&mut opened.sources).into_iter().enumerate() {
            if queues.len() <= index {
                queues.push(Vec::new());
            }
            if let Some(queue) = queues.get_mut(index) {
                queue.push((interface, source));
            }
        }
    }
    queues
}

fn empty_stats(sources: &[Numbered]) -> Stats {
    let empty = sources.iter().map(|(interface, _)| (*interface, SourceStats::default()));
    Arc::new(Mutex::new(empty.collect()))
}

/// Where a worker runs, and how urgently.
#[derive(Clone, Copy, Debug)]
struct Place {
    processor: Option<usize>,
    /// Real-time priority, 0 for none.
    priority: u8,
}

impl Place {
    /// Takes the calling thread there.
    fn take(self, worker: usize) {
        if let Some(cpu) = self.processor
            && !affinity::pin(cpu)
        {
            tracing::warn!(worker, cpu, "cannot pin the worker to its processor");
        }
        if self.priority > 0
            && let Err(error) = affinity::prefer(self.priority)
        {
            let need = "it needs root, CAP_SYS_NICE or a limit for RTPRIO";
            tracing::warn!(worker, %error, "worker_priority has no effect: {need}");
        }
    }
}

fn start(
    station: Station,
    guard: FailGuard,
    index: usize,
    place: Place,
) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            place.take(index);
            station.run();
            drop(guard);
        })
        .context("cannot start a worker's thread")
}

/// One worker with its sources.
struct Station {
    worker: Worker<SharedPorts>,
    sources: Vec<Box<dyn Source>>,
    /// What listeners receive, and the number that it has instead of an interface's.
    inbox: Inbox,
    agents: u16,
    stats: Stats,
    heard: directions::Shared,
    drain: Arc<AtomicBool>,
    clock: LiveClock,
    /// Frames that its sockets had lost when they were asked last, and when that was.
    lost: u64,
    asked_ns: u64,
}

impl Station {
    fn run(mut self) {
        let mut asked = Instant::now();
        while !self.drain.load(Ordering::Acquire) {
            self.round();
            if asked.elapsed() >= STATS_EVERY {
                self.share_stats();
                asked = Instant::now();
            }
        }
        let (started, mut heard) = (Instant::now(), Instant::now());
        while heard.elapsed() < DRAIN_QUIET && started.elapsed() < DRAIN_MAX {
            if self.round() > 0 {
                heard = Instant::now();
            }
        }
        self.worker.finish();
        self.share_stats();
    }

    /// Frames from every source, then the worker's other duties. Gives the number of frames.
    fn round(&mut self) -> usize {
        let now_ns = self.clock.begin();
        let shared = self.sources.len() > 1 || self.worker.is_given_to(now_ns);
        let wait = if shared { IDLE_SHARED } else { IDLE };
        let (mut frames, mut passed_ns) = (0, now_ns);
        let worker = &mut self.worker;
        for (index, source) in self.sources.iter_mut().enumerate() {
            let mut read_ns = now_ns;
            worker.read_from(index);
            let received = source.receive(wait, &mut |batch| {
                frames += batch.len();
                if let Some(last) = batch.len().checked_sub(1).and_then(|at| batch.get(at)) {
                    read_ns = read_ns.min(last.clock);
                }
                worker.frames(batch.iter());
            });
            if let Err(error) = received {
                // The interface may come back; the thread must not spin until then.
                tracing::debug!(%error, "a source cannot be read");
                std::thread::sleep(IDLE);
            }
            worker.has_read(index, read_ns);
            passed_ns = passed_ns.min(read_ns);
        }
        if !self.inbox.is_alone() {
            let wait = if self.sources.is_empty() { IDLE } else { Duration::ZERO };
            let agents = self.agents;
            frames += self.inbox.take(wait, &mut |parcel| worker.parcel(parcel, agents));
            self.inbox.pass(passed_ns);
        } else if self.sources.is_empty() {
            // What it has comes from other workers.
            std::thread::sleep(wait);
        }
        let given = worker.round(now_ns, passed_ns);
        frames + usize::try_from(given).unwrap_or(usize::MAX)
    }

    /// Asks the sockets what they lost: for the ledger, and for the streams that miss packets.
    fn share_stats(&mut self) {
        let mut lost = self.worker.spread_lost() + self.inbox.lost();
        let mut shared = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        for ((_, slot), source) in shared.iter_mut().zip(&mut self.sources) {
            *slot = source.stats();
            lost += slot.lost();
        }
        drop(shared);
        let now_ns = self.clock.begin();
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = self.worker.heard(now_ns);
        if lost > self.lost {
            self.worker.dropped(self.asked_ns, now_ns, lost - self.lost);
        }
        (self.lost, self.asked_ns) = (lost, now_ns);
    }
}

/// What the watching thread looks after.
struct Watch<'a> {
    started: Instant,
    opened: &'a [(String, Opened)],
    /// What is captured comes by mirrors.
    mirrored: bool,
    listeners: Vec<Box<dyn Listener>>,
    published: Vec<Arc<Published>>,
    counts: WriterCounts,
    stats: Vec<Stats>,
    heard: Vec<directions::Shared>,
    spool: Option<ringtap_spool::SpoolHandle>,
    /// Seconds for which the spool's disk has not answered.
    silent: Cell<u64>,
}

impl Watch<'_> {
    fn until_stopped(
        &self,
        stop: &AtomicBool,
        (status, desk): (&mut Server, &mut Desk),
        upstream: &Receiver<Upstream>,
        threads: &[JoinHandle<()>],
    ) -> anyhow::Result<()> {
        let mut learned = Learned::default();
        let mut pulse = Pulse::default();
        let names = self.opened.iter().flat_map(|(_, opened)| &opened.interfaces);
        let mut links: Vec<Watched> = names.map(|name| Watched::new(name)).collect();
        // All interfaces, whichever there are, or agents.
        let lasting = self.opened.iter().any(|(_, opened)| opened.interfaces.is_empty())
            || !self.listeners.is_empty();
        let mut mirrors = vec![Directions::default(); self.opened.len()];
        let mut looked = Instant::now();
        let mut asker = None;
        while !stop.load(Ordering::Acquire) {
            match upstream.recv_timeout(WATCH) {
                Ok(news) => {
                    for news in std::iter::once(news).chain(upstream.try_iter()) {
                        self.teach(&mut learned, news);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody tells us anything in this mode.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(WATCH),
            }
            self.answer(status, desk, &mut asker);
            if threads.iter().any(JoinHandle::is_finished) {
                bail!("a worker has ended; see the log");
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if !look_at(&mut links) && !lasting {
                    bail!("no interface is left to capture on");
                }
                self.look_at_host();
                self.look_at_spool(&mut pulse);
                if self.mirrored {
                    self.look_at_mirrors(&mut mirrors);
                }
            }
        }
        Ok(())
    }

    /// Says when the spool's disk does not answer, and when it does again.
    fn look_at_spool(&self, pulse: &mut Pulse) {
        if let Some(spool) = &self.spool {
            let silent = pulse.feel(spool.beats(), spool.root(), Instant::now());
            self.silent.set(silent.unwrap_or(0));
        }
    }

    /// Says which mirrors bring one direction only.
    fn look_at_mirrors(&self, before: &mut [Directions]) {
        for (origin, ((name, _), before)) in (0..).zip(self.opened.iter().zip(before)) {
            let now = directions::judge(&self.heard, origin);
            if now != Directions::Unknown {
                directions::tell(name, *before, now);
                *before = now;
            }
        }
    }

    /// A host's addresses and interfaces come and go.
    fn look_at_host(&self) {
        for kernel in self.opened.iter().filter_map(|(_, opened)| opened.kernel.as_ref()) {
            match kernel.look() {
                Ok(changes) => changes.iter().for_each(tell_change),
                Err(error) => tracing::debug!(%error, "the kernel program keeps what it knows"),
            }
        }
    }

    /// Serves whoever asks at the status socket; `asker` waits for the question at the desk.
    fn answer(&self, status: &mut Server, desk: &mut Desk, asker: &mut Option<PeerId>) {
        let now = Instant::now();
        status.turn(now);
        while let Some((peer, request)) =
            status.take(|request| desk.is_free() || !matches!(request, Request::Other(_)))
        {
            match request {
                Request::Ledger => status.tell(peer, &self.ledger().to_json(), now),
                Request::Other(words) => match Asked::read(&words, now_us()) {
                    Some(Ok(asked)) => {
                        *asker = Some(peer);
                        desk.ask(asked, now);
                    }
                    Some(Err(error)) => status.tell(peer, &error_of(&error.to_string()), now),
                    None => status.tell(peer, &error_of("the sensor cannot be asked that"), now),
                },
                Request::Unreadable => {
                    status.tell(peer, &error_of("the sensor cannot read the request"), now);
                }
            }
        }
        if let Some(answer) = desk.step(now)
            && let Some(peer) = asker.take()
        {
            status.tell(peer, &answer, now);
        }
    }

    /// Changes the kernel's map of media endpoints.
    fn teach(&self, learned: &mut Learned, news: Upstream) {
        let kernels = || self.opened.iter().filter_map(|(_, o)| o.kernel.as_ref());
        let result = match news {
            Upstream::Learn(at) if learned.add(at) => {
                kernels().try_for_each(|kernel: &Handle| kernel.learn(at.0, at.1))
            }
            Upstream::Forget(at) if learned.remove(at) => {
                kernels().try_for_each(|kernel: &Handle| kernel.forget(at.0, at.1))
            }
            Upstream::Learn(_) | Upstream::Forget(_) => Ok(()),
        };
        if let Err(error) = result
            && learned.complain()
        {
            tracing::warn!(%error, "media endpoints cannot be put into the kernel's map");
        }
    }

    fn ledger(&self) -> Ledger {
        let locked = |stats: &Stats| stats.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stats: Vec<(usize, SourceStats)> = self.stats.iter().flat_map(locked).collect();
        let user = total(&self.published, &self.counts);
        let interfaces = self.opened.iter().enumerate();
        Ledger {
            uptime_s: self.started.elapsed().as_secs(),
            interfaces: interfaces
                .map(|(at, one)| self.interface(at, one, &stats, &user))
                .collect(),
            listeners: self.listeners.iter().map(|listener| listener.report()).collect(),
            user,
            spool: self.spool.as_ref().map(ringtap_spool::SpoolHandle::counters),
            spool_silent_s: self.silent.get(),
            retained: self.spool.as_ref().and_then(ringtap_spool::SpoolHandle::retained),
            workers: self.published.iter().map(|p| p.read().received).collect(),
            file_frames: None,
        }
    }

    fn interface(
        &self,
        at: usize,
        (name, opened): &(String, Opened),
        stats: &[(usize, SourceStats)],
        user: &Tally,
    ) -> Interface {
        let (name, how) = (name.clone(), opened.line.clone());
        let origin = u16::try_from(at).unwrap_or(u16::MAX);
        let judge = || directions::judge(&self.heard, origin);
        let directions = if self.mirrored { judge() } else { Directions::Unknown };
        let copies = user.copies_of(at);
        let mut one = Interface { name, how, directions, copies, ..Interface::default() };
        for (_, source) in stats.iter().filter(|(interface, _)| *interface == at) {
            one.sockets.add(source);
            one.queues.push(source.received);
        }
        if let Some(counts) = opened.kernel.as_ref().and_then(|kernel| kernel.counts().ok()) {
            one.verdicts = counts
                .iter()
                .map(|(verdict, frames)| Verdict {
                    label: verdict.label(),
                    frames,
                    redirected: verdict.fate() == Fate::Redirected,
                })
                .collect();
        }
        one
    }

    /// Seals the spool and gives the last ledger.
    fn end(mut self) -> anyhow::Result<Ledger> {
        let spool = self.spool.take();
        let mut ledger = self.ledger();
        if let Some(spool) = spool {
            ledger.spool = Some(spool.seal().context("cannot seal the spool")?);
        }
        Ok(ledger)
    }
}

/// Says what has become of the interfaces. False: there is none left.
fn look_at(links: &mut [Watched]) -> bool {
    for link in &mut *links {
        match link.look() {
            Some(Presence::Up) => tracing::info!("{} is up again", link.name()),
            Some(Presence::Down) => {
                tracing::warn!("{} is down: nothing comes from it", link.name());
            }
            Some(Presence::Gone) => tracing::warn!(
                "{} is gone: nothing comes from it any more; start ringtap again when it is back",
                link.name()
            ),
            None => {}
        }
    }
    links.iter().any(|link| link.presence() != Presence::Gone)
}

/// Says what has become of one of all interfaces.
fn tell_change(change: &Change) {
    match change {
        Change::New(name) => tracing::info!("capturing on {name} too"),
        Change::Gone(name) => tracing::info!("{name} is gone"),
        Change::Refused(name, why) => tracing::warn!("{name} is not captured: {why}"),
    }
}

fn error_of(error: &str) -> serde_json::Value {
    serde_json::json!({ "error": error })
}
