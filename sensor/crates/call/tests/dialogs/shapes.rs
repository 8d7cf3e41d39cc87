//! Usual call shapes as scripts, and the record each must give.
//!
//! The odd ones are in `odd`.

use crate::script::play;

pub(crate) fn check(script: &str, want: &[&str]) {
    assert_eq!(play(script), want, "{script}");
}

#[test]
fn answered_and_hung_up_by_the_caller() {
    check(
        "0 A INVITE 1 sdp=4000
         20 B 100/INVITE 1
         300 B 180/INVITE 1
         1000 B 200/INVITE 1 sdp=5000
         1010 A ACK 1
         4000 A BYE 2
         4030 B 200/BYE 2
         9000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "1000 claim Callee 10.0.0.2:5000",
            "4530 close bye=3 response=200 hung=Caller pdd=300 connected=1000 duration=4030 \
             talk=3000",
        ],
    );
}

#[test]
fn hung_up_by_the_callee() {
    check(
        "0 A INVITE 1 sdp=4000
         1000 B 200/INVITE 1 sdp=5000
         1010 A ACK 1
         4000 B BYE 1 h=Reason:Q.850;cause=16;text=\"Normal\"
         4001 A 200/BYE 1
         9000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "1000 claim Callee 10.0.0.2:5000",
            "4501 close bye=3 response=200 hung=Callee pdd=1000 connected=1000 duration=4001 \
             talk=3000",
        ],
    );
}

#[test]
fn busy() {
    check(
        "0 A INVITE 1 sdp=4000
         20 B 100/INVITE 1
         40 B 486/INVITE 1
         50 A ACK 1 br=INVITE1a1
         9000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "550 close bye=0 response=486 hung=- pdd=- connected=- duration=50 talk=-",
        ],
    );
}

#[test]
fn busy_and_the_ack_is_lost() {
    check(
        "0 A INVITE 1
         40 B 486/INVITE 1
         540 B 486/INVITE 1
         1540 B 486/INVITE 1
         9000 tick",
        &["5040 close bye=0 response=486 hung=- pdd=- connected=- duration=1540 talk=-"],
    );
}

#[test]
fn cancelled() {
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         5000 A CANCEL 1 br=INVITE1a1
         5010 B 200/CANCEL 1
         5020 B 487/INVITE 1
         5030 A ACK 1 br=INVITE1a1
         9000 tick",
        &["5530 close bye=0 response=487 hung=Caller pdd=100 connected=- duration=5030 talk=- \
             cancelled"],
    );
}

#[test]
fn cancel_that_comes_too_late() {
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         5000 A CANCEL 1 br=INVITE1a1
         5001 B 200/INVITE 1
         5010 B 200/CANCEL 1
         5020 A ACK 1
         5030 A BYE 2
         5040 B 200/BYE 2
         9000 tick",
        &["5540 close bye=3 response=200 hung=Caller pdd=100 connected=5001 duration=5040 \
             talk=29 cancelled"],
    );
}

#[test]
fn cancelled_without_a_final_response() {
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         5000 A CANCEL 1
         60000 tick",
        &["15000 close bye=0 response=180 hung=Caller pdd=100 connected=- duration=5000 talk=- \
             cancelled"],
    );
}

#[test]
fn nobody_answers_at_all() {
    check(
        "0 A INVITE 1
         500 A INVITE 1
         1500 A INVITE 1
         3500 A INVITE 1
         60000 tick",
        &["18500 close bye=105 response=0 hung=- pdd=- connected=- duration=3500 talk=- again=3"],
    );
}

#[test]
fn rings_until_it_is_given_up() {
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         30000 B 480/INVITE 1
         30010 A ACK 1 br=INVITE1a1
         60000 tick",
        &["30510 close bye=0 response=480 hung=- pdd=100 connected=- duration=30010 talk=-"],
    );
}

#[test]
fn only_trying_is_a_zombie() {
    check(
        "0 A INVITE 1
         10 B 100/INVITE 1
         400000 tick",
        &["300000 close bye=107 response=100 hung=- pdd=- connected=- duration=10 talk=-"],
    );
}

#[test]
fn authentication_is_one_call() {
    check(
        "0 A INVITE 1 sdp=4000
         10 B 407/INVITE 1
         20 A ACK 1 br=INVITE1a1
         30 A INVITE 2 sdp=4000 h=Proxy-Authorization:Digest_username=\"u\",realm=\"r\"
         40 B 100/INVITE 2
         200 B 180/INVITE 2
         1000 B 200/INVITE 2 sdp=5000
         1010 A ACK 2
         2000 A BYE 3
         2010 B 407/BYE 3
         2020 A BYE 4
         2030 B 200/BYE 4
         9000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "1000 claim Callee 10.0.0.2:5000",
            "2530 close bye=3 response=200 hung=Caller pdd=200 connected=1000 duration=2030 \
             talk=1000 challenged",
        ],
    );
}

