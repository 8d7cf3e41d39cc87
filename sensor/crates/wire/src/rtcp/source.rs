//! Source descriptions, good-byes and application packets, RFC 3550 §6.5 to §6.7.
//!
//! Texts are given as bytes: that they are UTF-8 is the sender's promise only.

use super::Reject;
use crate::read;

/// A source description: chunks of items.
#[derive(Clone, Copy, Debug)]
pub struct Sdes<'a> {
    count: u8,
    body: &'a [u8],
}

/// One item of a source description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// The source that it describes.
    pub ssrc: u32,
    /// 1 CNAME, 2 NAME, 3 EMAIL, 4 PHONE, 5 LOC, 6 TOOL, 7 NOTE, 8 PRIV.
    pub kind: u8,
    /// The text, at most 255 bytes.
    pub text: &'a [u8],
}

/// Item number of the canonical name.
pub const CNAME: u8 = 1;

impl<'a> Sdes<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Self {
        Self { count, body }
    }

    /// All items of all chunks; ends at the first that runs beyond the end.
    #[must_use]
    pub fn items(&self) -> SdesItems<'a> {
        SdesItems { chunks: self.count, body: self.body, at: 0, ssrc: None }
    }
}

/// Goes through the items of a source description.
#[derive(Clone, Debug)]
pub struct SdesItems<'a> {
    chunks: u8,
    body: &'a [u8],
    at: usize,
    ssrc: Option<u32>,
}

impl<'a> SdesItems<'a> {
    fn step(&mut self) -> Option<SdesItem<'a>> {
        loop {
            let Some(ssrc) = self.ssrc else {
                self.chunks = self.chunks.checked_sub(1)?;
                self.ssrc = Some(read::u32(self.body, self.at)?);
                self.at += 4;
                continue;
            };
            let kind = read::u8(self.body, self.at)?;
            if kind == 0 {
                // A chunk ends with one to four zero bytes, up to the next word.
                self.at = (self.at | 3) + 1;
                self.ssrc = None;
                continue;
            }
            let start = self.at + 2;
            let len = usize::from(read::u8(self.body, self.at + 1)?);
            let text = self.body.get(start..start + len)?;
            self.at = start + len;
            return Some(SdesItem { ssrc, kind, text });
        }
    }
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        if item.is_none() {
            (self.chunks, self.ssrc, self.body) = (0, None, &[]);
        }
        item
    }
}

/// A good-bye.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    sources: &'a [u8],
    /// Why, if it says so.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, Reject> {
        let (sources, rest) = body.split_at_checked(usize::from(count) * 4).ok_or(Reject::Body)?;
        let reason = rest.split_first().and_then(|(&len, text)| text.get(..usize::from(len)));
        Ok(Self { sources, reason })
    }

    /// The sources that leave.
    pub fn sources(&self) -> impl Iterator<Item = u32> + 'a {
        self.sources.chunks_exact(4).filter_map(|word| read::u32(word, 0))
    }
}

/// An application's own packet.
#[derive(Clone, Copy, Debug)]
pub struct App<'a> {
    /// The application's five-bit number.
    pub subtype: u8,
    /// Who sends.
    pub ssrc: u32,
    /// Four characters that name the application.
    pub name: [u8; 4],
    /// What follows.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn parse(subtype: u8, body: &'a [u8]) -> Result<Self, Reject> {
        Ok(Self {
            subtype,
            ssrc: read::u32(body, 0).ok_or(Reject::Body)?,
            name: read::bytes(body, 4).ok_or(Reject::Body)?,
            data: body.get(8..).ok_or(Reject::Body)?,
        })
    }
}
