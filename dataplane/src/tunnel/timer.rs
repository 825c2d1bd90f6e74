//! The timers of a worker's tunnels.
//!
//! Owns an ordered set of (time, row). A row that only moves bytes leaves its timer alone; the
//! table looks at the row when the timer fires and sets it again, so idle rows cost nothing.

use std::collections::BTreeSet;

use tokio::time::Instant;

/// When rows want to be looked at.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Moves the timer of `row` from `set` to `wanted`. A later time may wait for the timer to
    /// fire; returns what is set now.
    pub(super) fn set(
        &mut self,
        row: usize,
        set: Option<Instant>,
        wanted: Option<Instant>,
    ) -> Option<Instant> {
        match (set, wanted) {
            (Some(set), Some(wanted)) if set <= wanted => return Some(set),
            (Some(set), None) => return Some(set),
            _ => {}
        }
        self.clear(row, set);
        if let Some(wanted) = wanted {
            self.due.insert((wanted, row));
        }
        wanted
    }

    pub(super) fn clear(&mut self, row: usize, set: Option<Instant>) {
        if let Some(set) = set {
            self.due.remove(&(set, row));
        }
    }

    /// Takes a row whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<usize> {
        let first = self.due.first()?;
        if first.0 > now {
            return None;
        }
        self.due.pop_first().map(|first| first.1)
    }

    /// The next time that a row waits for.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|first| first.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_an_earlier_time_moves_a_timer() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let set = timers.set(7, None, Some(at(10)));
        assert_eq!(timers.set(7, set, Some(at(20))), Some(at(10)));
        assert_eq!(timers.set(7, set, None), Some(at(10)));
        let set = timers.set(7, set, Some(at(5)));
        assert_eq!((set, timers.next()), (Some(at(5)), Some(at(5))));
        assert_eq!(timers.pop(at(4)), None);
        assert_eq!(timers.pop(at(5)), Some(7));
        assert_eq!(timers.pop(at(60)), None);
    }
}
