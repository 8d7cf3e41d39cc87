//! Why a text is no SIP message, or is one that breaks the rules.
//!
//! One closed list for both: the first group makes [`crate::Message::parse`] fail, the rest is
//! only ever returned by [`crate::Message::malformed`].

use core::fmt;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Nothing but white space.
    Empty,
    /// No line that could be a request or status line.
    NotSip,
    /// Larger than [`crate::message::MESSAGE_MAX`].
    TooLarge,
    /// The header block has no empty line at its end.
    Truncated,
    /// A SIP version other than 2.0.
    BadVersion,
    /// A status code that is not three digits from 100 to 699.
    BadStatus,
    /// Extra or strange white space in the start line.
    BadStartLine,
    /// A Request-URI that no URI grammar allows.
    BadRequestUri,
    /// No Call-ID.
    MissingCallId,
    /// No From.
    MissingFrom,
    /// No To.
    MissingTo,
    /// No `CSeq`.
    MissingCSeq,
    /// No Via.
    MissingVia,
    /// A header that may stand only once stands twice with different values.
    Repeated,
    /// A `CSeq` without number or method, or with a number of 2^31 or more.
    BadCSeq,
    /// The `CSeq`'s method is not the request's.
    MethodMismatch,
    /// A From, To or Contact without a readable address, or written as the grammar forbids.
    BadAddress,
    /// A quoted string that is never closed.
    BadQuote,
    /// A top Via without sent-by, with empty elements, or with an empty branch.
    BadVia,
    /// A Content-Length that is no number.
    BadContentLength,
    /// Content-Length claims more than there is.
    ContentLengthTooLarge,
    /// A line in the header block without a name.
    BadHeaderLine,
    /// A Date that is not in GMT.
    BadDate,
}

impl Reason {
    /// Number of reasons.
    pub const COUNT: usize = 23;

    /// A short constant label, fit for a metric.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotSip => "not_sip",
            Self::TooLarge => "too_large",
            Self::Truncated => "truncated",
            Self::BadVersion => "bad_version",
            Self::BadStatus => "bad_status",
            Self::BadStartLine => "bad_start_line",
            Self::BadRequestUri => "bad_request_uri",
            Self::MissingCallId => "missing_call_id",
            Self::MissingFrom => "missing_from",
            Self::MissingTo => "missing_to",
            Self::MissingCSeq => "missing_cseq",
            Self::MissingVia => "missing_via",
            Self::Repeated => "repeated",
            Self::BadCSeq => "bad_cseq",
            Self::MethodMismatch => "method_mismatch",
            Self::BadAddress => "bad_address",
            Self::BadQuote => "bad_quote",
            Self::BadVia => "bad_via",
            Self::BadContentLength => "bad_content_length",
            Self::ContentLengthTooLarge => "content_length_too_large",
            Self::BadHeaderLine => "bad_header_line",
            Self::BadDate => "bad_date",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
