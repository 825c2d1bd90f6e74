//! The session core of a WebSocket between two peers: bytes and time in, bytes and an end out.
//!
//! Owns the frame-accurate view of both directions, the idle and duration limits and the closing
//! state machine. Has no sockets, no clock and no buffers: a driver ([`crate::tunnel`] between
//! sockets) moves the bytes and asks here what may go on, what to say in between and when to stop.
//! Spec: RFC 6455 sections 5 and 7.
//!
//! A driver's loop for each direction, in this order: write what may go on; then
//! [`Session::take_close`]; then [`Session::received`] with bytes not yet seen; then
//! [`Session::fin_due`]; then read. After a round: [`Session::outcome`].
//!
//! A planned end goes: asked ([`Session::close`]) → a Close to each peer at its next message
//! boundary (any frame boundary once half of the time is gone) → the peers' Closes are awaited while
//! nothing is forwarded any more → FIN → over; at the deadline what still stands is reset.

pub mod close;
mod closing;
mod direction;
pub mod frame;
pub mod policy;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use closing::Closing;
use direction::{Direction, Told};
use frame::Stop;

pub use direction::Progress;
pub use policy::{ClosePlan, EndedBy, Limits, Outcome, ProxyCause, Side};

/// One WebSocket between a client and an endpoint.
#[derive(Debug)]
pub struct Session {
    from_client: Direction,
    from_upstream: Direction,
    closing: Option<Box<Closing>>,
    idle: Option<Duration>,
    ends_at: Option<Instant>,
    close_timeout: Duration,
    /// When bytes last moved.
    touched: Instant,
    ended_by: Option<EndedBy>,
    outcome: Option<Outcome>,
    /// A peer is gone, though what it sent may not all be read.
    lost: bool,
    /// What still stands must be reset.
    forced: bool,
}

impl Session {
    /// A session whose handshake ended at `now`. `extensions`: some were negotiated.
    pub fn new(limits: Limits, extensions: bool, now: Instant) -> Self {
        Self {
            from_client: Direction::new(Side::Client, extensions),
            from_upstream: Direction::new(Side::Upstream, extensions),
            closing: None,
            idle: limits.idle,
            ends_at: limits.max_duration.map(|duration| now + duration),
            close_timeout: limits.close_timeout,
            touched: now,
            ended_by: None,
            outcome: None,
            lost: false,
            forced: false,
        }
    }

    // === What happened ===

    /// Takes bytes that `from` sent. The first [`Progress::forward`] of them go on to the other
    /// peer; a Close of ours may be due behind them, before the bytes that are not yet consumed.
    pub fn received(&mut self, from: Side, bytes: &[u8], now: Instant) -> Progress {
        self.touched = now;
        if self.forced {
            return Progress {
                forward: 0,
                consumed: bytes.len(),
            };
        }
        let stop = match &self.closing {
            None => Stop::Never,
            Some(closing) if closing.any_frame => Stop::Frame,
            Some(_) => Stop::Message,
        };
        let direction = self.direction_mut(from);
        let (progress, judged) = direction.received(bytes, stop);
        if let Err(violation) = judged {
            self.violated(from, violation, now);
        } else if self.ended_by.is_none() && self.direction(from).closed() {
            self.ended_by = Some(from.into());
        }
        progress
    }

    /// Notes that bytes went out to a peer that had stopped reading.
    pub fn progressed(&mut self, now: Instant) {
        self.touched = now;
    }

    /// Takes the end of the stream of `from`.
    pub fn finished(&mut self, from: Side) {
        self.direction_mut(from).ended = true;
        self.ended_by.get_or_insert(from.into());
        if self.closing.is_some() {
            self.direction_mut(from).give_up_if_cut();
        }
    }

    /// Takes a reset by `from`.
    pub fn reset(&mut self, from: Side) {
        self.finished(from);
        let both_told = Side::BOTH
            .iter()
            .all(|side| self.direction(*side).told != Told::Nothing);
        if both_told || self.direction(from).told == Told::PeerClose {
            // Its Close, or ours, said all there is to say: as good as the end of its stream. A backend of HTTP/2 that
            // has closed resets the other half. Nothing more can be told to it.
            self.direction_mut(from.other()).fin_sent = true;
        } else {
            self.force(Outcome::Reset);
        }
    }

    /// Notes that `from` is gone, while what it sent before may still wait to be read. If the other
    /// peer does not take that, it is waited for no longer than for a Close.
    pub fn lost(&mut self, from: Side) {
        self.lost = true;
        self.ended_by.get_or_insert(from.into());
    }

    // === What to do ===