#[test]
fn challenge_that_is_never_met() {
    check(
        "0 A INVITE 1
         10 B 401/INVITE 1
         20 A ACK 1 br=INVITE1a1
         90000 tick",
        &["60010 close bye=0 response=401 hung=- pdd=- connected=- duration=20 talk=- challenged"],
    );
}

#[test]
fn early_media_then_refusal() {
    check(
        "0 A INVITE 1 sdp=4000
         50 B 183/INVITE 1 sdp=5000
         9000 B 404/INVITE 1
         9001 A ACK 1 br=INVITE1a1
         20000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "50 claim Callee 10.0.0.2:5000",
            "9501 close bye=0 response=404 hung=- pdd=50 connected=- duration=9001 talk=- \
             early_media",
        ],
    );
}

#[test]
fn hold_and_a_new_port() {
    check(
        "0 A INVITE 1 sdp=4000
         1000 B 200/INVITE 1 sdp=5000
         1010 A ACK 1
         2000 A INVITE 2 re sdp=0.0.0.0:4000 dir=inactive
         2010 B 200/INVITE 2 sdp=5000 dir=inactive
         2020 A ACK 2
         3000 A INVITE 3 re sdp=4000
         3010 B 200/INVITE 3 sdp=5002
         3020 A ACK 3
         4000 B INVITE 1 re sdp=5004
         4010 A 200/INVITE 1 sdp=4004
         4020 B ACK 1
         5000 A BYE 4
         5010 B 200/BYE 4
         9000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "1000 claim Callee 10.0.0.2:5000",
            "3010 claim Callee 10.0.0.2:5002",
            "4000 claim Callee 10.0.0.2:5004",
            "4010 claim Caller 10.0.0.1:4004",
            "5510 close bye=3 response=200 hung=Caller pdd=1000 connected=1000 duration=5010 \
             talk=4000 holds=1",
        ],
    );
}

#[test]
fn glare_changes_nothing() {
    check(
        "0 A INVITE 1
         1000 B 200/INVITE 1
         1010 A ACK 1
         2000 A INVITE 2 re
         2000 B INVITE 1 re
         2010 B 491/INVITE 2
         2010 A 491/INVITE 1
         2020 A ACK 2
         2020 B ACK 1
         3000 A BYE 3
         3000 B BYE 2
         3010 B 200/BYE 3
         3010 A 200/BYE 2
         9000 tick",
        &["3510 close bye=3 response=200 hung=Caller pdd=1000 connected=1000 duration=3010 \
             talk=2000 both_hung_up"],
    );
}

#[test]
fn update_and_prack_and_late_offers_claim() {
    check(
        "0 A INVITE 1
         50 B 183/INVITE 1 sdp=5000
         60 A PRACK 2 sdp=4000
         70 B 200/PRACK 2
         80 A UPDATE 3 sdp=4002
         90 B 200/UPDATE 3 sdp=5002
         1000 B 200/INVITE 1
         1010 A ACK 1 sdp=4004
         2000 A BYE 4
         2010 B 200/BYE 4
         9000 tick",
        &[
            "50 claim Callee 10.0.0.2:5000",
            "60 claim Caller 10.0.0.1:4000",
            "80 claim Caller 10.0.0.1:4002",
            "90 claim Callee 10.0.0.2:5002",
            "1010 claim Caller 10.0.0.1:4004",
            "2510 close bye=3 response=200 hung=Caller pdd=50 connected=1000 duration=2010 \
             talk=1000 early_media",
        ],
    );
}

#[test]
fn retransmissions_belong_to_the_call() {
    check(
        "0 A INVITE 1 sdp=4000
         500 A INVITE 1 sdp=4000
         1000 B 200/INVITE 1 sdp=5000
         1500 B 200/INVITE 1 sdp=5000
         1510 A ACK 1
         3000 A BYE 2
         3500 A BYE 2
         3510 B 200/BYE 2
         3600 B 200/BYE 2
         9000 B 200/BYE 2
         9001 B 200/INVITE 1 sdp=5000
         9002 A INVITE 1 sdp=4000",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "1000 claim Callee 10.0.0.2:5000",
            "4010 close bye=3 response=200 hung=Caller pdd=1000 connected=1000 duration=3510 \
             talk=2000 again=1",
        ],
    );
}

#[test]
fn bye_that_is_never_confirmed() {
    check(
        "0 A INVITE 1
         1000 B 200/INVITE 1
         1010 A ACK 1
         3000 A BYE 2
         3500 A BYE 2
         60000 tick",
        &["35500 close bye=2 response=200 hung=Caller pdd=1000 connected=1000 duration=3500 \
             talk=2000"],
    );
}
