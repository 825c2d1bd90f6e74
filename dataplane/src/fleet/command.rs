//! The controller's commands in the words of the workers.

use std::time::Duration;

use routetable::wire::{Command, DrainScope};
use thiserror::Error;

use crate::session::ProxyCause;
use crate::session::close::{Close, CloseCode, CloseError};
use crate::tunnel::{DrainPlan, Filter};
use crate::worker::WorkerCommand;

/// What the client reads in the Close frame of a commanded end.
const REASON: &str = "closed by an operator";

/// A command that makes sense.
#[derive(Clone, Debug)]
pub(super) enum Order {
    End { filter: Filter, plan: DrainPlan },
    Close { id: u64, close: Close },
}

impl From<Order> for WorkerCommand {
    fn from(order: Order) -> Self {
        match order {
            Order::End { filter, plan } => Self::EndSessions { filter, plan },
            Order::Close { id, close } => Self::CloseSession { id, close },
        }
    }
}

/// Why a command can't be obeyed.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum CommandError {
    /// The close code must not go on the wire.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// The end would come before it was asked for politely.
    #[error("`deadline_ms` must not be less than `window_ms`")]
    Deadline,
    /// More than all.
    #[error("a share must be between 1 and 100 per cent; got {0}")]
    Share(u8),
}

pub(super) fn understand(command: &Command) -> Result<Order, CommandError> {
    match *command {
        Command::Drain {
            scope,
            window_ms,
            deadline_ms,
            close_code,
        } => {
            if deadline_ms < window_ms {
                return Err(CommandError::Deadline);
            }
            let filter = match scope {
                DrainScope::All => Filter::All,
                DrainScope::Route(route) => Filter::Route(route),
                DrainScope::Endpoint(endpoint) => Filter::Endpoint(endpoint),
                DrainScope::Share(percent @ 1..=100) => Filter::Share(percent),
                DrainScope::Share(percent) => return Err(CommandError::Share(percent)),
            };
            let plan = DrainPlan {
                cause: ProxyCause::Command,
                close: close(close_code)?,
                window: Duration::from_millis(window_ms),
                deadline: Duration::from_millis(deadline_ms),
            };
            Ok(Order::End { filter, plan })
        }
        Command::CloseSession { session, close_code } => Ok(Order::Close {
            id: session,
            close: close(close_code)?,
        }),
    }
}

fn close(code: u16) -> Result<Close, CloseError> {
    Close::new(CloseCode::new(code)?, REASON)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(scope: DrainScope, deadline_ms: u64, close_code: u16) -> Command {
        Command::Drain {
            scope,
            window_ms: 1000,
            deadline_ms,
            close_code,
        }
    }

    #[test]
    fn a_drain_names_its_sessions_and_times() {
        let endpoint = ([10, 0, 0, 1], 80).into();
        let order = understand(&drain(DrainScope::Endpoint(endpoint), 5000, 1012));
        let Ok(Order::End { filter, plan }) = order else {
            panic!("{order:?}")
        };
        assert_eq!(filter, Filter::Endpoint(endpoint));
        assert_eq!(plan.close.code().get(), 1012);
        assert_eq!((plan.window.as_secs(), plan.deadline.as_secs()), (1, 5));
    }

    #[test]
    fn commands_that_make_no_sense_are_refused() {
        let refusal = |command| understand(&command).unwrap_err().to_string();
        assert!(refusal(drain(DrainScope::All, 5000, 1006)).contains("1006"));
        assert!(refusal(drain(DrainScope::All, 10, 1012)).contains("`deadline_ms`"));
        assert!(refusal(drain(DrainScope::Share(101), 5000, 1012)).contains("101"));
        let close = Command::CloseSession {
            session: 1,
            close_code: 999,
        };
        assert!(refusal(close).contains("999"));
    }
}
