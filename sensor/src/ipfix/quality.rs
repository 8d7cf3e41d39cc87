//! Figures of a call's media as records: one for each side, found by the side's Call-ID.
//!
//! They are records like the reports of endpoints (RFC 6035): what the controller measured of RTP
//! stands under `local`, what RTCP told it under `remote`. The codec's number is not read, because
//! its meaning is not known.

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;
use ringtap_call::CallKey;
use ringtap_cdr::{VqMetrics, VqReport};
use ringtap_wire::ipfix::{Direction, Qos};

use crate::agents::clipped;

/// Hundredths: MOS goes to 5 (ITU-T P.800.1),
const MOS_MAX: u32 = 500;

/// and R of fullband speech to 148 (ITU-T G.107.2).
const R_MAX: u32 = 14_800;

/// The records of a set. A side that has no Call-ID is told under that of the other.
pub(super) fn reports(
    qos: &Qos<'_>,
    reporter: IpAddr,
    ts_ns: u64,
    realm: u32,
) -> impl Iterator<Item = VqReport> {
    let [caller, called] = qos.call_ids;
    let or = |id, other| if <[u8]>::is_empty(id) { other } else { id };
    let [here, there] = qos.realms;
    let sides = [
        ("qos_in", or(caller, called), [here, there], qos.incoming),
        ("qos_out", or(called, caller), [there, here], qos.outgoing),
    ];
    sides.into_iter().filter(|(_, id, ..)| !id.is_empty()).map(
        move |(kind, id, [local, remote], figures)| VqReport {
            id: 0,
            id_sensor: 0,
            ts_us: ts_ns / 1000,
            reporter: Some(SocketAddr::new(reporter.to_canonical(), 0)),
            call_key: CallKey::of(realm.into(), id).0,
            callid: clipped(id),
            kind: CompactString::const_new(kind),
            local_id: clipped(local),
            remote_id: clipped(remote),
            codec: CompactString::default(),
            local: measured(&figures),
            remote: told(&figures),
        },
    )
}

fn measured(figures: &Direction) -> VqMetrics {
    VqMetrics {
        loss_percent: loss(figures.rtp_packets, figures.rtp_lost),
        jitter_ms: whole(figures.rtp_jitter_ms),
        r_cq: hundredth(figures.r_factor, R_MAX),
        mos_cq: hundredth(figures.mos, MOS_MAX),
        ..VqMetrics::default()
    }
}

fn told(figures: &Direction) -> VqMetrics {
    VqMetrics {
        loss_percent: loss(figures.rtcp_packets, figures.rtcp_lost),
        jitter_ms: whole(figures.rtcp_jitter_ms),
        round_trip_ms: whole(figures.rtcp_delay_ms),
        ..VqMetrics::default()
    }
}

/// Per cent of what should have come. Without packets nothing can be said.
fn loss(packets: Option<u32>, lost: Option<u32>) -> Option<f32> {
    let (packets, lost) = (f64::from(packets?), f64::from(lost?));
    (packets > 0.0).then(|| (lost * 100.0 / (packets + lost)) as f32)
}

fn whole(figure: Option<u32>) -> Option<f32> {
    figure.map(|figure| figure as f32)
}

/// Neither MOS nor R is ever 0: that is "not measured". What is beyond its scale is no figure.
fn hundredth(figure: Option<u32>, max: u32) -> Option<f32> {
    let sound = figure.filter(|figure| (1..=max).contains(figure));
    sound.map(|figure| (f64::from(figure) / 100.0) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_its_scale_is_no_figure() {
        assert_eq!(hundredth(Some(441), MOS_MAX), Some(4.41));
        assert_eq!(hundredth(Some(9320), R_MAX), Some(93.2));
        for nothing in [None, Some(0), Some(MOS_MAX + 1), Some(u32::MAX)] {
            assert_eq!(hundredth(nothing, MOS_MAX), None);
        }
    }
}
