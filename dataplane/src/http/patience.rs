//! How long a client may take: for a head, for the pause before it, and to read what it asked for.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::io::Turn;
use crate::local::Limits;

/// One connection's clock. It is set back when it rings, not at every turn.
#[derive(Debug)]
pub struct Patience {
    head: Duration,
    pause: Duration,
    write: Duration,
    clock: Pin<Box<Sleep>>,
}

impl Patience {
    /// For a client that has just connected.
    pub fn new(limits: &Limits) -> Self {
        Self {
            head: limits.header_timeout,
            pause: limits.keepalive_timeout,
            write: limits.write_timeout,
            clock: Box::pin(sleep_until(Instant::now() + limits.header_timeout)),
        }
    }

    /// Ready when the client has had its time. To be called at every change of turn.
    pub fn poll(&mut self, turn: Turn, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = match turn {
            Turn::Head(since) => since + self.head,
            Turn::Pause(since) => since + self.pause,
            Turn::Unread(since) => since + self.write,
            Turn::Answer => return Poll::Pending,
        };
        if deadline < self.clock.deadline() {
            self.clock.as_mut().reset(deadline);
        }
        ready!(self.clock.as_mut().poll(cx));
        if self.clock.deadline() >= deadline {
            return Poll::Ready(());
        }
        self.clock.as_mut().reset(deadline);
        self.clock.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_turn_has_its_own_time() {
        let limits = Limits {
            header_timeout: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            ..Limits::default()
        };
        let start = Instant::now();
        let mut patience = Patience::new(&limits);
        let answering = poll_fn(|cx| patience.poll(Turn::Answer, cx));
        let waited = tokio::time::timeout(Duration::from_secs(100), answering).await;
        assert!(waited.is_err(), "our own turn has no limit here");
        let since = Instant::now();
        poll_fn(|cx| patience.poll(Turn::Pause(since), cx)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(175));
        let since = Instant::now();
        poll_fn(|cx| patience.poll(Turn::Head(since), cx)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(190));
        let since = Instant::now();
        poll_fn(|cx| patience.poll(Turn::Unread(since), cx)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(250));
    }
}
