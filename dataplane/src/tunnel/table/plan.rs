//! The table's planned ends: drains, changes of the configuration, commands.
//!
//! Owns which row gets which appointment; `drain` owns when, the session what is said.

use tokio::time::Instant;

use super::Table;
use crate::session::close::Close;
use crate::session::{ClosePlan, ProxyCause};
use crate::tunnel::drain::{Appointment, DrainPlan, Due, spread};
use crate::tunnel::registry::{Filter, Standing, Target};

impl<C> Table<C> {
    pub(in crate::tunnel) fn drain(&mut self, filter: Filter, plan: DrainPlan, now: Instant) -> usize {
        let mut keys = self.registry.matching(filter);
        self.jitter.shuffle(&mut keys);
        if let Filter::Share(percent) = filter {
            // Rounded by chance: many workers with few sessions each still end the share in all.
            let hundredths = keys.len() * usize::from(percent);
            let one_more = self.jitter.next() % 100 < (hundredths % 100) as u64;
            keys.truncate(hundredths / 100 + usize::from(one_more));
        }
        let turns = spread(&plan, keys.len(), now, &mut self.jitter);
        for (key, turn) in keys.iter().zip(turns) {
            self.appoint(*key, turn);
        }
        if plan.cause == ProxyCause::Shutdown && filter == Filter::All {
            self.shutdown = Some((plan, now));
        }
        self.call();
        keys.len()
    }

    pub(in crate::tunnel) fn retain_standing(
        &mut self,
        judge: impl Fn(&Target) -> Standing,
        now: Instant,
    ) -> usize {
        let mut gone = 0;
        for (key, standing) in self.registry.judge(judge) {
            self.cancel_turn(key);
            if standing != Standing::Stands {
                gone += 1;
                self.plan_turn(key, standing, now);
            }
        }
        self.call();
        gone
    }

    pub(in crate::tunnel) fn close(&mut self, id: u64, close: Close, now: Instant) -> bool {
        let row = self.rows.iter().find(|(_, row)| row.id == id);
        let Some(key) = row.map(|(key, _)| key) else {
            return false;
        };
        let plan = ClosePlan {
            cause: ProxyCause::Command,
            close,
            deadline: now + self.settings.close_timeout,
        };
        self.rows[key].session.close(plan, now);
        self.set_timer(key);
        self.queue(key);
        self.call();
        true
    }

    pub(in crate::tunnel) fn abort_all(&mut self, cause: ProxyCause, now: Instant) {
        let keys: Vec<usize> = self.rows.iter().map(|(key, _)| key).collect();
        for key in keys {
            let session = &mut self.rows[key].session;
            session.abort(cause);
            if let Some(outcome) = session.outcome() {
                self.end(key, outcome, now);
            }
        }
    }

    /// Gives a new row the appointments that its elders already have.
    pub(super) fn join_plans(&mut self, key: usize, now: Instant) {
        let standing = self.registry.standing(self.rows[key].member);
        if standing != Standing::Stands {
            self.plan_turn(key, standing, now);
        }
        let Some((plan, began)) = self.shutdown.clone() else {
            return;
        };
        let left = (began + plan.window).saturating_duration_since(now);
        let deadline = began + plan.deadline;
        let turn = Appointment {
            at: (now + self.jitter.within(left)).min(deadline),
            plan: ClosePlan {
                cause: plan.cause,
                close: plan.close,
                deadline,
            },
        };
        self.appoint(key, turn);
    }

    /// Asks the session to go if its time has come.
    pub(super) fn keep_appointments(&mut self, key: usize, now: Instant) {
        let row = &mut self.rows[key];
        while let Some(planned) = &mut row.planned
            && let Some(due) = planned.take_due(now)
        {
            let plan = match due {
                Due::Command(plan) => plan,
                Due::Config(plan) => {
                    self.pace.done();
                    plan
                }
            };
            row.session.close(plan, now);
        }
    }

    /// Takes a row's appointment by configuration back.
    pub(super) fn cancel_turn(&mut self, key: usize) {
        let planned = self.rows[key].planned.as_mut();
        if planned.is_some_and(|planned| planned.by_config.take().is_some()) {
            self.pace.done();
        }
    }

    fn plan_turn(&mut self, key: usize, standing: Standing, now: Instant) {
        let cause = match standing {
            Standing::EndpointGone => ProxyCause::EndpointRemoved,
            Standing::RouteGone | Standing::Stands => ProxyCause::RouteRemoved,
        };
        let at = self.pace.turn(now);
        let plan = ClosePlan {
            cause,
            close: cause.close(),
            deadline: at + self.settings.close_timeout,
        };
        let planned = self.rows[key].planned.get_or_insert_default();
        planned.by_config = Some(Appointment { at, plan });
        self.set_timer(key);
    }

    fn appoint(&mut self, key: usize, turn: Appointment) {
        self.rows[key].planned.get_or_insert_default().add(turn);
        self.set_timer(key);
    }
}
