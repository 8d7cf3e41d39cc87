//! SIP messages out of one direction of a connection, whatever carries them: plain SIP, or SIP
//! over WebSocket.
//!
//! Which one it is shows in the first bytes, or, where they were not seen, in the first frame
//! that carries a SIP message. Nothing but the bytes decides; ports are the caller's.

use crate::sip_frame::{self, SipFramer};
use crate::websocket::{self, Verdict, WebSocket, begins_message, find_frame, may_be_http};

/// Cuts one direction of a connection into SIP messages.
#[derive(Debug)]
pub(crate) struct Framer {
    sip: SipFramer,
    websocket: Option<Box<WebSocket>>,
    counters: websocket::Counters,
}

impl Framer {
    /// A framer. `in_step` says that the first byte begins the connection's data.
    pub(crate) fn new(in_step: bool) -> Self {
        let (websocket, counters) = (None, websocket::Counters::default());
        Self { sip: SipFramer::new(in_step), websocket, counters }
    }

    /// Takes the next bytes, the new ones of one segment, and hands out every message that they
    /// complete.
    pub(crate) fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8])) {
        let mut bytes = bytes;
        if self.websocket.is_none() {
            let Some(before) = self.recognise(bytes) else {
                if self.sip.is_in_body() && sip_frame::begins_message(bytes) {
                    // The body was shorter than its message says.
                    self.sip.restart(emit);
                }
                self.sip.push(bytes, emit);
                return;
            };
            let (garbage, frames) = bytes.split_at_checked(before).unwrap_or((bytes, &[]));
            // What stands before the first frame that is recognised is the end of another one.
            self.sip.give_up(garbage.len());
            bytes = frames;
        }
        let Some(websocket) = &mut self.websocket else { return };
        let verdict = websocket.push(bytes, emit);
        self.counters.add(&websocket.take_counters());
        if verdict == Verdict::SomethingElse {
            let held = websocket.take_held();
            self.websocket = None;
            self.sip.push(&held, emit);
        }
    }

    /// Looks whether a WebSocket begins here, and if so, after how many bytes.
    fn recognise(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.sip.is_between() && may_be_http(bytes) {
            self.websocket = Some(Box::new(WebSocket::at_its_beginning()));
            return Some(0);
        }
        let at = if self.sip.is_searching() {
            find_frame(bytes)?
        } else if self.sip.is_between() && begins_message(bytes) {
            0
        } else {
            return None;
        };
        self.websocket = Some(Box::new(WebSocket::at_a_frame()));
        Some(at)
    }

    /// Bytes are missing from here on. A message whose headers are there is handed out.
    pub(crate) fn gap(&mut self, emit: &mut impl FnMut(&[u8])) {
        match &mut self.websocket {
            Some(websocket) => {
                websocket.gap();
                self.counters.add(&websocket.take_counters());
            }
            None => self.sip.gap(emit),
        }
    }

    /// The stream begins anew. A message whose headers are there is handed out.
    pub(crate) fn restart(&mut self, emit: &mut impl FnMut(&[u8])) {
        if let Some(mut websocket) = self.websocket.take() {
            self.counters.add(&websocket.end());
        }
        self.sip.restart(emit);
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.sip.held() + self.websocket.as_ref().map_or(0, |websocket| websocket.held())
    }

    /// What has happened since the last time this was asked.
    pub(crate) fn take_counters(&mut self) -> (sip_frame::Counters, websocket::Counters) {
        (self.sip.take_counters(), std::mem::take(&mut self.counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length that promises too much.
    const GREEDY: &[u8] = b"MESSAGE sip:b@example.com SIP/2.0\r\nContent-Length: 900\r\n\r\nshort";
    const WHOLE: &[u8] =
        b"BYE sip:b@example.com SIP/2.0\r\nv: x\r\ni: 1\r\nCSeq: 1 BYE\r\nl: 0\r\n\r\n";
    const OK: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nl: 0\r\n\r\n";

    fn frame(segments: &[&[u8]]) -> (Vec<Vec<u8>>, sip_frame::Counters) {
        let (mut framer, mut messages) = (Framer::new(true), Vec::new());
        for segment in segments {
            framer.push(segment, &mut |message: &[u8]| messages.push(message.to_vec()));
        }
        (messages, framer.take_counters().0)
    }

    #[test]
    fn a_body_shorter_than_it_says_ends_where_the_next_segment_begins_a_message() {
        let (messages, counters) = frame(&[GREEDY, WHOLE, OK]);
        assert_eq!(messages, [GREEDY, WHOLE, OK]);
        assert_eq!((counters.cut, counters.garbage_bytes), (1, 0));
        // A start line alone can be a body's beginning (RFC 3420).
        let notify = b"NOTIFY sip:b@example.com SIP/2.0\r\nContent-Length: 18\r\n\r\n";
        let body = b"SIP/2.0 200 OK\r\n\r\n";
        let (messages, counters) = frame(&[notify, body, OK]);
        assert_eq!(messages, [&[&notify[..], body].concat(), OK]);
        assert_eq!(counters.cut, 0);
    }
}
