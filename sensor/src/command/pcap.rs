//! `ringtap pcap`: one call's packets out of the spool; of a call that runs, what is there.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use ringtap_cdr::CallRecord;
use ringtap_spool::Kind;
use ringtap_spool::read::{Format, Wanted, export};

use super::in_place::{Readers, in_place};
use super::{decapsulate, live, store};
use crate::cli::PcapArgs;
use crate::plant::opening;
use crate::query;

/// SIP this long before a call's first and after its last known moment is still taken: late
/// retransmissions, and time stamps that differ between directions.
const MARGIN_NS: u64 = 5_000_000_000;

/// RTCP this long after a call's end is still taken: as long as the call stays open for it.
const LINGER_US: u64 = 500_000;

/// Writes one call's packets, in order of time.
pub(super) fn pcap(args: &PcapArgs) -> anyhow::Result<()> {
    let (config, mut store) = store(&args.store)?;
    let root = args.spool.as_deref().unwrap_or(&config.spooldir);
    let recorded = store.find(&args.id)?;
    let running = recorded.is_none();
    let call = match recorded {
        Some(call) => call,
        None => live::place(&config, args.socket.as_deref(), &args.id)?.with_context(|| {
            format!("no call has the ID or Call-ID {}: `ringtap calls` lists them", args.id)
        })?,
    };
    let legs =
        if args.legs && !running { query::with_legs(store.as_mut(), call)? } else { vec![call] };
    let mut chunks = Vec::new();
    for one in legs.iter().flat_map(|leg| wanted(leg, config.realm)) {
        add(&mut chunks, one);
    }
    let opening = args.decapsulate.then(|| opening(&config));
    let take = |out: &mut dyn Write, format| {
        let exported = match &opening {
            Some(opening) => decapsulate::export(root, &chunks, out, format, opening)?,
            None => export(root, &chunks, out, format)?,
        };
        if exported.packets == 0 {
            bail!(
                "the spool {} has no packets of this call: were they saved (savesip, savertp), \
                 and is this the right folder?",
                root.display()
            );
        }
        Ok(exported)
    };
    let exported = if args.output == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        let exported = take(&mut out, Format::PcapNg)?;
        out.flush().context("cannot write to standard output")?;
        exported
    } else {
        let format = match args.output.extension().and_then(|e| e.to_str()) {
            Some("pcap") => Format::Pcap,
            _ => Format::PcapNg,
        };
        in_place(&args.output, Readers::ByUmask, |file| take(file, format))?
    };
    let so_far = if running { " so far: the call still runs" } else { "" };
    eprintln!("{} packets, {} bytes{so_far}", exported.packets, exported.bytes);
    Ok(())
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
