//! The table itself: rows, what is ready to run, what is due, what ended.
//!
//! Owns the slab of rows, their epoll, the run list and the timers. Moves no bytes (`pipe`), judges
//! none (`session`) and reads no clock. Everything in a turn is bounded: a row that its budget
//! stopped gets no new event, so it waits in the run list.

mod plan;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use mio::{Events, Poll, Token};
use slab::Slab;
use tokio::time::Instant;

use super::buffer::Pool;
use super::drain::{DrainPlan, Jitter, Pace};
use super::pipe::{Ran, Tools};
use super::registry::{Filter, Registry, Standing};
use super::report::{SessionEnd, SessionInfo, Totals};
use super::row::Row;
use super::stream::Woken;
use super::timer::Timers;
use super::{Handover, TableSettings};
use crate::session::{EndedBy, Outcome, ProxyCause, Side};

/// Events taken from the epoll at once.
const EVENTS: usize = 256;
/// Rows run in one turn.
const ROWS: usize = 64;
/// Bytes after which a turn ends.
const BYTES: usize = 512 * 1024;
/// Timers fired in one turn.
const TIMERS: usize = 256;

/// The tunnels of one worker.
pub(super) struct Table<C> {
    rows: Slab<Row<C>>,
    poll: Poll,
    events: Events,
    /// What the streams among the ends have to say, and room to take it.
    woken: Arc<Woken>,
    news: Vec<usize>,
    /// Rows that have something to do.
    run: VecDeque<usize>,
    timers: Timers,
    registry: Registry,
    pool: Pool,
    jitter: Jitter,
    pace: Pace,
    /// A shutdown under way, and when it began.
    shutdown: Option<(DrainPlan, Instant)>,
    totals: Totals,
    ended: Vec<SessionEnd<C>>,
    settings: TableSettings,
    /// The driver, and whether a call changed something behind its back.
    driver: Option<Waker>,
    called: bool,
}

impl<C> Table<C> {
    pub(super) fn new(settings: TableSettings) -> io::Result<Self> {
        Ok(Self {
            rows: Slab::new(),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            woken: Arc::default(),
            news: Vec::new(),
            run: VecDeque::new(),
            timers: Timers::default(),
            registry: Registry::default(),
            pool: Pool::new(settings.free_buffers),
            jitter: Jitter::new(settings.seed),
            pace: Pace::new(settings.config_pace),
            shutdown: None,
            totals: Totals::default(),
            ended: Vec::new(),
            settings,
            driver: None,
            called: false,
        })
    }

    /// The table's epoll, for the driver to watch.
    pub(super) fn epoll(&self) -> io::Result<mio::Registry> {
        self.poll.registry().try_clone()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Memory of the buffers, lent and free, in bytes.
    pub(super) fn buffer_bytes(&self) -> usize {
        let lent: usize = self.rows.iter().map(|(_, row)| row.pipe.buffer_bytes()).sum();
        lent + self.pool.size()
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(super) fn take_ended(&mut self) -> Vec<SessionEnd<C>> {
        mem::take(&mut self.ended)
    }

    /// Whether a call changed something since the last time; the waker is for the next one.
    pub(super) fn was_called(&mut self, driver: &Waker) -> bool {
        if !self.driver.as_ref().is_some_and(|old| old.will_wake(driver)) {
            self.driver = Some(driver.clone());
        }
        mem::take(&mut self.called) | self.woken.any(driver)
    }

    /// Takes over a session; it runs with the next turn, behind the events of the present one.
    pub(super) fn adopt(&mut self, handover: Handover<C>, now: Instant) -> Standing {
        let target = handover.start.target;
        let key = self.rows.vacant_key();
        let member = self.registry.join(target, key);
        let mut row = Row::new(handover, &self.settings, member, now);
        let (registry, woken) = (self.poll.registry(), &self.woken);
        let watched = Side::BOTH.iter().try_for_each(|side| {
            let end = &mut row.pipe.peers[*side as usize].wire;
            end.watch(registry, woken, token(key, *side))
        });
        if watched.is_err() {
            row.session.abort(ProxyCause::Internal);
        }
        self.rows.insert(row);
        self.join_plans(key, now);
        self.set_timer(key);
        self.queue(key);
        self.call();
        self.registry.standing(member)
    }

    /// Runs what is ready and due. Returns whether more waits.
    pub(super) fn turn(&mut self, now: Instant) -> io::Result<bool> {
        let full = self.take_events()?;
        self.take_news();
        let due = self.fire_timers(now);
        let mut bytes = 0;
        for _ in 0..ROWS {
            let Some(key) = self.run.pop_front() else {
                break;
            };
            bytes += self.run_row(key, now);
            if bytes >= BYTES {
                break;
            }
        }
        Ok(full || due || !self.run.is_empty())
    }

    /// Marks the rows that the epoll reports; all of a batch, so that none of its events can meet
    /// a row that came later.
    fn take_events(&mut self) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        }
        let mut count = 0;
        for event in &self.events {
            count += 1;
            let Token(token) = event.token();
            let (key, side) = (token / 2, Side::BOTH[token % 2]);
            if let Some(row) = self.rows.get_mut(key) {
                row.pipe.peers[side as usize].notice(event.into());
                if !mem::replace(&mut row.queued, true) {
                    self.run.push_back(key);
                }
            }
        }
        Ok(count == EVENTS)
    }

