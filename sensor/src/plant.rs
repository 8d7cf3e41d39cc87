//! Builds the stations: sources, workers, spool and writer, wired together.
//!
//! What the stations do is theirs; here stands only what there is of each, and how it starts and
//! ends.

pub mod directions;
mod listeners;
pub mod live;
pub mod options;
mod placing;
mod pulse;
pub mod reader;
pub mod replay;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use crossbeam::channel::{Receiver, Sender, bounded};
use ringtap_call::Calls;
use ringtap_cdr::{IdSource, Store};
use ringtap_common::classify::Ports;
use ringtap_common::maps::PortSets;
use ringtap_common::tunnel::Kind as TunnelKind;
use ringtap_spool::{Gatherer, SpoolHandle};

use crate::config::Config;
use crate::ledger::{Event, Published, Tally};
use crate::live::Desk;
use crate::worker::decode::copies::{Copies, Memory};
use crate::worker::decode::{Decoder, Opening};
use crate::worker::exchange::{Exchange, Progress, RING_MAX};
use crate::worker::record::Recorder;
use crate::worker::shard::Shard;
use crate::worker::spooling::Spooling;
use crate::worker::spread::{Which, mesh};
use crate::worker::streams::Streams;
use crate::worker::{Pace, Parts, Worker};
use crate::writer::{Made, Meeting, Repeats, Show, Writer, Written};

/// Records on their way to the writer at most.
const RECORDS_MAX: usize = 65_536;

/// The port tables, shared by all workers.
#[derive(Clone, Debug)]
pub struct SharedPorts(pub Arc<PortSets>);

impl Ports for SharedPorts {
    #[inline]
    fn sip(&self, port: u16) -> bool {
        self.0.sip_udp.contains(port)
    }

    #[inline]
    fn sip_tcp(&self, port: u16) -> bool {
        self.0.sip_tcp.contains(port)
    }

    #[inline]
    fn media(&self, port: u16) -> bool {
        self.0.media.contains(port)
    }

    #[inline]
    fn tunnel(&self, port: u16) -> Option<TunnelKind> {
        self.0.tunnel(port)
    }
}

/// How far frames are opened.
pub fn opening(config: &Config) -> Opening<SharedPorts> {
    Opening { ports: SharedPorts(Arc::new(options::ports(config))), depth: config.tunnel_depth }
}

/// What every plant has, whatever its source.
#[derive(Debug)]
pub struct Stations {
    /// The workers, in order.
    pub workers: Vec<Worker<SharedPorts>>,
    /// How far each has come.
    pub progress: Arc<Progress>,
    /// Their counters.
    pub published: Vec<Arc<Published>>,
    /// The spool's own end.
    pub spool: Option<SpoolHandle>,
    /// Records from the workers.
    pub records: Receiver<Made>,
    /// Where the workers can be asked about the calls that run.
    pub desk: Desk,
}

/// How a plant's workers go about their work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From files: nothing may be lost, order is that of the packets.
    Files,
    /// Live.
    Live {
        /// Duplicates are recognised in user space.
        dedup: bool,
        /// Which frames go to the worker of their flow.
        spread: Option<Which>,
    },
}

impl Stations {
    /// Builds a worker with all it needs for each number of sources.
    pub fn build(config: &Config, sources: &[usize], kind: Kind) -> anyhow::Result<Self> {
        let count = sources.len();
        let files = kind == Kind::Files;
        let opening = opening(config);
        let progress = Arc::new(Progress::new(count));
        let (made, records): (Sender<Made>, Receiver<Made>) = bounded(RECORDS_MAX);
        let (spool, gatherers) = open_spool(config, count, files)?;
        let seed = if files { 0 } else { random()? };
        let window_ns = options::dedup_window_ns(config).unwrap_or(0);
        let copies = match kind {
            Kind::Live { dedup: false, .. } => Copies::ToldBefore,
            _ => Copies::Told,
        };
        let all = Memory::new(copies, window_ns, random()?, if files { 1 } else { count });
        let memory = || match files {
            true => Ok::<_, anyhow::Error>(Memory::new(copies, window_ns, random()?, 1)),
            false => Ok(all.clone()),
        };
        let mut spreads = match kind {
            Kind::Live { spread: Some(which), .. } => mesh(sources, which),
            _ => Vec::new(),
        }
        .into_iter();
        let mut workers = Vec::with_capacity(count);
        let mut published = Vec::with_capacity(count);
        for (exchange, gatherer) in
            Exchange::mesh(count, RING_MAX, files).into_iter().zip(gatherers)
        {
            let shared = Arc::new(Published::default());
            let recorder = Recorder::new(
                config.id_sensor,
                config.realm,
                options::side_tables(config),
                made.clone(),
                files,
            );
            let [of_calls, of_messages] = options::custom_headers(config);
            let calls = Calls::new(options::calls(config))
                .tied_by(options::match_headers(config))
                .keeping(of_calls, of_messages);
            let spooling = gatherer.map(|g| Spooling::new(g, options::saving(config), seed));
            published.push(Arc::clone(&shared));
            workers.push(Worker::new(Parts {
                decoder: Decoder::new(opening.clone(), memory()?),
                spread: spreads.next(),
                streams: Streams::new(options::streams(config, count, seed)),
                shard: Shard::new(calls, recorder, seed),
                spool: spooling,
                exchange,
                progress: Arc::clone(&progress),
                published: shared,
                pace: if files { Pace::files() } else { Pace::live() },
                realm: config.realm,
            }));
        }
        let (desk, respondents) = crate::live::open(count, config.id_sensor);
        for (worker, respondent) in workers.iter_mut().zip(respondents) {
            worker.answer_by(respondent);
        }
        Ok(Self { workers, progress, published, spool, records, desk })
    }
}

