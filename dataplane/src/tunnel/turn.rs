//! The driver: runs a table's turns inside the worker's runtime.
//!
//! Owns the watch on the table's epoll and the runtime's timer for it; never touches a row.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep, sleep_until};

use super::TunnelTable;

/// Where the timer stands while no row waits for a time.
const FAR: Duration = Duration::from_secs(24 * 3600);

/// Runs turns for ever, and yields to the other tasks of the worker after each.
pub(super) async fn run<C>(table: &TunnelTable<C>) -> io::Result<Infallible> {
    let epoll = watch(table.shared.table.borrow().epoll()?)?;
    let mut timer = pin!(sleep_until(Instant::now() + FAR));
    loop {
        let more = table.shared.table.borrow_mut().turn(Instant::now())?;
        table.report();
        if more {
            tokio::task::yield_now().await;
        } else {
            set(timer.as_mut(), table.shared.table.borrow().next_deadline());
            poll_fn(|cx| wait(table, &epoll, timer.as_mut(), cx)).await?;
        }
    }
}

/// The constructor that replaces this one is unsafe: it asks for a descriptor that stays open and
/// the same. Ours is one of our own, a duplicate that `epoll` closes when it is dropped.
#[allow(deprecated)]
fn watch(epoll: mio::Registry) -> io::Result<AsyncFd<mio::Registry>> {
    AsyncFd::with_interest(epoll, Interest::READABLE)
}

/// Sets the runtime's timer for the next time that a row waits for. A later time may wait for it
/// to fire: that costs a turn now and then, moving it would cost something in each.
fn set(mut timer: Pin<&mut Sleep>, next: Option<Instant>) {
    let next = match next {
        Some(next) => next,
        None if timer.is_elapsed() => Instant::now() + FAR,
        None => return,
    };
    if next < timer.deadline() || timer.is_elapsed() {
        timer.as_mut().reset(next);
    }
}

/// Waits for an event of a row, a time that a row waits for, or a call to the table.
fn wait<C>(
    table: &TunnelTable<C>,
    epoll: &AsyncFd<mio::Registry>,
    mut timer: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut table = table.shared.table.borrow_mut();
    if table.was_called(cx.waker()) {
        return Poll::Ready(Ok(()));
    }
    if timer.as_mut().poll(cx).is_ready() {
        return Poll::Ready(Ok(()));
    }
    epoll.poll_read_ready(cx).map_ok(|mut ready| {
        // Before the turn, which empties the epoll: what comes later makes a new edge.
        ready.clear_ready();
    })
}
