//! What else is sent inside of a call: REFER and its NOTIFY, digits in INFO.
//!
//! It changes nothing of the call's course.

use ringtap_sip::{Header, Message, NameAddr, Text};

use super::Call;
use crate::counters::Counters;
use crate::event::{Moment, Side};
use crate::side::Reading;
use crate::summary::facts::{DIGITS_MAX, InfoDigit, TRANSFERS_MAX, Transfer};
use crate::summary::{LONG_TEXT_MAX, TEXT_MAX, clip};

impl Call {
    pub(super) fn on_refer(
        &mut self,
        reading: &Reading<'_>,
        by: Side,
        at: Moment,
        counters: &mut Counters,
    ) {
        let cseq = reading.cseq;
        let list = &mut self.summary.transfers;
        let Some(value) = reading.message.known(Header::ReferTo) else { return };
        if list.iter().any(|one| one.by == by && one.cseq == cseq) {
            return;
        }
        if list.len() >= TRANSFERS_MAX {
            counters.dialog_omitted += 1;
            return;
        }
        let to = NameAddr::parse(value);
        list.push(Transfer {
            at,
            by,
            cseq,
            refer_to: clip(Text::new(value), LONG_TEXT_MAX),
            number: clip(to.uri.number(), TEXT_MAX),
            attended: names_replaces(to.uri.as_bytes()),
            status: 0,
            result: 0,
        });
    }

    pub(super) fn on_refer_response(&mut self, reading: &Reading<'_>, side: Side) {
        let mut list = self.summary.transfers.iter_mut();
        let found = list.find(|one| one.by == side.other() && one.cseq == reading.cseq);
        // A challenge is no answer.
        if let Some(one) = found
            && reading.status >= 200
            && !matches!(reading.status, 401 | 407)
        {
            one.status = reading.status;
        }
    }

    /// A NOTIFY that tells how the call went which a REFER asked for (RFC 3515 §2.4.5).
    pub(super) fn on_notify(&mut self, reading: &Reading<'_>, side: Side) {
        let Some(status) = fragment_status(reading.message) else { return };
        let id = reading.message.known(Header::Event).and_then(event_id);
        let mine = |one: &&mut Transfer| one.by == side.other();
        let list = &mut self.summary.transfers;
        let named = list.iter().rposition(|one| one.by == side.other() && Some(one.cseq) == id);
        let found = match named {
            Some(index) => list.get_mut(index),
            None => list.iter_mut().rev().find(mine),
        };
        // What comes late does not undo the end.
        if let Some(one) = found
            && (one.result < 200 || status >= 200)
        {
            one.result = status;
        }
    }

    pub(super) fn on_info(
        &mut self,
        reading: &Reading<'_>,
        by: Side,
        at: Moment,
        counters: &mut Counters,
    ) {
        let cseq = reading.cseq;
        let list = &mut self.summary.digits;
        // Sent again, or on its next hop.
        if list.iter().any(|one| one.by == by && one.cseq == cseq) {
            return;
        }
        for digit in reading.message.dtmf() {
            if list.len() >= DIGITS_MAX {
                counters.dialog_omitted += 1;
                return;
            }
            let (src, dst) = (reading.meta.src, reading.meta.dst);
            list.push(InfoDigit { at, src, dst, by, cseq, digit: digit.digit });
        }
    }
}

/// A URI with a Replaces header in it.
fn names_replaces(uri: &[u8]) -> bool {
    let mut headers = uri.splitn(2, |byte| *byte == b'?').skip(1);
    let headers = headers.next().unwrap_or_default();
    let mut pairs = headers.split(|byte| *byte == b'&');
    pairs.any(|pair| pair.get(..9).is_some_and(|name| name.eq_ignore_ascii_case(b"replaces=")))
}

/// The status line in a `message/sipfrag` (RFC 3420).
fn fragment_status(message: &Message<'_>) -> Option<u16> {
    let text = message.parts().find_map(|part| {
        let kind = part.content_type.get(..15)?;
        kind.eq_ignore_ascii_case(b"message/sipfrag").then_some(part.content)
    })?;
    let code = text.trim_ascii_start().strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    let status: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    (100..700).contains(&status).then_some(status)
}

/// The `id` of an Event header: the number of the REFER.
fn event_id(value: &[u8]) -> Option<u32> {
    value.split(|byte| *byte == b';').skip(1).find_map(|param| {
        let (name, value) = Text::new(param).plain()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("id").then(|| value.trim().parse().ok())?
    })
}
