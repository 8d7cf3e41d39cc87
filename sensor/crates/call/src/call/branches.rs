//! The dialogs that one INVITE leads to: a branch for each To-tag.
//!
//! Which response means what for the call is in `invite`; here is only whose it was.

use ringtap_sip::{StartLine, Text};

use super::{Call, causes};
use crate::counters::Counters;
use crate::event::Moment;
use crate::key::token_of;
use crate::side::Reading;
use crate::summary::facts::{BRANCHES_MAX, Branch, TAG_MAX};
use crate::summary::{LONG_TEXT_MAX, Response, TEXT_MAX, clip};

impl Call {
    /// Notes a response above 100 to the INVITE on its branch. Challenges make no branch.
    pub(super) fn note_branch(
        &mut self,
        reading: &Reading<'_>,
        at: Moment,
        counters: &mut Counters,
    ) {
        if reading.to_tag == 0 || reading.status <= 100 || matches!(reading.status, 401 | 407) {
            return;
        }
        let Some(index) = self.dialog(reading.to_tag).or_else(|| self.add_branch(reading, at))
        else {
            counters.dialog_omitted += 1;
            return;
        };
        let Some(branch) = self.summary.branches.get_mut(index) else { return };
        branch.cseq = reading.cseq;
        let (old, new) = (branch.response.status, reading.status);
        let answer = (200..300).contains(&new);
        if answer {
            branch.answered.get_or_insert(at);
        } else if new == 180 {
            branch.ringing.get_or_insert(at);
        }
        if branch.user_agent.is_empty() || answer {
            let agent = reading.message.server().or_else(|| reading.message.user_agent());
            if let Some(agent) = agent {
                branch.user_agent = clip(agent, LONG_TEXT_MAX);
            }
        }
        // An answer stays the answer; nothing provisional follows a final response.
        if old != new && (old < 200 || answer) && (new >= 200 || old < 200) {
            branch.response = response(reading);
            causes(reading.message, &mut branch.reason_sip, &mut branch.reason_q850);
        }
    }

    fn add_branch(&mut self, reading: &Reading<'_>, at: Moment) -> Option<usize> {
        let branches = &mut self.summary.branches;
        if branches.len() >= BRANCHES_MAX {
            return None;
        }
        if branches.capacity() == 0 {
            branches.reserve_exact(1);
        }
        self.summary.flags.forked |= branches.iter().any(|one| one.cseq == reading.cseq);
        let (src, dst) = (reading.meta.dst, reading.meta.src);
        let asked = self.hops.iter().find(|h| h.branch == reading.branch && h.src == src);
        let asked = asked.or_else(|| self.hops.iter().find(|h| h.src == src && h.dst == dst));
        let (number, domain) = asked.map_or_else(
            || (self.summary.called.number.clone(), self.summary.called.domain.clone()),
            |hop| (hop.number.clone(), hop.domain.clone()),
        );
        let tag = reading.to.tag().unwrap_or_default();
        branches.push(Branch {
            tag: clip(Text::new(tag), TAG_MAX),
            cseq: reading.cseq,
            address: reading.meta.src,
            number,
            domain,
            user_agent: compact_str::CompactString::const_new(""),
            first: at,
            ringing: None,
            answered: None,
            ended: None,
            confirmed: false,
            response: Response { status: 0, text: compact_str::CompactString::const_new("") },
            reason_sip: None,
            reason_q850: None,
            won: false,
        });
        self.tags_of_branches.push(token_of(Some(tag)));
        Some(branches.len() - 1)
    }

    /// The branch of that To-tag.
    fn dialog(&self, tag: u64) -> Option<usize> {
        self.tags_of_branches.iter().position(|known| tag != 0 && *known == tag)
    }

    /// A BYE, or its 2xx, belongs to one branch while another one that was answered goes on: the
    /// call does.
    pub(super) fn ends_branch_only(
        &mut self,
        reading: &Reading<'_>,
        at: Moment,
        accepted: bool,
    ) -> bool {
        let tags = [reading.to_tag, reading.from_tag];
        let Some(own) = tags.into_iter().find_map(|tag| self.dialog(tag)) else { return false };
        let branches = &mut self.summary.branches;
        if let Some(branch) = branches.get_mut(own) {
            branch.ended.get_or_insert(at);
            branch.confirmed |= accepted;
        }
        let open = |b: &Branch| b.answered.is_some() && b.ended.is_none();
        branches.iter().enumerate().any(|(index, branch)| index != own && open(branch))
    }

    /// Of several branches that were answered, the one that went on for longest carried the call.
    pub(super) fn choose_branch(&mut self) {
        let summary = &mut self.summary;
        let last = |b: &Branch| b.ended.map_or(u64::MAX, |at| at.clock_ns);
        let answered = || summary.branches.iter().enumerate().filter(|(_, b)| b.answered.is_some());
        let several = answered().count() > 1;
        let winner = answered().max_by_key(|(index, b)| (last(b), std::cmp::Reverse(*index)));
        let Some(winner) = winner.map(|(index, _)| index) else { return };
        let Some(branch) = summary.branches.get_mut(winner) else { return };
        branch.won = true;
        if several && summary.connected.is_some() {
            summary.connected = branch.answered;
        }
        if summary.flags.forked && !branch.user_agent.is_empty() {
            summary.called.user_agent = branch.user_agent.clone();
        }
    }
}

fn response(reading: &Reading<'_>) -> Response {
    match reading.message.start() {
        StartLine::Response { status, phrase } => Response { status, text: clip(phrase, TEXT_MAX) },
        StartLine::Request { .. } => Response { status: 0, text: "".into() },
    }
}
