//! Who calls, where headers of the network say it rather than From.
//!
//! Which of them are believed is the user's choice: by default none, since anybody can send them.

use ringtap_sip::{Header, Message, NameAddr};

/// The caller by the first of these headers that names one.
pub(crate) fn caller<'a>(
    message: &Message<'a>,
    headers: &[Option<Header>],
) -> Option<NameAddr<'a>> {
    let mut headers = headers.iter().flatten();
    headers.find_map(|header| message.addresses(*header).find(|address| names(*header, address)))
}

/// It has a number, and is not that of the called side (`party=called` in Remote-Party-ID).
fn names(header: Header, address: &NameAddr<'_>) -> bool {
    let called = || address.params().get("party").is_some_and(|party| party.is("called"));
    !address.uri.number().is_empty() && (header != Header::RemotePartyId || !called())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSERTED: Option<Header> = Some(Header::PAssertedIdentity);
    const PREFERRED: Option<Header> = Some(Header::PPreferredIdentity);
    const REMOTE: Option<Header> = Some(Header::RemotePartyId);

    #[test]
    fn the_first_header_that_names_somebody() {
        let text = "INVITE sip:b SIP/2.0\r\nFrom: <sip:from@a>\r\n\
            Remote-Party-ID: <sip:b@a>;party=called, \"R\" <sip:remote@a>;party=calling\r\n\
            P-Asserted-Identity: <sip:host.example>, <tel:+123;x=y>\r\n\r\n";
        let message = Message::parse(text.as_bytes()).unwrap();
        let number = |headers: &[Option<Header>]| {
            caller(&message, headers).map(|address| address.uri.number().to_string())
        };
        assert_eq!(number(&[None, None]), None);
        assert_eq!(number(&[PREFERRED]), None);
        assert_eq!(number(&[PREFERRED, ASSERTED, REMOTE]).unwrap(), "+123");
        assert_eq!(number(&[REMOTE, ASSERTED]).unwrap(), "remote");
    }
}