    /// Marks the rows whose streams have something to say. A row that came later may be meant: it looks once in vain.
    fn take_news(&mut self) {
        let mut news = mem::take(&mut self.news);
        self.woken.take(&mut news);
        for token in &news {
            let (key, side) = (token / 2, token % 2);
            if let Some(row) = self.rows.get_mut(key) {
                let peer = &mut row.pipe.peers[side];
                peer.notice(peer.wire.heard());
                self.queue(key);
            }
        }
        self.news = news;
    }

    /// Lets due rows look at the clock. Returns whether more are due.
    fn fire_timers(&mut self, now: Instant) -> bool {
        for _ in 0..TIMERS {
            let Some(key) = self.timers.pop(now) else {
                return false;
            };
            self.rows[key].timer = None;
            self.keep_appointments(key, now);
            self.rows[key].session.tick(now);
            self.set_timer(key);
            self.queue(key);
        }
        true
    }

    /// Returns how many bytes were read.
    fn run_row(&mut self, key: usize, now: Instant) -> usize {
        // A row that ended while it was queued leaves its key behind.
        let Some(row) = self.rows.get_mut(key).filter(|row| row.queued) else {
            return 0;
        };
        row.queued = false;
        let before = row.traffic();
        let mut tools = Tools {
            pool: &mut self.pool,
            now,
            key: (self.jitter.next() as u32).to_ne_bytes(),
        };
        let (ran, bytes) = row.pipe.run(&mut row.session, &mut tools);
        let after = row.traffic();
        self.totals.from_client.add(before[0], after[0]);
        self.totals.from_upstream.add(before[1], after[1]);
        if let Some(outcome) = row.pipe.outcome(&mut row.session) {
            self.end(key, outcome, now);
            return bytes;
        }
        if ran == Ran::Again {
            self.queue(key);
        }
        self.set_timer(key);
        bytes
    }

    /// Takes a row out and closes its sockets, which also takes them off the epoll.
    fn end(&mut self, key: usize, outcome: Outcome, now: Instant) {
        self.cancel_turn(key);
        let mut row = self.rows.remove(key);
        self.timers.clear(key, row.timer);
        row.pipe.release(&mut self.pool);
        if row.session.is_forced() {
            row.pipe.reset();
        } else {
            row.pipe.finish();
        }
        let target = *self.registry.target(row.member);
        if let Some(moved) = self.registry.leave(row.member) {
            self.rows[moved].member.place = row.member.place;
        }
        let end = row.into_end(target, outcome, now);
        self.totals.cut_by_config += u64::from(is_cut_by_config(&end));
        self.ended.push(end);
    }

    fn queue(&mut self, key: usize) {
        if !mem::replace(&mut self.rows[key].queued, true) {
            self.run.push_back(key);
        }
    }

    fn set_timer(&mut self, key: usize) {
        let row = &mut self.rows[key];
        row.timer = self.timers.set(key, row.timer, row.next_deadline());
    }

    /// Wakes the driver.
    fn call(&mut self) {
        self.called = true;
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }

    pub(super) fn list(
        &self,
        after: Option<u64>,
        limit: usize,
        filter: Filter,
        now: Instant,
    ) -> Vec<SessionInfo> {
        let rows = self.registry.matching(filter).into_iter();
        let mut rows: Vec<&Row<C>> = rows
            .map(|key| &self.rows[key])
            .filter(|row| after.is_none_or(|after| after < row.id))
            .collect();
        if limit < rows.len() {
            rows.select_nth_unstable_by_key(limit, |row| row.id);
            rows.truncate(limit);
        }
        rows.sort_unstable_by_key(|row| row.id);
        let info = |row: &Row<C>| row.info(*self.registry.target(row.member), now);
        rows.into_iter().map(info).collect()
    }
}

fn token(key: usize, side: Side) -> Token {
    Token(key * 2 + side as usize)
}

/// Whether a change of the configuration ended a session without its polite Close. A client that was
/// told and then stayed away until the deadline is not cut: it may long be gone.
fn is_cut_by_config<C>(end: &SessionEnd<C>) -> bool {
    let by_config = matches!(end.ended_by, EndedBy::Proxy(cause) if cause.is_config());
    let told = end.codes.to_client.is_some() || end.codes.from_upstream.is_some();
    by_config && !told
}
