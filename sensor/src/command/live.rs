//! Calls that run, asked of the running sensor: listed, shown, and found in the spool.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use ringtap_cdr::{CallRecord, StreamRecord};
use serde_json::{Map, Value, json};

use super::{configuration, filter, filters, query_format};
use crate::cli::{CallArgs, CallsArgs, Format};
use crate::config::Config;
use crate::{query, status};

/// Prints the calls in progress.
pub(super) fn calls(args: &CallsArgs) -> anyhow::Result<()> {
    let config = configuration(&args.store.config)?;
    // What the sensor would refuse is refused here, in the words of the command line.
    filter(&args.filter)?;
    let mut request: Map<String, Value> = filters(&args.filter)
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    request.insert("ask".into(), "calls".into());
    request.insert("limit".into(), args.limit.to_string().into());
    let socket = args.socket.as_deref().unwrap_or(&config.status_socket);
    let answer = status::ask_for(socket, &request.into())?;
    let mut out = BufWriter::new(io::stdout().lock());
    query::live_calls(&answer, query_format(args.format), &mut out)?;
    out.flush().context("cannot print")?;
    let number = |name: &str| answer[name].as_u64().unwrap_or(0);
    if number("silent_workers") > 0 {
        eprintln!("ringtap: {} workers did not answer in time", number("silent_workers"));
    }
    if number("omitted") > 0 {
        eprintln!("ringtap: {} more calls are not listed", number("omitted"));
    }
    Ok(())
}

/// Prints the call with that Call-ID, if it runs; `false` if not.
pub(super) fn call(config: &Config, args: &CallArgs, out: &mut dyn Write) -> anyhow::Result<bool> {
    let call = running(config, args.socket.as_deref(), &args.id)?;
    if call.is_null() {
        return Ok(false);
    }
    match args.format {
        Format::Table => out.write_all(call["text"].as_str().unwrap_or_default().as_bytes()),
        format => query::live_calls(&json!({ "calls": [call] }), query_format(format), out),
    }
    .context("cannot print")?;
    Ok(true)
}

/// What of a call that runs leads to its packets in the spool; `None` if no such call runs.
pub(super) fn place(
    config: &Config,
    socket: Option<&Path>,
    callid: &str,
) -> anyhow::Result<Option<CallRecord>> {
    let call = running(config, socket, callid)?;
    if call.is_null() {
        return Ok(None);
    }
    let number = |value: &Value, name: &str| {
        value[name].as_u64().with_context(|| format!("the sensor's answer has no {name}"))
    };
    let spool = &call["spool"];
    let stream = |stream: &Value| -> anyhow::Result<StreamRecord> {
        Ok(StreamRecord {
            spool_key: number(stream, "key")?,
            first_us: number(stream, "first_us")?,
            last_us: number(stream, "last_us")?,
            ..StreamRecord::default()
        })
    };
    let streams = spool["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Some(CallRecord {
        call_key: number(spool, "call_key")?,
        calldate_us: number(spool, "calldate_us")?,
        callend_us: number(spool, "callend_us")?,
        streams: streams.iter().map(stream).collect::<anyhow::Result<_>>()?,
        ..CallRecord::default()
    }))
}

/// The running call of that Call-ID, or null: also where no sensor runs.
fn running(config: &Config, socket: Option<&Path>, callid: &str) -> anyhow::Result<Value> {
    let named = socket.is_some();
    let socket = socket.unwrap_or(&config.status_socket);
    if !named && !socket.exists() {
        return Ok(Value::Null);
    }
    let request = json!({ "ask": "call", "callid": callid });
    match status::ask_for(socket, &request) {
        Ok(mut answer) => Ok(answer["call"].take()),
        Err(error) if named => bail!(error),
        Err(error) => {
            tracing::debug!(%error, "the running sensor was not asked");
            Ok(Value::Null)
        }
    }
}
