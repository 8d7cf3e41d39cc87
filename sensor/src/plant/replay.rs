//! Files in, records out: one reading thread, workers, the writer.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam::channel::{Receiver, Sender, bounded};
use ringtap_cdr::Store;

use super::reader::{LOADS_MAX, Load, Outcome, Passed, Reading};
use super::{Kind, SharedPorts, Stations, opening, start_writer, total};
use crate::config::Config;
use crate::ledger::Tally;
use crate::look::Look;
use crate::worker::Worker;
use crate::worker::exchange::Progress;
use crate::writer::{Show, Written};

/// What a replay has done.
#[derive(Debug)]
pub struct Replayed {
    /// User space's ledger.
    pub tally: Tally,
    /// Frames read and remarks about the files.
    pub outcome: Outcome,
    /// What the writer did.
    pub written: Written,
    /// What the spool did, if there was one.
    pub spool: Option<ringtap_spool::Counters>,
}

/// Reads `files` with `workers` workers.
pub fn replay(
    config: &Config,
    files: Vec<PathBuf>,
    workers: usize,
    store: Option<Box<dyn Store>>,
    show: Option<Box<dyn Show>>,
) -> anyhow::Result<Replayed> {
    run(config, files, workers, Ends { store, show }, None)
}

/// The same, with a look at every frame; records are shown and not stored.
pub fn explained(
    config: &Config,
    files: Vec<PathBuf>,
    workers: usize,
    show: Box<dyn Show>,
) -> anyhow::Result<Replayed> {
    let look = Box::new(Look::new(config, 0));
    run(config, files, workers, Ends { store: None, show: Some(show) }, Some(look))
}

/// Where records go.
struct Ends {
    store: Option<Box<dyn Store>>,
    show: Option<Box<dyn Show>>,
}

fn run(
    config: &Config,
    files: Vec<PathBuf>,
    workers: usize,
    Ends { store, show }: Ends,
    look: Option<Box<Look>>,
) -> anyhow::Result<Replayed> {
    let stations = Stations::build(config, &vec![1; workers], Kind::Files)?;
    let Stations { workers, progress, published, spool, records, .. } = stations;
    let (writer, counts) = start_writer(config, records, Some(Arc::clone(&progress)), store, show)?;
    let (free, empty) = bounded(LOADS_MAX);
    for _ in 0..LOADS_MAX {
        // There is room for each of them.
        let _ = free.send(Load::default());
    }
    let (threads, out) = start_workers(workers, &free, &progress)?;
    drop(free);
    let passed = Arc::new(Passed::default());
    let reading = Reading::new(
        files,
        opening(config),
        empty,
        Arc::clone(&progress),
        out,
        Arc::clone(&passed),
    )
    .looked_at(look);
    let reader = std::thread::Builder::new()
        .name("reader".into())
        .spawn(move || reading.run())
        .context("cannot start the reading thread")?;
    while !reader.is_finished() {
        show_progress(&passed);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let outcome = reader.join();
    let mut died = false;
    for thread in threads {
        died |= thread.join().is_err();
    }
    clear_progress();
    let written = writer.join();
    let spool = spool.map(ringtap_spool::SpoolHandle::seal).transpose();
    if died {
        bail!("a worker has died; the records are not complete");
    }
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the reading thread has died"))??;
    let written = written.map_err(|_| anyhow::anyhow!("the writer has died"))?;
    Ok(Replayed { tally: total(&published, &counts), outcome, written, spool: spool? })
}

type Workers = (Vec<JoinHandle<()>>, Vec<Sender<Arc<Load>>>);

fn start_workers(
    workers: Vec<Worker<SharedPorts>>,
    free: &Sender<Load>,
    progress: &Arc<Progress>,
) -> anyhow::Result<Workers> {
    let count = workers.len();
    let mut threads = Vec::with_capacity(count);
    let mut out = Vec::with_capacity(count);
    for (index, worker) in workers.into_iter().enumerate() {
        let (sender, loads) = bounded(LOADS_MAX);
        out.push(sender);
        let station = Station { worker, index, count, free: free.clone() };
        let guard = FailGuard(Arc::clone(progress));
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                station.run(&loads);
                drop(guard);
            })
            .context("cannot start a worker's thread")?;
        threads.push(thread);
    }
    Ok((threads, out))
}

/// Tells the other workers not to wait when this one dies.
pub(super) struct FailGuard(pub(super) Arc<Progress>);

impl Drop for FailGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

struct Station {
    worker: Worker<SharedPorts>,
    index: usize,
    count: usize,
    free: Sender<Load>,
}

impl Station {
    fn run(mut self, loads: &Receiver<Arc<Load>>) {
        while let Ok(load) = loads.recv() {
            let mut start = 0;
            for (number, tick) in load.ticks.iter().enumerate() {
                let end = load.ends.get(number * self.count + self.index).copied().unwrap_or(start);
                match load.shares.get(self.index) {
                    None => {
                        let frames = (start..end).filter_map(|at| load.block.get(at as usize));
                        self.worker.tick(*tick, frames);
                    }
                    Some(share) => {
                        let share = share.get(start as usize..end as usize).unwrap_or_default();
                        let frames = share.iter().filter_map(|at| load.block.get(*at as usize));
                        self.worker.tick(*tick, frames);
                    }
                }
                start = end;
            }
            self.worker.publish();
            // The last worker to finish with a load sends it back to be filled again.
            if let Some(load) = Arc::into_inner(load) {
                let _ = self.free.send(load);
            }
        }
        self.worker.finish();
    }
}

fn show_progress(passed: &Passed) {
    if std::io::stderr().is_terminal() {
        let frames = passed.frames.load(Ordering::Relaxed);
        eprint!("\r{frames} frames read");
    }
}

fn clear_progress() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
