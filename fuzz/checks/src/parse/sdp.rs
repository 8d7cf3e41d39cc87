//! A session description.

use ringtap_sip::Sdp;
use ringtap_sip::sdp::MEDIA_MAX;

/// Every attribute of every medium can be asked for, and lists end.
pub fn sdp(text: &[u8]) {
    if let Some(description) = Sdp::parse(text) {
        read(&description);
    }
}

pub(super) fn read(sdp: &Sdp<'_>) {
    let _ = (sdp.connection(), sdp.origin().map(|origin| origin.to_string()));
    let _ = (sdp.version(), sdp.direction());
    let mut sections = 0;
    for media in sdp.media() {
        sections += 1;
        assert_eq!(media.codecs().count(), media.codecs().count());
        for codec in media.codecs() {
            assert!(codec.payload_type < 128, "{codec:?}");
            let _ = codec.name.to_string();
        }
        assert!(media.formats().all(|format| !format.is_empty()));
        let _ = (media.is_rtp(), media.is_secure(), media.proto.to_string());
        let _ = (media.connection(), media.direction(), media.ptime_ms(), media.rtcp());
        let _ = (media.rtcp_mux(), media.ssrcs().count(), media.candidates().count());
        let _ = (media.has_crypto(), media.has_fingerprint(), media.attributes("x").count());
    }
    assert!(sections <= MEDIA_MAX);
}
