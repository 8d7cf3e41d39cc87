//! One datagram or recording on its way to a worker: its outer packet built again, opened, and
//! counted once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringtap_assemble::recording::{Reject, recording_len};
use ringtap_capture::Link;
use ringtap_common::classify::{Class, classify};
use ringtap_common::walk::Fragment;
use ringtap_wire::flow::FlowKey;

use super::Shared;
use super::counts::{Event, Outcome};
use crate::agents::Way;
use crate::agents::packet::{self, PAYLOAD_MAX};
use crate::agents::post::Post;
use crate::agents::stream::{Broken, Taker};

/// One socket's, or one connection's, way of reading.
#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    post: Post,
    /// The port by which the kind of tunnel is known.
    port: u16,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, port: u16) -> Self {
        let post = Post::new(Arc::clone(&shared.house));
        Self { shared, post, port }
    }

    fn deliver(&mut self, bytes: &[u8], way: Way, patience: Duration) -> Result<(), Outcome> {
        if bytes.len() > PAYLOAD_MAX {
            return Err(Outcome::TooLong);
        }
        let outer = packet::flow((way.from.ip(), way.from.port()), (way.to.ip(), self.port));
        let packet = packet::build(&outer, 0, bytes);
        let inner = self.inner(&packet)?;
        let from: IpAddr = way.from.ip();
        if self.post.forward(from, &inner, packet, patience) {
            Ok(())
        } else {
            Err(Outcome::QueueFull)
        }
    }

    /// From where to where the innermost packet goes, if it may be VoIP.
    fn inner(&self, packet: &[u8]) -> Result<FlowKey, Outcome> {
        let opening = &self.shared.opening;
        let peeled = opening.read(Link::RawIp, packet).map_err(|_| Outcome::Unopened)?;
        if peeled.tunnel.is_none() {
            return Err(Outcome::Unopened);
        }
        let headers = &peeled.headers;
        let is_whole = headers.fragment == Fragment::Whole;
        let class = peeled.class.unwrap_or_else(|| classify(&packet, headers, &opening.ports));
        if is_whole && class == Class::Other {
            return Err(Outcome::NotVoip);
        }
        Ok(FlowKey::from_headers(headers))
    }
}

impl Taker for Reader {
    fn frame(&self, stream: &[u8]) -> Result<Option<usize>, Broken> {
        recording_len(stream).map_err(|why| {
            self.shared.events.note(Event::NoLength, u64::from(why == Reject::NoLength));
            Broken
        })
    }

    fn message(&mut self, bytes: &[u8], way: Way, patience: Duration, _answer: &mut Vec<u8>) {
        let outcome = self.deliver(bytes, way, patience);
        self.shared.outcomes.note(outcome.err().unwrap_or(Outcome::Delivered), 1);
    }

    fn broken(&mut self) {
        self.shared.outcomes.note(Outcome::Unopened, 1);
    }
}
