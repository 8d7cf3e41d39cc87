//! The messages of RFC 4475 (not part of this project): each must be recorded or refused with a
//! reason. Skips, and says so, where the files are not there.

#[cfg(test)]
mod ipv6;

use std::path::PathBuf;

use crate::message::{Message, tests::exercise};
use crate::reason::Reason;

/// Messages that break a rule this reader can see, and the rule.
const FAULTS: [(&str, Reason); 23] = [
    ("badaspec", Reason::BadAddress),
    ("badbranch", Reason::BadVia),
    ("baddate", Reason::BadDate),
    ("baddn", Reason::BadAddress),
    ("badinv01", Reason::BadVia),
    ("badvers", Reason::BadVersion),
    ("bigcode", Reason::BadStatus),
    ("clerr", Reason::ContentLengthTooLarge),
    ("escruri", Reason::BadRequestUri),
    ("insuf", Reason::MissingCallId),
    ("ltgtruri", Reason::BadRequestUri),
    ("lwsruri", Reason::BadRequestUri),
    ("lwsstart", Reason::BadStartLine),
    ("mcl01", Reason::Repeated),
    ("mismatch01", Reason::MethodMismatch),
    ("mismatch02", Reason::MethodMismatch),
    ("multi01", Reason::Repeated),
    ("ncl", Reason::BadContentLength),
    ("quotbal", Reason::BadQuote),
    ("regbadct", Reason::BadAddress),
    ("scalar02", Reason::BadCSeq),
    ("scalarlg", Reason::BadCSeq),
    ("trws", Reason::BadStartLine),
];

/// Call-IDs that do not begin with their message's name.
const ODD_CALL_IDS: [(&str, &str); 1] = [("mpart01", "3d9485ad0c49859b@")];

fn folder() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let captures = std::env::var_os("RINGTAP_CAPTURES").map(PathBuf::from);
    captures.unwrap_or_else(|| root.join("../shared/captures")).join("rfc4475")
}

#[test]
fn rfc_4475() {
    let Ok(entries) = std::fs::read_dir(folder()) else {
        println!("skipped: no RFC 4475 messages at {}", folder().display());
        return;
    };
    let mut seen = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let fault = exercise(&bytes);
        let message = Message::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let known = FAULTS.iter().find(|(n, _)| *n == name).map(|(_, reason)| *reason);
        assert_eq!(fault, known, "{name}");
        match message.call_id() {
            Some(id) => {
                // Nearly all Call-IDs of the collection begin with their message's name.
                let id = String::from_utf8_lossy(id);
                let odd = ODD_CALL_IDS.iter().find(|(n, _)| *n == name).map(|(_, id)| *id);
                assert!(id.starts_with(odd.unwrap_or(&name)), "{name}: {id}");
            }
            None => assert_eq!(name, "insuf"),
        }
        let call_ids = message.header("Call-ID").count();
        assert_eq!(
            call_ids,
            usize::from(name != "insuf") + usize::from(name == "multi01"),
            "{name}"
        );
        seen += 1;
    }
    assert_eq!(seen, 49);
}
