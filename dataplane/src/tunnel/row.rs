//! One row of the table: a pipe, its session, and what the table knows of it.
//!
//! Owns a tunnel's state from the hand-over to its report; decides nothing.

use tokio::time::Instant;

use super::drain::Planned;
use super::pipe::{Peer, Pipe};
use super::registry::{Member, Target};
use super::report::{CloseCodes, SessionEnd, SessionInfo, Traffic};
use super::{Handover, TableSettings};
use crate::session::{EndedBy, Limits, Outcome, ProxyCause, Session, Side};

/// A tunnel.
pub(super) struct Row<C> {
    pub(super) pipe: Pipe,
    pub(super) session: Session,
    started: Instant,
    /// When its timer is set.
    pub(super) timer: Option<Instant>,
    pub(super) planned: Option<Box<Planned>>,
    pub(super) id: u64,
    pub(super) member: Member,
    /// It is in the run list.
    pub(super) queued: bool,
    context: C,
}

impl<C> Row<C> {
    /// The row of a hand-over, whose leftover bytes are copied and let go.
    pub(super) fn new(handover: Handover<C>, settings: &TableSettings, member: Member, now: Instant) -> Self {
        let start = handover.start;
        let limits = Limits {
            idle: start.idle,
            max_duration: start.max_duration,
            close_timeout: settings.close_timeout,
        };
        let peers = [handover.client, handover.backend].map(Peer::new);
        let early = [&handover.client_bytes[..], &handover.backend_bytes[..]];
        Self {
            pipe: Pipe::new(peers, early),
            session: Session::new(limits, start.extensions, now),
            started: now,
            timer: None,
            planned: None,
            id: start.id,
            member,
            queued: false,
            context: start.context,
        }
    }

    /// When the row must be looked at.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let planned = self.planned.as_deref().and_then(Planned::next);
        let session = self.session.next_deadline();
        [planned, session].into_iter().flatten().min()
    }

    pub(super) fn traffic(&self) -> [Traffic; 2] {
        Side::BOTH.map(|side| Traffic::of(&self.session, side))
    }

    pub(super) fn info(&self, target: Target, now: Instant) -> SessionInfo {
        SessionInfo::of(self.id, target, &self.session, self.started, now)
    }

    pub(super) fn into_end(self, target: Target, outcome: Outcome, now: Instant) -> SessionEnd<C> {
        let [from_client, from_upstream] = self.traffic();
        let unnamed = EndedBy::Proxy(ProxyCause::Internal);
        SessionEnd {
            id: self.id,
            target,
            duration: now.saturating_duration_since(self.started),
            from_client,
            from_upstream,
            codes: CloseCodes::of(&self.session),
            ended_by: self.session.ended_by().unwrap_or(unnamed),
            outcome,
            context: self.context,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stays_small() {
        // With a timer, an index entry and the allocator's part it stays within 600 bytes.
        assert!(size_of::<Row<()>>() <= 400, "{}", size_of::<Row<()>>());
    }
}
