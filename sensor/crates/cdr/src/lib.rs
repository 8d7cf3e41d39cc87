//! Call records and their stores: what one call (or one stream without a call, or one request
//! outside of calls) left behind, how it is written as JSON, CSV and text, and where it is kept
//! and found again.
//!
//! It does not decide what a call is, scores nothing and reads no packets: the binary fills the
//! records from the call and media crates, which this crate does not know.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod clock;
pub mod column;
mod db;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod id;
pub mod json;
pub mod media;
mod mysql;
pub mod outside;
pub mod record;
mod sql;
mod sqlite;
pub mod store;
pub mod stream;
pub mod text;

pub use filter::outside::OutsideFilter;
pub use filter::{Cidr, Filter, FilterError, HeaderFilter, TunnelFilter};
pub use id::IdSource;
pub use media::marks::{self, MediaMarks};
pub use media::quality::{self, Quality};
pub use media::vq::{self, VqMetrics, VqReport};
pub use mysql::{MysqlOptions, Secret};
pub use outside::{RegisterRecord, RegisterState, TransactionRecord};
pub use record::asserted::Asserted;
pub use record::dialog::Dialog;
pub use record::{
    CallRecord, Dtmf, DtmfKind, LINES_MAX, LogLine, LoneStream, Party, Reason, Record, Side, Step,
    Tunnel,
};
pub use store::totals::Totals;
pub use store::{Store, StoreError, Written, open, open_existing};
pub use stream::{Mos, Rtcp, StreamRecord, Ttl};