    /// Whether the sending half towards `to` must be shut down, once everything that goes there is
    /// written. The driver answers with [`Session::fin_sent`].
    pub fn fin_due(&self, to: Side) -> bool {
        let direction = self.direction(to.other());
        if direction.fin_sent || self.forced {
            return false;
        }
        let offender = self.closing.as_ref().and_then(|closing| closing.offender);
        match direction.told {
            Told::Nothing => direction.ended && self.closing.is_none(),
            Told::PeerClose => direction.ended || (self.closing.is_some() && self.direction(to).settled()),
            Told::OurClose => offender == Some(to) || self.direction(to).settled(),
            Told::Fin => true,
        }
    }

    /// Notes that the sending half towards `to` was shut down.
    pub fn fin_sent(&mut self, to: Side) {
        self.direction_mut(to.other()).fin_sent = true;
    }

    /// How the session ended, once it has. The driver still writes what it holds, unless the end
    /// [is forced](Self::is_forced).
    pub fn outcome(&mut self) -> Option<Outcome> {
        if self.outcome.is_none() {
            self.outcome = self.natural_outcome();
        }
        self.outcome
    }

    /// When [`Session::tick`] must be called next. Moving bytes only ever move it away, so a driver
    /// may leave its timer alone and ask again when it fires, unless an end has begun.
    pub fn next_deadline(&self) -> Option<Instant> {
        if let Some(closing) = &self.closing {
            return Some(closing.next_deadline());
        }
        let idle = self.idle_end().map(|end| end.0);
        [idle, self.ends_at].into_iter().flatten().min()
    }

    /// Whether both sockets must be reset rather than closed.
    pub fn is_forced(&self) -> bool {
        self.forced
    }

    // === What there is to know ===

    /// Whether the end has begun, from whichever side.
    pub fn is_ending(&self) -> bool {
        self.closing.is_some() || self.ended_by.is_some()
    }

    /// Who began the end.
    pub fn ended_by(&self) -> Option<EndedBy> {
        self.ended_by
    }

    /// Whether the stream of `from` has ended.
    pub fn source_ended(&self, from: Side) -> bool {
        self.direction(from).ended
    }

    /// Bytes of `from` that were forwarded.
    pub fn bytes(&self, from: Side) -> u64 {
        self.direction(from).bytes()
    }

    /// Whole messages of `from`.
    pub fn messages(&self, from: Side) -> u64 {
        self.direction(from).messages()
    }

    /// The code of the Close that `from` sent; 1005 when it had none.
    pub fn close_code(&self, from: Side) -> Option<u16> {
        self.direction(from).close_code()
    }

    /// The code of our own Close to `to`, once it was said.
    pub fn sent_code(&self, to: Side) -> Option<u16> {
        self.sent(to).map(|close| close.code().get())
    }

    /// When bytes last moved.
    pub fn touched(&self) -> Instant {
        self.touched
    }

    // === Inside ===

    fn direction(&self, from: Side) -> &Direction {
        match from {
            Side::Client => &self.from_client,
            Side::Upstream => &self.from_upstream,
        }
    }

    fn direction_mut(&mut self, from: Side) -> &mut Direction {
        match from {
            Side::Client => &mut self.from_client,
            Side::Upstream => &mut self.from_upstream,
        }
    }

    /// When silence ends the session, and why. Once a peer has closed or is lost, silence may last no
    /// longer than the close timeout, so that no session outlives a peer that is gone.
    fn idle_end(&self) -> Option<(Instant, ProxyCause)> {
        let told = |side| self.direction(side).told == Told::PeerClose;
        let closing = self.lost || told(Side::Client) || told(Side::Upstream);
        let idle = (self.idle.map(|idle| self.touched + idle)).map(|at| (at, ProxyCause::IdleTimeout));
        let close = closing.then(|| (self.touched + self.close_timeout, ProxyCause::CloseTimeout));
        [idle, close].into_iter().flatten().min_by_key(|end| end.0)
    }

    fn natural_outcome(&self) -> Option<Outcome> {
        let each = |test: fn(&Direction) -> bool| test(&self.from_client) && test(&self.from_upstream);
        let shut = each(|d| d.ended && d.fin_sent);
        let settled = each(|d| d.told != Told::Nothing && d.settled());
        // The backend closes its socket first, and so keeps TIME_WAIT off our ports.
        let in_turn = self.closing.is_some() || self.from_upstream.ended;
        let polite = each(|d| matches!(d.told, Told::PeerClose | Told::OurClose));
        (shut || (settled && in_turn)).then(|| {
            self.named(if polite {
                Outcome::Closed
            } else {
                Outcome::Finished
            })
        })
    }

    /// Ends the session by force.
    fn force(&mut self, outcome: Outcome) {
        let outcome = self.named(outcome);
        self.outcome.get_or_insert(outcome);
        self.forced = true;
    }

    fn named(&self, outcome: Outcome) -> Outcome {
        match self.closing.as_ref().and_then(|closing| closing.offender) {
            Some(side) => Outcome::ProtocolError { side },
            None => outcome,
        }
    }
}
