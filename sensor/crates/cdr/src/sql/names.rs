//! Texts that many calls share (responses, user agents, reasons): a row each, and the number of
//! that row in the call.
//!
//! It remembers numbers for as long as their rows cannot vanish: not past a failed transaction.

use super::bind::{TEXT_MAX, clip};
use crate::db::{Connection, Result};
use crate::record::CallRecord;
use std::collections::HashMap;

/// Texts whose numbers are remembered; beyond it all are forgotten and asked for again.
const NAMES_MAX: usize = 20_000;

/// The numbers of a call's texts in the tables of texts.
pub(super) struct Texts {
    pub(super) response: Option<i64>,
    pub(super) sip: Option<i64>,
    pub(super) q850: Option<i64>,
    pub(super) caller_agent: Option<i64>,
    pub(super) called_agent: Option<i64>,
}

/// The numbers of texts that are in the database, as far as they are remembered.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<(Kind, Box<str>), i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Request,
    Response,
    Agent,
    ReasonSip,
    ReasonQ850,
    ContentType,
    Header,
}

impl Names {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// The numbers of a call's texts; a new text gets its row.
    pub(super) fn of(&mut self, connection: &Connection, call: &CallRecord) -> Result<Texts> {
        let mut number = |kind, text| self.number(connection, kind, text);
        Ok(Texts {
            response: number(Kind::Response, &call.last_sip_response)?,
            sip: number(Kind::ReasonSip, &call.reason_sip.text)?,
            q850: number(Kind::ReasonQ850, &call.reason_q850.text)?,
            caller_agent: number(Kind::Agent, &call.caller.agent)?,
            called_agent: number(Kind::Agent, &call.called.agent)?,
        })
    }

    /// The number of a response's status line.
    pub(super) fn response(&mut self, c: &Connection, text: &str) -> Result<Option<i64>> {
        self.number(c, Kind::Response, text)
    }

    /// The number of a request's method.
    pub(super) fn request(&mut self, c: &Connection, text: &str) -> Result<Option<i64>> {
        self.number(c, Kind::Request, text)
    }

    /// The number of a user agent.
    pub(super) fn agent(&mut self, c: &Connection, text: &str) -> Result<Option<i64>> {
        self.number(c, Kind::Agent, text)
    }

    /// The number of a reason's text, protocol SIP.
    pub(super) fn reason_sip(&mut self, c: &Connection, text: &str) -> Result<Option<i64>> {
        self.number(c, Kind::ReasonSip, text)
    }

    /// The number of a reason's text, protocol Q.850.
    pub(super) fn reason_q850(&mut self, c: &Connection, text: &str) -> Result<Option<i64>> {
        self.number(c, Kind::ReasonQ850, text)
    }

    /// The number of a body's media type.
    pub(super) fn content_type(&mut self, c: &Connection, text: &str) -> Result<Option<i64>> {
        self.number(c, Kind::ContentType, text)
    }

    /// The number of a header that the configuration names.
    pub(super) fn header(&mut self, c: &Connection, text: &str) -> Result<Option<i64>> {
        self.number(c, Kind::Header, text)
    }

    fn number(&mut self, connection: &Connection, kind: Kind, text: &str) -> Result<Option<i64>> {
        let text = clip(text, if kind == Kind::Agent { 512 } else { TEXT_MAX });
        if text.is_empty() {
            return Ok(None);
        }
        // The key is made before it is looked up: a batch has few texts, most of them short.
        let key = (kind, Box::from(text));
        if let Some(&id) = self.known.get(&key) {
            return Ok(Some(id));
        }
        let (select, insert) = match kind {
            Kind::Request => (
                "SELECT id FROM cdr_sip_request WHERE request = ?1",
                "INSERT INTO cdr_sip_request (request) VALUES (?1)",
            ),
            Kind::Response => (
                "SELECT id FROM cdr_sip_response WHERE lastSIPresponse = ?1",
                "INSERT INTO cdr_sip_response (lastSIPresponse) VALUES (?1)",
            ),
            Kind::Agent => {
                ("SELECT id FROM cdr_ua WHERE ua = ?1", "INSERT INTO cdr_ua (ua) VALUES (?1)")
            }
            Kind::ReasonSip => (
                "SELECT id FROM cdr_reason WHERE type = 1 AND reason = ?1",
                "INSERT INTO cdr_reason (type, reason) VALUES (1, ?1)",
            ),
            Kind::ReasonQ850 => (
                "SELECT id FROM cdr_reason WHERE type = 2 AND reason = ?1",
                "INSERT INTO cdr_reason (type, reason) VALUES (2, ?1)",
            ),
            Kind::ContentType => (
                "SELECT id FROM contenttype WHERE contenttype = ?1",
                "INSERT INTO contenttype (contenttype) VALUES (?1)",
            ),
            // Those that get one of the 16 columns say so.
            Kind::Header => (
                "SELECT id FROM cdr_custom_headers WHERE header_field = ?1",
                "INSERT INTO cdr_custom_headers (id, header_field, dynamic_table, dynamic_column) \
                 SELECT n, ?1, iif(n <= 16, 1, NULL), iif(n <= 16, n, NULL) \
                 FROM (SELECT coalesce(max(id), 0) + 1 AS n FROM cdr_custom_headers) AS free",
            ),
        };
        let id = connection.engine().number(select, insert, text)?;
        if self.known.len() >= NAMES_MAX {
            self.known.clear();
        }
        self.known.insert(key, id);
        Ok(Some(id))
    }
}
