//! Figures of a stream that an agent tells in JSON (types 34 and 35), as a record like the reports
//! of endpoints (RFC 6035).
//!
//! The keys are those of captagent's RTP agent, which others use too. Numbers may stand in quotes.
//! What is beyond its scale is no figure.

use std::net::{IpAddr, SocketAddr};

use compact_str::{CompactString, ToCompactString};
use ringtap_call::CallKey;
use ringtap_cdr::{VqMetrics, VqReport};
use ringtap_wire::hep::Message;
use serde_json::Value;

use super::counts::Outcome;
use crate::agents::clipped;

/// MOS goes from 1 to 5 (ITU-T P.800.1),
const MOS: (f64, f64) = (1.0, 5.0);

/// R of fullband speech to 148 (ITU-T G.107.2); 0 stands for "not measured".
const R: (f64, f64) = (0.01, 148.0);

/// Packets.
const COUNT: (f64, f64) = (0.0, u32::MAX as f64);

/// Jitter, ms: an hour of it is none.
const JITTER_MS: (f64, f64) = (0.0, 3_600_000.0);

/// Who reports, when, and in which realm its calls are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) reporter: IpAddr,
    pub(super) ts_ns: u64,
    pub(super) realm: u32,
}

/// The report in a message with this payload.
pub(super) fn report(message: &Message<'_>, json: &[u8], told: Told) -> Result<VqReport, Outcome> {
    let json: Value = serde_json::from_slice(json).map_err(|_| Outcome::Unreadable)?;
    if !json.is_object() {
        return Err(Outcome::Unreadable);
    }
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().as_bytes();
    let ids = [text("RTP_SIP_CALL_ID"), text("CORRELATION_ID")];
    let ids = ids.into_iter().chain(message.correlation);
    let call_id = ids.into_iter().find(|id| !id.is_empty()).ok_or(Outcome::NoCall)?;
    let callid = clipped(call_id);
    let local = metrics(message, &json);
    if local == VqMetrics::default() {
        return Err(Outcome::NoFigures);
    }
    let end = |ip: &str, port: &str, else_ip: Option<IpAddr>, else_port: u16| {
        let ip = text(ip);
        let port = figure(&json, &[port], (1.0, 65_535.0)).map(|port| port as u16);
        match else_ip {
            _ if !ip.is_empty() => {
                clipped(&[ip, b":", port.unwrap_or(0).to_string().as_bytes()].concat())
            }
            Some(ip) => SocketAddr::new(ip, else_port).to_compact_string(),
            None => CompactString::default(),
        }
    };
    let word = |byte: &u8| byte.is_ascii_alphanumeric().then(|| byte.to_ascii_lowercase() as char);
    let kind: CompactString = text("TYPE").iter().take(16).map_while(word).collect();
    Ok(VqReport {
        id: 0,
        id_sensor: 0,
        ts_us: told.ts_ns / 1000,
        reporter: Some(SocketAddr::new(told.reporter.to_canonical(), 0)),
        call_key: CallKey::of(told.realm.into(), call_id).0,
        callid,
        kind: if kind.is_empty() { "qos".into() } else { ["qos_", &kind].concat().into() },
        local_id: end("SRC_IP", "SRC_PORT", message.src, message.sport),
        remote_id: end("DST_IP", "DST_PORT", message.dst, message.dport),
        codec: clipped(text("CODEC_NAME")),
        local,
        remote: VqMetrics::default(),
    })
}

fn metrics(message: &Message<'_>, json: &Value) -> VqMetrics {
    let hundredths = |told: Option<u16>, (least, most): (f64, f64)| {
        let figure = f64::from(told?) / 100.0;
        (least..=most).contains(&figure).then_some(figure as f32)
    };
    VqMetrics {
        loss_percent: loss(json),
        jitter_ms: figure(json, &["MEAN_JITTER", "JITTER"], JITTER_MS).map(|ms| ms as f32),
        r_cq: figure(json, &["MEAN_RFACTOR", "RFACTOR"], R)
            .map(|r| r as f32)
            .or_else(|| hundredths(message.r_factor, R)),
        mos_cq: figure(json, &["MEAN_MOS", "MOS"], MOS)
            .map(|mos| mos as f32)
            .or_else(|| hundredths(message.mos, MOS)),
        ..VqMetrics::default()
    }
}

/// Per cent of what should have come.
fn loss(json: &Value) -> Option<f32> {
    let lost = figure(json, &["PACKET_LOSS"], COUNT)?;
    let came = figure(json, &["TOTAL_PK"], COUNT).map(|came| came + lost);
    let expected = figure(json, &["EXPECTED_PK"], COUNT).filter(|wanted| *wanted > 0.0).or(came)?;
    (expected > 0.0 && lost <= expected).then(|| (lost * 100.0 / expected) as f32)
}

