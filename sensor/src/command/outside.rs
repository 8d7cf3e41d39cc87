//! `ringtap registers`, `messages` and `requests`: what happened outside of calls.

use std::io::{self, BufWriter, Write};

use anyhow::Context;
use ringtap_cdr::{OutsideFilter, RegisterState, Store};

use super::{now_us, query_format, store};
use crate::cli::{OutsideArgs, RegistersArgs, RequestsArgs, State};
use crate::query::{self, Format, QueryError};

/// A question to the store whose answers are printed.
type Ask = fn(&mut dyn Store, &OutsideFilter, Format, &mut dyn Write) -> Result<(), QueryError>;

/// Lists changes of registrations.
pub(super) fn registers(args: &RegistersArgs) -> anyhow::Result<()> {
    let mut filter = filter(&args.common)?;
    filter.current = args.current;
    filter.state = args.state.map(|state| match state {
        State::Registered => RegisterState::Registered,
        State::Failed => RegisterState::Failed,
        State::Expired => RegisterState::Expired,
        State::Unregistered => RegisterState::Unregistered,
    });
    list(&args.common, &filter, query::registers)
}

/// Lists MESSAGEs.
pub(super) fn messages(args: &OutsideArgs) -> anyhow::Result<()> {
    list(args, &filter(args)?, query::messages)
}

/// Lists other requests.
pub(super) fn requests(args: &RequestsArgs) -> anyhow::Result<()> {
    let mut filter = filter(&args.common)?;
    filter.method.clone_from(&args.method);
    list(&args.common, &filter, query::requests)
}

fn list(args: &OutsideArgs, filter: &OutsideFilter, ask: Ask) -> anyhow::Result<()> {
    let (_, mut store) = store(&args.store)?;
    let mut out = BufWriter::new(io::stdout().lock());
    ask(store.as_mut(), filter, query_format(args.format), &mut out)?;
    out.flush().context("cannot print")
}

fn filter(args: &OutsideArgs) -> anyhow::Result<OutsideFilter> {
    let mut filter = OutsideFilter::default();
    let now_us = now_us();
    let sensor = args.sensor.map(|n| n.to_string());
    let response = args.response.map(|n| n.to_string());
    let asked = [
        ("since", &args.since),
        ("until", &args.until),
        ("caller", &args.caller),
        ("called", &args.called),
        ("ip", &args.ip),
        ("sensor", &sensor),
        ("response", &response),
        ("agent", &args.agent),
    ];
    for (name, value) in asked {
        if let Some(value) = value {
            filter.set(name, value, now_us)?;
        }
    }
    filter.filter.limit = Some(args.limit);
    Ok(filter)
}
