//! `ringtap pcap`: packets out of the spool: of one call, of all calls that filters find, or all
//! between two times. Of a call that runs, what is there.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, bail};
use ringtap_cdr::{CallRecord, Filter};
use ringtap_spool::Kind;
use ringtap_spool::read::{Asked, Exported, Format, Wanted, export_in_slices};

use super::in_place::{Readers, in_place};
use super::{configuration, decapsulate, filter, filters, live, roots, shown, store};
use crate::cli::PcapArgs;
use crate::config::Config;
use crate::plant::opening;
use crate::query;

/// SIP this long before a call's first and after its last known moment is still taken: late
/// retransmissions, and time stamps that differ between directions.
const MARGIN_NS: u64 = 5_000_000_000;

/// RTCP this long after a call's end is still taken: as long as the call stays open for it.
const LINGER_US: u64 = 500_000;

/// Writes packets, in order of time.
pub(super) fn pcap(args: &PcapArgs) -> anyhow::Result<()> {
    let given = filters(&args.filter);
    let times_only = given.iter().all(|(name, _)| matches!(*name, "since" | "until"));
    match &args.id {
        Some(_) if !given.is_empty() => bail!("name a call or give filters, not both"),
        Some(id) => of_one(args, id),
        None if given.is_empty() => bail!(
            "which packets? Name a call by its ID or Call-ID, or give --since and --until, --ip, \
             --caller or another filter of `ringtap calls`"
        ),
        None if times_only => {
            let Filter { since_us, until_us, .. } = filter(&args.filter)?;
            let from_ns = since_us.unwrap_or(0).saturating_mul(1000);
            let to_ns = until_us.map_or(u64::MAX, |us| us.saturating_mul(1000).saturating_sub(1));
            let config = configuration(&args.store.config)?;
            let done = write(args, &config, Asked::Between(from_ns, to_ns), "of that time")?;
            say(&done, "");
            Ok(())
        }
        None => of_many(args),
    }
}

/// One call's, and those of its legs.
fn of_one(args: &PcapArgs, id: &str) -> anyhow::Result<()> {
    let (config, mut store) = store(&args.store)?;
    let recorded = store.find(id)?;
    let running = recorded.is_none();
    let call = match recorded {
        Some(call) => call,
        None => live::place(&config, args.socket.as_deref(), id)?.with_context(|| {
            format!("no call has the ID or Call-ID {id}: `ringtap calls` lists them")
        })?,
    };
    let legs =
        if args.legs && !running { query::with_legs(store.as_mut(), call)? } else { vec![call] };
    let mut chunks = Vec::new();
    for one in legs.iter().flat_map(|leg| wanted(leg, config.realm)) {
        add(&mut chunks, one);
    }
    let done = write(args, &config, Asked::These(&chunks), "of this call")?;
    say(&done, if running { " so far: the call still runs" } else { "" });
    Ok(())
}

/// Those of all recorded calls that the filters find.
fn of_many(args: &PcapArgs) -> anyhow::Result<()> {
    if args.legs {
        bail!("--legs goes with one call's ID");
    }
    let (config, mut store) = store(&args.store)?;
    let filter = Filter { limit: Some(args.limit), ..filter(&args.filter)? };
    let (mut calls, mut chunks) = (0, Vec::new());
    store.calls(&filter, &mut |call| {
        calls += 1;
        chunks.extend(wanted(&call, config.realm));
        ControlFlow::Continue(())
    })?;
    if calls == 0 {
        bail!("no call passes the filters: `ringtap calls` takes the same");
    }
    let done = write(args, &config, Asked::These(&chunks), "of these calls")?;
    let most = if calls == args.limit { ", the newest; --limit takes more" } else { "" };
    say(&done, &format!(" of {calls} calls{most}"));
    Ok(())
}

fn say(done: &Exported, of: &str) {
    let Exported { packets, bytes, damaged, silent_roots, late, .. } = done;
    eprintln!("{packets} packets, {bytes} bytes{of}");
    if *damaged > 0 {
        eprintln!("{damaged} chunks are damaged or gone: their packets are missing");
    }
    if *silent_roots + *late > 0 {
        eprintln!(
            "{silent_roots} roots of the spool did not answer, {late} packets came too late: \
             there is more than this"
        );
    }
}

/// Writes what is asked for to where the command line says.
fn write(
    args: &PcapArgs,
    config: &Config,
    asked: Asked<'_>,
    whose: &str,
) -> anyhow::Result<Exported> {
    let roots = roots(config, args.spool.as_deref());
    let opening = args.decapsulate.then(|| opening(config));
    let take = |out: &mut dyn Write, format| {
        let exported = match &opening {
            Some(opening) => decapsulate::export(&roots, asked, out, format, opening)?,
            None => export_in_slices(&roots, asked, out, format)?,
        };
        if exported.packets == 0 {
            bail!(
                "the spool {} has no packets {whose}: were they saved (savesip, savertp), and is \
                 this the right folder?",
                shown(&roots)
            );
        }
        Ok(exported)
    };
    if args.output == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        let exported = take(&mut out, Format::PcapNg)?;
        out.flush().context("cannot write to standard output")?;
        return Ok(exported);
    }
    let format = match args.output.extension().and_then(|e| e.to_str()) {
        Some("pcap") => Format::Pcap,
        _ => Format::PcapNg,
    };
    in_place(&args.output, Readers::ByUmask, |file| take(file, format))
}

/// The chunks that hold the call's packets.
pub(super) fn wanted(call: &CallRecord, realm: u32) -> Vec<Wanted> {
    let from_ns = (call.calldate_us * 1000).saturating_sub(MARGIN_NS);
    let to_ns = (call.callend_us * 1000).saturating_add(MARGIN_NS);
    let mut wanted = vec![Wanted { realm, kind: Kind::Sip, key: call.call_key, from_ns, to_ns }];
    for stream in call.streams.iter().chain(&call.after) {
        // RTCP begins before a stream and goes on behind it (the goodbye follows the last packet),
        // and lies in the stream's own chunk where there is one.
        let from_us = stream.first_us.min(call.calldate_us);
        let to_us = stream.last_us.max(call.callend_us + LINGER_US);
        for (kind, from_us) in [(Kind::Rtp, stream.first_us), (Kind::Rtcp, from_us)] {
            let key = stream.spool_key;
            let (from_ns, to_ns) = (from_us * 1000, to_us * 1000 + 999);
            add(&mut wanted, Wanted { realm, kind, key, from_ns, to_ns });
        }
    }
    wanted
}

/// Adds chunks, or widens the time of those that are wanted already.
fn add(wanted: &mut Vec<Wanted>, one: Wanted) {
    match wanted.iter_mut().find(|w| w.kind == one.kind && w.key == one.key) {
        Some(same) => {
            same.from_ns = same.from_ns.min(one.from_ns);
            same.to_ns = same.to_ns.max(one.to_ns);
        }
        None => wanted.push(one),
    }
}
