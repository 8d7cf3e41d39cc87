//! `ringtap audio`: one call's audio out of the spool.
//!
//! The packets are read twice: first to learn which payload types they have, then to decode them.

mod meaning;
mod notes;
mod packets;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use ringtap_audio::{Recording, Sink, Stream, Streamed, Tally, Wav};
use ringtap_cdr::CallRecord;

use self::meaning::Survey;
use self::packets::Packets;
use super::in_place::{Readers, in_place};
use super::store;
use crate::cli::AudioArgs;
use crate::plant::opening;

/// A recording may be this much longer than its call: media that began before its INVITE was
/// seen, and the last packets under way.
const MARGIN_MS: u64 = 20_000;

/// Writes one call's audio.
pub(super) fn audio(args: &AudioArgs) -> anyhow::Result<()> {
    let (config, mut store) = store(&args.store)?;
    let Some(call) = store.find(&args.id)? else {
        bail!("no call has the ID or Call-ID {}: `ringtap calls` lists them", args.id);
    };
    if call.streams.is_empty() {
        bail!("the call has no RTP");
    }
    let roots = super::roots(&config, args.spool.as_deref());
    let packets = Packets::of(&roots, &call, config.realm, opening(&config));
    let survey = Survey::of(&packets, &call)?;
    if survey.packets() == 0 {
        bail!(
            "the spool {} has no RTP of this call: was it saved (savertp), and is this the right \
             folder?",
            super::shown(&roots)
        );
    }
    let Some(start_ns) = survey.start_ns else {
        bail!("no audio of this call can be heard: {}", notes::unheard(&call, &survey).join("; "));
    };
    let plan = Plan { call: &call, packets: &packets, survey: &survey, start_ns };
    let made = if args.output == Path::new("-") {
        let out = BufWriter::new(io::stdout().lock());
        let cannot = "cannot write to standard output";
        let streamed = Streamed::new(out, survey.rate()).context(cannot)?;
        let (streamed, made) = plan.record(streamed)?;
        streamed.finish().context(cannot)?;
        made
    } else {
        in_place(&args.output, Readers::Owner, |file| {
            let cannot = || format!("cannot write {}", args.output.display());
            let wav = Wav::new(BufWriter::new(file), survey.rate()).with_context(cannot)?;
            let (wav, made) = plan.record(wav)?;
            wav.finish().with_context(cannot)?;
            Ok(made)
        })?
    };
    let mut said = io::stderr().lock();
    for line in notes::made(&call, &survey, &made) {
        writeln!(said, "{line}").context("cannot print")?;
    }
    Ok(())
}

/// What a recording has become.
#[derive(Debug)]
struct Made {
    frames: u64,
    tallies: Vec<Tally>,
    /// Chunks of the spool that could not be read.
    damaged: u64,
}

/// What is recorded.
#[derive(Debug)]
struct Plan<'a> {
    call: &'a CallRecord,
    packets: &'a Packets<'a>,
    survey: &'a Survey,
    start_ns: u64,
}

impl Plan<'_> {
    fn record<S: Sink>(&self, sink: S) -> anyhow::Result<(S, Made)> {
        let limit_ms = (self.call.duration_us() / 1000).saturating_add(MARGIN_MS);
        let mut recording = Recording::new(self.survey.rate(), limit_ms, self.streams(), sink);
        let done = self.packets.each(&mut |one| {
            if one.bare {
                return Ok(());
            }
            recording.packet(&ringtap_audio::Packet {
                stream: one.stream,
                arrival_ns: one.ts_ns.saturating_sub(self.start_ns),
                sequence: one.rtp.sequence(),
                timestamp: one.rtp.timestamp(),
                marker: one.rtp.marker(),
                payload_type: one.rtp.payload_type(),
                payload: one.rtp.payload(),
            })
        })?;
        let (sink, frames, tallies) = recording.finish()?;
        if tallies.iter().all(|tally| tally.decoded == 0) {
            bail!("no audio of this call can be heard: none of its packets could be decoded");
        }
        Ok((sink, Made { frames, tallies, damaged: done.damaged }))
    }

    /// The call's streams as the recording takes them: of two that speak at once, the one with
    /// more packets is heard.
    fn streams(&self) -> Vec<Stream> {
        let received = |at: &usize| self.call.streams.get(*at).map(|stream| stream.received);
        let mut order: Vec<usize> = (0..self.survey.streams.len()).collect();
        order.sort_by_key(received);
        let ranks: BTreeMap<usize, u16> = order.into_iter().zip(1..).collect();
        let stream = |(at, types): (usize, &meaning::Types)| Stream {
            side: types.side,
            rank: ranks.get(&at).copied().unwrap_or(u16::MAX),
            types: types.codings().collect(),
        };
        self.survey.streams.iter().enumerate().map(stream).collect()
    }
}
