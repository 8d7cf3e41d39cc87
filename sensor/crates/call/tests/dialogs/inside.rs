//! What is sent inside of a call: holds, session timers, transfers, digits.
//!
//! Claims that descriptions make are in `media`.

use ringtap_call::{CallSummary, Side};

use crate::script::closed;

const MS: u64 = 1_000_000;
const TALK: &str = "0 A INVITE 1 sdp=4000\n1000 B 200/INVITE 1 sdp=5000\n1010 A ACK 1\n";
const END: &str = "9000 A BYE 900\n9010 B 200/BYE 900";

fn call(rest: &str) -> CallSummary {
    let mut all = closed(&format!("{TALK}{rest}\n{END}"));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn holds(rest: &str) -> Vec<(u64, Option<u64>)> {
    let ms = |at: ringtap_call::Moment| at.clock_ns / MS;
    call(rest).holds.iter().map(|(from, to)| (ms(*from), to.map(ms))).collect()
}

#[test]
fn a_hold_is_as_long_as_both_offers_say() {
    let plain = "2000 A INVITE 2 re sdp=4000 dir=sendonly
         2050 B 200/INVITE 2 sdp=5000 dir=recvonly
         2060 A ACK 2
         4000 A UPDATE 3 sdp=4000
         4050 B 200/UPDATE 3 sdp=5000";
    assert_eq!(holds(plain), [(2000, Some(4000))]);
    let old = "2000 B INVITE 1 re sdp=0.0.0.0:5000
         2050 A 200/INVITE 1 sdp=4000
         2060 B ACK 1";
    assert_eq!(holds(old), [(2000, None)]);
}

#[test]
fn a_hold_that_is_refused_is_none() {
    let refused = "2000 A INVITE 2 re sdp=4000 dir=sendonly
         2050 B 491/INVITE 2
         2051 P>A 491/INVITE 2
         2060 A ACK 2
         3000 A INVITE 3 re sdp=4000 dir=sendonly
         3500 A INVITE 3 re sdp=4000 dir=sendonly
         3550 B 200/INVITE 3 sdp=5000 dir=recvonly
         3560 A ACK 3";
    assert_eq!(holds(refused), [(3000, None)]);
    let call = call(refused);
    assert_eq!((call.counts.glares, call.reinvites), (1, 2));
}

#[test]
fn each_side_holds_for_itself() {
    let both = "2000 A INVITE 2 re sdp=4000 dir=sendonly
         2050 B 200/INVITE 2 sdp=5000 dir=recvonly
         3000 B INVITE 1 re sdp=5000 dir=inactive
         3050 A 200/INVITE 1 sdp=4000 dir=inactive
         4000 A INVITE 3 re sdp=4000
         4050 B 200/INVITE 3 sdp=5000 dir=sendonly
         5000 B INVITE 2 re sdp=5000
         5050 A 200/INVITE 2 sdp=4000
         6000 A INVITE 4 re
         6050 B 200/INVITE 4 sdp=5000 dir=sendonly
         6051 B 200/INVITE 4 sdp=5000 dir=sendonly";
    assert_eq!(holds(both), [(2000, Some(5000)), (6050, None)]);
}

#[test]
fn a_browser_that_knows_no_address_yet_does_not_hold() {
    let ice = "2000 A INVITE 2 re sdp=0.0.0.0:9
         2050 B 200/INVITE 2 sdp=5000";
    assert_eq!(holds(ice), []);
}

#[test]
fn a_codec_that_changes_is_marked() {
    let again = |pt| {
        let rest = format!(
            "2000 A INVITE 2 re sdp=4000 pt={pt}
             2050 B 200/INVITE 2 sdp=5000 pt={pt}
             2060 A ACK 2"
        );
        let call = call(&rest);
        (call.flags.codec_changed, call.codec.map(|codec| codec.payload_type))
    };
    assert_eq!(again(0), (true, Some(0)));
    assert_eq!(again(8), (false, Some(8)));
}

#[test]
fn session_timers() {
    let answer = |se: &str| format!("0 A INVITE 1\n1000 B 200/INVITE 1 {se}\n1010 A ACK 1\n");
    let one = |script: String| closed(&script).remove(0);
    let kept = one(answer("h=Session-Expires:90;refresher=uac")
        + "45000 A UPDATE 2
           45010 B 200/UPDATE 2 h=x:90;refresher=uac
           46000 B 200/UPDATE 2 h=x:90;refresher=uac
           80000 A INVITE 3 re
           80010 B 200/INVITE 3 h=Session-Expires:90
           90000 A BYE 4
           90010 B 200/BYE 4");
    let timer = kept.timer.unwrap();
    assert_eq!((timer.expires_s, timer.refresher, timer.refreshes), (90, Some(Side::Caller), 2));
    assert_eq!((timer.missed, timer.ended_call), (false, false));
    assert_eq!((kept.counts.updates, kept.reinvites), (1, 1));

    let hung_up =
        one(answer("h=Session-Expires:90;refresher=uas") + "62000 A BYE 2\n62010 B 200/BYE 2");
    let timer = hung_up.timer.unwrap();
    assert_eq!((timer.refresher, timer.refreshes), (Some(Side::Callee), 0));
    assert_eq!((timer.missed, timer.ended_call), (false, true));

    let late = one(answer("h=Session-Expires:90")
        + "200000 A UPDATE 2\n200010 B 200/UPDATE 2 h=Session-Expires:90
           201000 B BYE 1\n201010 A 200/BYE 1");
    assert!(late.timer.is_some_and(|t| t.missed && !t.ended_call && t.refreshes == 1));

    let abandoned = one(answer("h=Session-Expires:90") + "9000000 tick");
    // Silence after the answer: the last thing seen was in time.
    assert!(abandoned.timer.is_some_and(|t| !t.missed && !t.ended_call));

    let off = one(answer("h=Session-Expires:90")
        + "45000 A UPDATE 2\n45010 B 200/UPDATE 2
           500000 A BYE 3\n500010 B 200/BYE 3");
    assert!(off.timer.is_some_and(|t| !t.missed), "a refresh without the header turns it off");
    assert_eq!(one(answer("")).timer, None);
}

#[test]
fn a_blind_transfer_and_what_became_of_it() {
    let call = call(
        "2000 B REFER 5 h=Refer-To:<sip:300@c.example>
         2001 B REFER 5 h=Refer-To:<sip:300@c.example>
         2010 A 202/REFER 5
         2020 A NOTIFY 7 h=Event:refer body=message/sipfrag:SIP/2.0_100_Trying
         2030 B 200/NOTIFY 7
         4000 A NOTIFY 8 h=Event:refer;id=5 body=message/sipfrag;version=2.0:SIP/2.0_200_OK|
         4001 A NOTIFY 7 h=Event:refer body=message/sipfrag:SIP/2.0_100_Trying",
    );
    let [transfer] = &call.transfers[..] else { panic!("{:?}", call.transfers) };
    assert_eq!((transfer.by, transfer.cseq, transfer.attended), (Side::Callee, 5, false));
    assert_eq!(
        (transfer.refer_to.as_str(), transfer.number.as_str()),
        ("<sip:300@c.example>", "300")
    );
    assert_eq!((transfer.status, transfer.result), (202, 200));
    assert_eq!(transfer.at.clock_ns, 2000 * MS);
}

#[test]
fn transfers_after_consultation_and_refused_ones() {
    let call = call(
        "2000 A REFER 5 h=Refer-To:<sip:300@c?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>
         2010 B 401/REFER 5
         2020 A REFER 6 h=Refer-To:<sip:300@c?Replaces=x%40y>
         2030 B 603/REFER 6
         3000 A REFER 7 h=Refer-To:<sip:1@c>
         3001 A REFER 8 h=Refer-To:<sip:2@c>
         3002 A REFER 9 h=Refer-To:<sip:3@c>",
    );
    let all: Vec<_> = call.transfers.iter().map(|t| (t.cseq, t.attended, t.status)).collect();
    assert_eq!(all, [(5, true, 0), (6, true, 603), (7, false, 0), (8, false, 0)]);
}

#[test]
fn digits_in_info() {
    let call = call(
        "2000 A INFO 2 body=application/dtmf-relay:Signal=5|Duration=160|
         2001 P>B INFO 2 br=p1 body=application/dtmf-relay:Signal=5|Duration=160|
         2010 B 200/INFO 2
         2500 A INFO 2 body=application/dtmf-relay:Signal=5|Duration=160|
         3000 B INFO 2 body=application/dtmf:#
         3500 A INFO 3 body=text/plain:12
         4000 A INFO 4 body=text/plain:hello
         4500 A INFO 5",
    );
    let all: Vec<_> = call.digits.iter().map(|d| (d.at.clock_ns / MS, d.by, d.digit)).collect();
    let (caller, callee) = (Side::Caller, Side::Callee);
    assert_eq!(
        all,
        [(2000, caller, '5'), (3000, callee, '#'), (3500, caller, '1'), (3500, caller, '2')]
    );
    assert_eq!(call.digits[0].src.to_string(), "10.0.0.1:5060");
}

#[test]
fn digits_are_bounded() {
    let mut script = String::new();
    for n in 0..300 {
        script += &format!("{} A INFO {} body=application/dtmf:1\n", 2000 + n, n + 2);
    }
    assert_eq!(call(&script).digits.len(), 256);
}

#[test]
fn what_was_announced_is_known() {
    let call = call("");
    assert!(call.flags.audio && call.flags.event_in_request && call.flags.event_in_response);
    assert!(!call.flags.image && !call.flags.video);
}
