//! RTCP that an agent has told in JSON, as a packet again: what reads RTCP then reads this too.
//!
//! The keys are those of captagent, heplify and rtpengine. Numbers may stand in quotes. Of
//! extended reports and source descriptions nothing is taken.

use serde_json::Value;

use super::counts::Outcome;

/// Report blocks of one packet (RFC 3550 §6.4.1).
const BLOCKS_MAX: usize = 31;

const SENDER: u8 = 200;
const RECEIVER: u8 = 201;

/// A number, in quotes or not, as the 32 bits that it had on the wire.
fn number(of: &Value, key: &str) -> u32 {
    let value = of.get(key);
    let number = value.and_then(Value::as_i64).or_else(|| value?.as_str()?.trim().parse().ok());
    number.unwrap_or_default() as u32
}

/// A sender or receiver report.
pub(super) fn rtcp(json: &[u8]) -> Result<Vec<u8>, Outcome> {
    let told: Value = serde_json::from_slice(json).map_err(|_| Outcome::Unreadable)?;
    let info = told.get("sender_information").filter(|info| info.is_object());
    let blocks = told.get("report_blocks").and_then(Value::as_array);
    if info.is_none() && blocks.is_none() {
        return Err(Outcome::Unreadable);
    }
    let ssrc = ["ssrc", "sdes_ssrc"].map(|key| number(&told, key));
    let ssrc = ssrc.into_iter().find(|ssrc| *ssrc != 0).unwrap_or_default();
    let is_sender = info.is_some() && number(&told, "type") != u32::from(RECEIVER);
    let mut words = vec![ssrc];
    if let Some(info) = info.filter(|_| is_sender) {
        let keys =
            ["ntp_timestamp_sec", "ntp_timestamp_usec", "rtp_timestamp", "packets", "octets"];
        words.extend(keys.map(|key| number(info, key)));
    }
    let blocks = blocks.into_iter().flatten().filter(|block| block.is_object()).take(BLOCKS_MAX);
    let mut count = 0;
    for block in blocks {
        count += 1;
        let lost = number(block, "fraction_lost") << 24;
        words.push(number(block, "source_ssrc"));
        words.push(lost | (number(block, "packets_lost") & 0x00ff_ffff));
        words.extend(["highest_seq_no", "ia_jitter", "lsr", "dlsr"].map(|key| number(block, key)));
    }
    let kind = if is_sender { SENDER } else { RECEIVER };
    // Never more than 6 + 31 * 6 words.
    let [high, low] = (words.len() as u16).to_be_bytes();
    let head = [0x80 | count, kind, high, low];
    Ok(head.into_iter().chain(words.into_iter().flat_map(u32::to_be_bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ringtap_wire::rtcp::{Compound, Packet, ReportBlock, SenderInfo};

    #[test]
    fn a_sender_report_with_numbers_and_with_texts() {
        let json = br#"{"sender_information":{"ntp_timestamp_sec":3901000000,
            "ntp_timestamp_usec":"2147483648","octets":1600,"rtp_timestamp":4294967295,
            "packets":10},"ssrc":305419896,"type":200,"report_count":1,
            "report_blocks":[{"source_ssrc":"7","fraction_lost":64,"packets_lost":-2,
            "highest_seq_no":65546,"ia_jitter":33,"lsr":5,"dlsr":6}],"sdes_information":[]}"#;
        let bytes = rtcp(json).unwrap();
        let packets: Vec<_> = Compound::new(&bytes).map(Result::unwrap).collect();
        let [Packet::Sender(report)] = &packets[..] else { panic!("{packets:?}") };
        assert_eq!(report.ssrc, 0x1234_5678);
        let ntp = 3_901_000_000 << 32 | 0x8000_0000;
        let info = SenderInfo { ntp, rtp: u32::MAX, packets: 10, octets: 1600 };
        assert_eq!(report.info, info);
        let block = ReportBlock {
            ssrc: 7,
            fraction_lost: 64,
            cumulative_lost: -2,
            highest_sequence: 65_546,
            jitter: 33,
            last_sr: 5,
            delay_since_sr: 6,
        };
        assert_eq!(report.blocks().collect::<Vec<_>>(), [block]);
    }

    #[test]
    fn a_receiver_report_and_what_is_none() {
        let bytes = rtcp(br#"{"sdes_ssrc":9,"report_blocks":[{"source_ssrc":7},3]}"#).unwrap();
        let packets: Vec<_> = Compound::new(&bytes).map(Result::unwrap).collect();
        let [Packet::Receiver(report)] = &packets[..] else { panic!("{packets:?}") };
        assert_eq!((report.ssrc, report.blocks().count()), (9, 1));
        for json in ["{}", "[1]", "{", r#"{"report_blocks":1,"sender_information":2}"#] {
            assert_eq!(rtcp(json.as_bytes()), Err(Outcome::Unreadable), "{json}");
        }
        let many = format!(r#"{{"report_blocks":[{}]}}"#, ["{}"; 99].join(","));
        let bytes = rtcp(many.as_bytes()).unwrap();
        assert_eq!(bytes.len(), 8 + 31 * 24);
        assert!(Compound::new(&bytes).all(|packet| packet.is_ok()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_report_or_none(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            if let Ok(bytes) = rtcp(&bytes) {
                prop_assert!(Compound::new(&bytes).all(|packet| packet.is_ok()));
            }
        }
    }
}
