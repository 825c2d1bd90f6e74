//! When each object's status is to be looked at again.
//!
//! Keeps what is due, and slows down where the same status is written again and again: two controllers
//! that both claim an object would otherwise write without end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::world::ObjectKey;

/// Writes in a row that are not slowed down.
const FREE_WRITES: u32 = 5;
/// A pause between writes after which a row is over.
const ROW_ENDS: Duration = Duration::from_secs(30);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(300);

/// The writes of one object.
#[derive(Clone, Copy, Debug)]
struct Row {
    last: Instant,
    length: u32,
}

/// Objects by the time when they are due.
#[derive(Debug, Default)]
pub(super) struct Due {
    at: BTreeMap<ObjectKey, Instant>,
    order: BTreeSet<(Instant, ObjectKey)>,
    rows: BTreeMap<ObjectKey, Row>,
}

impl Due {
    /// Looks at the object at `at`, or earlier if that was planned.
    pub(super) fn plan(&mut self, key: &ObjectKey, at: Instant) {
        match self.at.get(key) {
            Some(known) if *known <= at => return,
            Some(known) => drop(self.order.remove(&(*known, key.clone()))),
            None => {}
        }
        self.at.insert(key.clone(), at);
        self.order.insert((at, key.clone()));
    }

    /// When the first object is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// An object that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ObjectKey> {
        let (at, key) = self.order.first()?.clone();
        if at > now {
            return None;
        }
        self.order.remove(&(at, key.clone()));
        self.at.remove(&key);
        Some(key)
    }

    /// The earliest time of the next write of this object.
    pub(super) fn may_write_at(&self, key: &ObjectKey) -> Option<Instant> {
        let row = self.rows.get(key)?;
        let beyond = row.length.checked_sub(FREE_WRITES)?;
        let pause = Duration::from_secs(1) * 2_u32.saturating_pow(beyond.min(10));
        Some(row.last + pause.min(LONGEST))
    }

    /// When the object was last written.
    pub(super) fn last_write(&self, key: &ObjectKey) -> Option<Instant> {
        self.rows.get(key).map(|row| row.last)
    }

    /// Counts a write; true when the row has just become suspiciously long.
    pub(super) fn is_written(&mut self, key: &ObjectKey, now: Instant) -> bool {
        let free_at = self.may_write_at(key);
        let row = self
            .rows
            .entry(key.clone())
            .or_insert(Row { last: now, length: 0 });
        let is_over = now > free_at.unwrap_or(row.last) + ROW_ENDS;
        row.length = if is_over { 1 } else { row.length + 1 };
        row.last = now;
        row.length == FREE_WRITES + 2
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        if let Some(at) = self.at.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
        self.rows.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Kind;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            kind: Kind::Ingress,
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_plan_counts_and_is_taken_once() {
        let mut due = Due::default();
        let now = Instant::now();
        due.plan(&key("a"), now + Duration::from_secs(9));
        due.plan(&key("b"), now + Duration::from_secs(5));
        due.plan(&key("a"), now + Duration::from_secs(1));
        due.plan(&key("a"), now + Duration::from_secs(7));
        assert_eq!(due.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(due.pop(now), None);
        assert_eq!(due.pop(now + Duration::from_secs(1)), Some(key("a")));
        assert_eq!(due.pop(now + Duration::from_secs(4)), None);
        assert_eq!(due.pop(now + Duration::from_secs(9)), Some(key("b")));
        assert_eq!(due.pop(now + Duration::from_secs(99)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fight_is_slowed_down_and_forgotten_when_it_is_over() {
        let mut due = Due::default();
        let mut now = Instant::now();
        let mut writes = 0;
        let mut suspicious = 0;
        let end = now + Duration::from_secs(600);
        while now < end {
            now = due.may_write_at(&key("a")).map_or(now, |at| at.max(now));
            suspicious += u32::from(due.is_written(&key("a"), now));
            writes += 1;
            now += Duration::from_millis(20);
        }
        assert!(writes < 20, "{writes} writes in ten minutes of a fight");
        assert_eq!(suspicious, 1);
        now += Duration::from_secs(900);
        due.is_written(&key("a"), now);
        assert_eq!(due.may_write_at(&key("a")), None);
    }
}
