//! The planned end of a session: what is said to whom, when, and how long it may take.
//!
//! Owns the closing state machine; never sees payload.
//! Spec: RFC 6455 sections 5.5.1 and 7.1.

use tokio::time::Instant;

use super::Session;
use super::close::{Close, CloseCode, ControlFrame};
use super::direction::Told;
use super::frame::Violation;
use super::policy::{ClosePlan, EndedBy, Outcome, ProxyCause, Side};

/// A planned end under way.
#[derive(Debug)]
pub(super) struct Closing {
    cause: ProxyCause,
    to_client: Close,
    to_upstream: Close,
    /// From here on a Close may also go between the fragments of a message.
    any_frame_at: Instant,
    pub(super) any_frame: bool,
    deadline: Instant,
    pub(super) offender: Option<Side>,
}

impl Closing {
    /// When the session must look at the clock again.
    pub(super) fn next_deadline(&self) -> Instant {
        if self.any_frame {
            self.deadline
        } else {
            self.deadline.min(self.any_frame_at)
        }
    }
}

impl Session {
    /// Plans the end. A second plan can only bring the deadline forward.
    pub fn close(&mut self, plan: ClosePlan, now: Instant) {
        if let Some(closing) = &mut self.closing {
            closing.deadline = closing.deadline.min(plan.deadline);
            return;
        }
        let time = plan.deadline.saturating_duration_since(now);
        self.closing = Some(Box::new(Closing {
            cause: plan.cause,
            to_upstream: plan.close.with_code(CloseCode::GOING_AWAY),
            to_client: plan.close,
            any_frame_at: now + time / 2,
            any_frame: false,
            deadline: plan.deadline,
            offender: None,
        }));
        self.from_client.give_up_if_cut();
        self.from_upstream.give_up_if_cut();
    }

    /// Ends the session at once; the driver resets both sockets.
    pub fn abort(&mut self, cause: ProxyCause) {
        self.ended_by.get_or_insert(EndedBy::Proxy(cause));
        self.force(match self.closing {
            Some(_) => Outcome::DeadlineForced,
            None => Outcome::Reset,
        });
    }

    /// Lets time pass: to be called at [`Session::next_deadline`], or later.
    pub fn tick(&mut self, now: Instant) {
        if let Some(closing) = &mut self.closing {
            closing.any_frame |= closing.any_frame_at <= now;
            if closing.deadline <= now {
                let cause = closing.cause;
                self.ended_by.get_or_insert(EndedBy::Proxy(cause));
                self.force(Outcome::DeadlineForced);
            }
        } else if self.ends_at.is_some_and(|end| end <= now) {
            self.close_for(ProxyCause::MaxDuration, now);
        } else if self.idle_end().is_some_and(|(end, _)| end <= now) {
            let cause = self.idle_end().map_or(ProxyCause::IdleTimeout, |end| end.1);
            if self.from_client.closed() && self.from_upstream.closed() {
                self.outcome = Some(Outcome::Closed);
            } else if self.lost {
                self.force(Outcome::Reset);
            } else {
                self.close_for(cause, now);
            }
        }
    }

    /// The Close that must go to `to` now, behind everything forwarded to it so far. `key` masks it
    /// when `to` is the backend. It need not be secret: nobody but us chooses the payload.
    pub fn take_close(&mut self, to: Side, key: [u8; 4], now: Instant) -> Option<ControlFrame> {
        let closing = self.closing.as_deref()?;
        let direction = self.direction(to.other());
        if self.forced || !direction.may_inject(closing.any_frame) {
            return None;
        }
        let frame = match to {
            Side::Client => closing.to_client.encode(None),
            Side::Upstream => closing.to_upstream.encode(Some(key)),
        };
        let cause = closing.cause;
        self.ended_by.get_or_insert(EndedBy::Proxy(cause));
        let frame = self.direction_mut(to.other()).inject(frame);
        self.limit_wait(now);
        Some(frame)
    }

    /// Our Close to `to`, once it was said.
    pub(super) fn sent(&self, to: Side) -> Option<&Close> {
        let closing = self.closing.as_deref()?;
        let said = self.direction(to.other()).told == Told::OurClose;
        said.then_some(match to {
            Side::Client => &closing.to_client,
            Side::Upstream => &closing.to_upstream,
        })
    }

    fn close_for(&mut self, cause: ProxyCause, now: Instant) {
        let plan = ClosePlan {
            cause,
            close: cause.close(),
            deadline: now + self.close_timeout,
        };
        self.close(plan, now);
    }

    /// Once both peers are told, the wait for their Closes is short.
    fn limit_wait(&mut self, now: Instant) {
        let both_told = Side::BOTH
            .iter()
            .all(|side| self.direction(*side).told != Told::Nothing);
        let latest = now + self.close_timeout;
        if let Some(closing) = &mut self.closing
            && both_told
        {
            closing.any_frame = true;
            closing.deadline = closing.deadline.min(latest);
        }
    }

    /// Fails the WebSocket (section 7.1.7): 1002 to the offender, 1001 to the other peer.
    pub(super) fn violated(&mut self, from: Side, violation: Violation, now: Instant) {
        let cause = ProxyCause::Protocol(violation);
        let to_offender = cause.close();
        let to_other = Close::of(CloseCode::GOING_AWAY, "the other peer broke the protocol");
        let (to_client, to_upstream) = match from {
            Side::Client => (to_offender, to_other),
            Side::Upstream => (to_other, to_offender),
        };
        let latest = now + self.close_timeout;
        let (said_to_client, said_to_upstream) = (
            self.sent(Side::Client).cloned(),
            self.sent(Side::Upstream).cloned(),
        );
        let deadline = (self.closing.as_ref()).map_or(latest, |old| old.deadline.min(latest));
        self.closing = Some(Box::new(Closing {
            cause,
            to_client: said_to_client.unwrap_or(to_client),
            to_upstream: said_to_upstream.unwrap_or(to_upstream),
            any_frame_at: now,
            any_frame: true,
            deadline,
            offender: Some(from),
        }));
        self.ended_by.get_or_insert(EndedBy::Proxy(cause));
        self.direction_mut(from).give_up_if_cut();
    }
}
