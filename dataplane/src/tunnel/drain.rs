//! Paced ends: who is asked to go, and when.
//!
//! Owns the appointments of rows and the pace; the table keeps them, the session carries them out.
//! Each row has at most one appointment by command and one by configuration: the earlier one counts,
//! and only the latter can be taken back.

use std::time::Duration;

use tokio::time::Instant;

use crate::session::close::Close;
use crate::session::{ClosePlan, ProxyCause};

/// A drain: polite ends spread over a window.
#[derive(Debug, Clone)]
pub struct DrainPlan {
    /// Why. [`ProxyCause::Shutdown`] also takes sessions that are handed over while it lasts.
    pub cause: ProxyCause,
    /// What clients are told.
    pub close: Close,
    /// The polite ends are spread over this time.
    pub window: Duration,
    /// What still stands after this time, counted from the start of the drain, is reset.
    pub deadline: Duration,
}

/// A time at which a session is asked to go.
#[derive(Debug)]
pub(super) struct Appointment {
    pub(super) at: Instant,
    pub(super) plan: ClosePlan,
}

/// The appointments of one row.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) by_command: Option<Appointment>,
    pub(super) by_config: Option<Appointment>,
}

impl Planned {
    /// Adds a drain's appointment. Overlapping drains: the earlier turn and the earlier deadline.
    pub(super) fn add(&mut self, mut new: Appointment) {
        if let Some(old) = self.by_command.take() {
            let deadline = old.plan.deadline.min(new.plan.deadline);
            if old.at <= new.at {
                new = old;
            }
            new.plan.deadline = deadline;
        }
        self.by_command = Some(new);
    }

    /// When the row must be looked at.
    pub(super) fn next(&self) -> Option<Instant> {
        let both = [&self.by_command, &self.by_config];
        both.into_iter().flatten().map(|one| one.at).min()
    }

    /// Takes an appointment that has come, that by command first: the session keeps the earlier
    /// deadline, and the first cause.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let due = |one: &mut Option<Appointment>| one.take_if(|one| one.at <= now);
        if let Some(one) = due(&mut self.by_command) {
            return Some(Due::Command(one.plan));
        }
        due(&mut self.by_config).map(|one| Due::Config(one.plan))
    }
}

/// An appointment that has come.
#[derive(Debug)]
pub(super) enum Due {
    Command(ClosePlan),
    Config(ClosePlan),
}

/// A sequence of numbers from a seed, for jitter, order and masks (SplitMix64). Not secret.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time from zero up to `most`.
    pub(super) fn within(&mut self, most: Duration) -> Duration {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        most.mul_f64(share)
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }
}

/// Appointments for `count` sessions: one in each equal part of the window, anywhere within it.
pub(super) fn spread(plan: &DrainPlan, count: usize, now: Instant, jitter: &mut Jitter) -> Vec<Appointment> {
    let deadline = now + plan.deadline;
    let part = plan.window / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    let turns = (0..count as u32).map(|turn| {
        let at = now + part * turn + jitter.within(part);
        Appointment {
            at: at.min(deadline),
            plan: ClosePlan {
                cause: plan.cause,
                close: plan.close.clone(),
                deadline,
            },
        }
    });
    turns.collect()
}

/// The pace at which changes of the configuration end sessions.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Option<Instant>,
    /// Rows that wait for their turn.
    waiting: usize,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: None,
            waiting: 0,
        }
    }

    /// The next free turn.
    pub(super) fn turn(&mut self, now: Instant) -> Instant {
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + self.interval);
        self.waiting += 1;
        at
    }

    /// Gives a turn back, or ends it. Turns begin anew when nobody waits.
    pub(super) fn done(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.next = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn plan(window: u32, deadline: u32) -> DrainPlan {
        DrainPlan {
            cause: ProxyCause::Shutdown,
            close: ProxyCause::Shutdown.close(),
            window: SECOND * window,
            deadline: SECOND * deadline,
        }
    }

    #[test]
    fn turns_fill_the_window_evenly() {
        let now = Instant::now();
        let turns = spread(&plan(100, 300), 50, now, &mut Jitter::new(1));
        for (index, turn) in turns.iter().enumerate() {
            let part = now + SECOND * 2 * index as u32;
            assert!(part <= turn.at && turn.at < part + SECOND * 2);
            assert_eq!(turn.plan.deadline, now + SECOND * 300);
        }
        let mut late = spread(&plan(100, 10), 50, now, &mut Jitter::new(1));
        assert_eq!(late.pop().map(|turn| turn.at), Some(now + SECOND * 10));
        assert!(spread(&plan(100, 10), 0, now, &mut Jitter::new(1)).is_empty());
    }

    #[test]
    fn of_two_drains_the_earlier_turn_and_deadline_count() {
        let now = Instant::now();
        let one = |window, deadline| spread(&plan(window, deadline), 1, now, &mut Jitter::new(3)).pop();
        let mut planned = Planned::default();
        planned.add(one(10, 300).unwrap());
        let early = planned.next();
        planned.add(one(100, 200).unwrap());
        assert_eq!(planned.next(), early);
        assert!(planned.take_due(now).is_none());
        let Some(Due::Command(due)) = planned.take_due(now + SECOND * 10) else {
            panic!("the turn has come");
        };
        assert_eq!(due.deadline, now + SECOND * 200);
        assert_eq!(planned.next(), None);
    }

    #[test]
    fn the_pace_holds_and_begins_anew() {
        let now = Instant::now();
        let mut pace = Pace::new(10);
        let turns = [(); 3].map(|()| pace.turn(now) - now);
        assert_eq!(turns, [0, 100, 200].map(Duration::from_millis));
        for _ in turns {
            pace.done();
        }
        assert_eq!(pace.turn(now), now);
    }

    #[test]
    fn jitter_stays_in_its_bounds_and_a_shuffle_loses_nothing() {
        let mut jitter = Jitter::new(42);
        assert!((0..1000).all(|_| jitter.within(SECOND) < SECOND));
        let mut items: Vec<_> = (0..100).collect();
        jitter.shuffle(&mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