/// The first of these that is a number on its scale.
fn figure(json: &Value, keys: &[&str], (least, most): (f64, f64)) -> Option<f64> {
    let number = |key: &&str| {
        let value = json.get(*key)?;
        value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    keys.iter().filter_map(number).find(|figure| (least..=most).contains(figure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told() -> Told {
        Told { reporter: [10, 0, 0, 7].into(), ts_ns: 5_000_000, realm: 3 }
    }

    #[test]
    fn a_periodic_report() {
        let json = br#"{"CORRELATION_ID":"other","RTP_SIP_CALL_ID":"a@b","JITTER":3.5,
            "MEAN_JITTER":"2.25","TOTAL_PK":99,"EXPECTED_PK":100,"PACKET_LOSS":1,"MOS":4.1,
            "MEAN_MOS":4.25,"RFACTOR":80.2,"MEAN_RFACTOR":0,"SRC_IP":"10.0.0.1","SRC_PORT":4000,
            "DST_IP":"10.0.0.2","DST_PORT":"6000","CODEC_NAME":"PCMA","TYPE":"PERIODIC"}"#;
        let report = report(&Message::default(), json, told()).unwrap();
        assert_eq!((report.callid.as_str(), report.kind.as_str()), ("a@b", "qos_periodic"));
        assert_eq!(report.call_key, CallKey::of(3, b"a@b").0);
        assert_eq!((report.local_id.as_str(), report.codec.as_str()), ("10.0.0.1:4000", "PCMA"));
        assert_eq!(report.remote_id, "10.0.0.2:6000");
        let wanted = VqMetrics {
            loss_percent: Some(1.0),
            jitter_ms: Some(2.25),
            r_cq: Some(80.2),
            mos_cq: Some(4.25),
            ..VqMetrics::default()
        };
        assert_eq!(report.local, wanted);
        assert_eq!(report.remote, VqMetrics::default());
    }

    #[test]
    fn what_is_beyond_its_scale_is_no_figure_and_chunks_stand_in() {
        let json = br#"{"MOS":45,"RFACTOR":"NaN","JITTER":-1,"PACKET_LOSS":7,"TOTAL_PK":3,
            "EXPECTED_PK":5,"TYPE":"\u0000x","SRC_IP":7}"#;
        let message = Message {
            correlation: Some(b"c"),
            mos: Some(431),
            r_factor: Some(20_000),
            src: Some([10, 0, 0, 1].into()),
            sport: 9,
            ..Message::default()
        };
        let report = report(&message, json, told()).unwrap();
        assert_eq!((report.callid.as_str(), report.kind.as_str()), ("c", "qos"));
        assert_eq!((report.local_id.as_str(), report.remote_id.as_str()), ("10.0.0.1:9", ""));
        assert_eq!(report.local, VqMetrics { mos_cq: Some(4.31), ..VqMetrics::default() });
    }

    #[test]
    fn what_names_no_call_or_tells_nothing() {
        let of = |json: &str| report(&Message::default(), json.as_bytes(), told()).unwrap_err();
        assert_eq!(of("{}"), Outcome::NoCall);
        assert_eq!(of(r#"{"CORRELATION_ID":7}"#), Outcome::NoCall);
        assert_eq!(of(r#"{"CORRELATION_ID":"c","MOS":7}"#), Outcome::NoFigures);
        for text in ["", "{", "[1]", "7"] {
            assert_eq!(of(text), Outcome::Unreadable, "{text}");
        }
    }

    proptest! {
        #[test]
        fn figures_are_on_their_scales(mos in any::<f64>(), lost in any::<i64>()) {
            let json = format!(r#"{{"MOS":{mos:e},"JITTER":{lost},"PACKET_LOSS":{lost},
                "EXPECTED_PK":{},"CORRELATION_ID":"x"}}"#, lost.wrapping_mul(3));
            if let Ok(report) = report(&Message::default(), json.as_bytes(), told()) {
                let VqMetrics { mos_cq, loss_percent, jitter_ms, .. } = report.local;
                prop_assert!(mos_cq.is_none_or(|mos| (1.0..=5.0).contains(&mos)));
                prop_assert!(loss_percent.is_none_or(|loss| (0.0..=100.0).contains(&loss)));
                prop_assert!(jitter_ms.is_none_or(|ms| ms >= 0.0));
            }
        }
    }
}