/// What the writer counts, where others can read it.
#[derive(Clone, Debug, Default)]
pub struct WriterCounts {
    /// Legs that it has forgotten.
    pub forgotten: Arc<AtomicU64>,
    /// Requests outside of calls that are repetitions.
    pub repeats: Arc<AtomicU64>,
}

/// The writer's thread, and where it counts.
pub fn start_writer(
    config: &Config,
    records: Receiver<Made>,
    progress: Option<Arc<Progress>>,
    store: Option<Box<dyn Store>>,
    show: Option<Box<dyn Show>>,
) -> anyhow::Result<(std::thread::JoinHandle<Written>, WriterCounts)> {
    let (ids, meeting) = (IdSource::new(config.id_sensor), Meeting::default());
    let counts = WriterCounts { forgotten: meeting.forgotten(), repeats: Arc::default() };
    let repeats = Repeats::new(config.sip_msg_repeat_seconds, Arc::clone(&counts.repeats));
    let writer = Writer { records, progress, store, show, ids, meeting, repeats };
    let thread = std::thread::Builder::new()
        .name("writer".into())
        .spawn(move || writer.run())
        .context("cannot start the writer's thread")?;
    Ok((thread, counts))
}

/// The sum of all workers' counters, and what the writer counts.
pub fn total(published: &[Arc<Published>], counts: &WriterCounts) -> Tally {
    let mut sum = Tally::default();
    for one in published {
        sum.add(&one.read());
    }
    sum.set(Event::LegsForgotten, counts.forgotten.load(Ordering::Relaxed));
    sum.set(Event::SipRepeats, counts.repeats.load(Ordering::Relaxed));
    sum
}

type Spools = (Option<SpoolHandle>, Vec<Option<Gatherer>>);

fn open_spool(config: &Config, workers: usize, lossless: bool) -> anyhow::Result<Spools> {
    let Some(options) = options::spool(config, lossless) else {
        return Ok((None, (0..workers).map(|_| None).collect()));
    };
    let root = options.root.display().to_string();
    recover_spool(&options.root)?;
    let (handle, gatherers) = ringtap_spool::Spool::start(&options, workers)
        .with_context(|| format!("cannot open the spool {root}"))?;
    Ok((Some(handle), gatherers.into_iter().map(Some).collect()))
}

/// Makes whole what a sensor that was killed has left behind.
fn recover_spool(root: &Path) -> anyhow::Result<()> {
    let found = ringtap_spool::recover(root)
        .with_context(|| format!("cannot recover the spool {}", root.display()))?;
    if found.segments + found.removed + found.indexes + found.failed > 0 {
        tracing::warn!(
            segments = found.segments,
            packets = found.packets,
            damages = found.damages,
            lost_bytes = found.lost_bytes,
            removed = found.removed,
            indexes = found.indexes,
            failed = found.failed,
            "recovered the spool {} of a sensor that did not end in order",
            root.display()
        );
    }
    Ok(())
}

/// Random bits that an attacker cannot know.
fn random() -> anyhow::Result<u64> {
    let mut bytes = [0u8; 8];
    let mut source = std::fs::File::open("/dev/urandom").context("cannot read /dev/urandom")?;
    std::io::Read::read_exact(&mut source, &mut bytes).context("cannot read /dev/urandom")?;
    Ok(u64::from_ne_bytes(bytes))
}
