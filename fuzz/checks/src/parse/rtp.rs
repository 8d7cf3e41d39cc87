//! An RTP packet.

use ringtap_wire::rtp::View;

/// Every part lies in the packet, and the parts add up to it.
pub fn rtp(datagram: &[u8]) {
    let Ok(view) = View::parse(datagram) else { return };
    let payload = view.payload_range();
    assert!(payload.start <= payload.end && payload.end <= datagram.len());
    assert_eq!(view.payload(), &datagram[payload.clone()]);
    assert_eq!(view.csrcs().count(), usize::from(view.csrc_count()));
    let extension = view.extension().map_or(0, |(_, data)| 4 + data.len());
    assert_eq!(payload.start, 12 + 4 * usize::from(view.csrc_count()) + extension);
    assert_eq!(payload.end + usize::from(view.padding().unwrap_or(0)), datagram.len());
    assert!(view.payload_type() < 128);
    let _ = (view.marker(), view.sequence(), view.timestamp(), view.ssrc());
}
