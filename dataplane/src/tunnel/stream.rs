//! A peer of a tunnel that is one stream of a connection with many, such as HTTP/2: it has no socket of
//! its own, tasks of the runtime move its bytes.
//!
//! Owns the way from those tasks back to the row ([`Woken`]), and what reading and writing alone don't
//! tell: whether the peer has reset the stream, and that we do ([`Reins`]). Holds no bytes itself.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::wire::Taken;

/// Most that is given to the stream's task at once. It keeps up to three of these for a peer that does
/// not read.
const PART: usize = 16 * 1024;

/// Both directions of a stream.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A stream as a peer of a tunnel. Dropped, it ends our side, unless the row resets it before.
pub struct Stream {
    io: Box<dyn Duplex>,
    reins: Rc<Reins>,
    row: Option<Arc<RowWaker>>,
    waker: Waker,
    /// Its end was read. Whether that was an end or a reset, only `reins` know.
    ended: bool,
}

impl Stream {
    /// A stream whose writing is driven by [`Reins::drive`] of the same `reins`.
    pub fn new(io: impl Duplex + 'static, reins: Rc<Reins>) -> Self {
        Self {
            io: Box::new(io),
            reins,
            row: None,
            waker: Waker::noop().clone(),
            ended: false,
        }
    }

    /// From here on the row hears when there is something to read or room to write.
    pub(super) fn attach(&mut self, woken: &Arc<Woken>, token: usize) {
        let row = Arc::new(RowWaker {
            token,
            woken: Arc::clone(woken),
            queued: AtomicBool::new(false),
        });
        self.waker = Waker::from(Arc::clone(&row));
        self.row = Some(row);
        self.reins.row.replace(Some(self.waker.clone()));
    }

    /// The row has heard, and wants to hear of the next time.
    pub(super) fn heard(&self) {
        if let Some(row) = &self.row {
            row.queued.store(false, Ordering::Release);
        }
    }

    /// The peer has reset the stream, or its connection is gone.
    pub(super) fn is_reset(&self) -> bool {
        self.reins.ended.get() && !self.reins.finished.get()
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<Taken> {
        if !self.ended {
            let mut cx = Context::from_waker(&self.waker);
            let mut room = ReadBuf::new(room);
            match Pin::new(&mut *self.io).poll_read(&mut cx, &mut room) {
                Poll::Pending => return Err(ErrorKind::WouldBlock.into()),
                Poll::Ready(read) => read?,
            }
            let len = room.filled().len();
            if len > 0 {
                return Ok(Taken { len, drained: false });
            }
            self.ended = true;
        }
        self.end()
    }

    /// What the end that was read is. A reset by which the peer only says that it needs no more reads like
    /// an end; the writing task finds the difference, if it is asked before it has looked.
    fn end(&self) -> io::Result<Taken> {
        if self.is_reset() {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if !self.reins.finished.get() && self.reins.asked.get() != Asked::Answered {
            self.reins.asked.set(Asked::Waits);
            self.reins.wake_task();
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Taken {
            len: 0,
            drained: true,
        })
    }

    /// Writes until the stream takes no more for now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        let mut written = 0;
        while written < bytes.len() {
            let part = &bytes[written..bytes.len().min(written + PART)];
            match Pin::new(&mut *self.io).poll_write(&mut cx, part) {
                Poll::Ready(Ok(0)) => return Err(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(len)) => written += len,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending if written == 0 => return Err(ErrorKind::WouldBlock.into()),
                Poll::Pending => break,
            }
        }
        Ok(written)
    }

    /// Ends our side once all that was written has gone.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.reins.finished.set(true);
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut *self.io).poll_shutdown(&mut cx) {
            Poll::Ready(done) => done,
            Poll::Pending => Ok(()),
        }
    }

    /// Resets the stream; what was written and has not gone is lost.
    pub(super) fn reset(&self) {
        self.reins.aborted.set(true);
        self.reins.wake_task();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reins.row.take();
        self.reins.released.set(true);
        self.reins.wake_task();
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    No,
    Waits,
    /// The task has looked since: no reset has come.
    Answered,
}

/// What a stream's row and the task that writes it tell each other.
#[derive(Debug, Default)]
pub struct Reins {
    /// The task is over: all is written, or the stream is reset.
    ended: Cell<bool>,
    /// We have ended our side.
    finished: Cell<bool>,
    /// We reset the stream.
    aborted: Cell<bool>,
    /// The row is gone.
    released: Cell<bool>,
    asked: Cell<Asked>,
    row: RefCell<Option<Waker>>,
    task: RefCell<Option<Waker>>,
}

impl Reins {
    /// Runs the task that writes the stream, to its end or to that of the row's patience: dropped unfinished,
    /// `writing` must reset the stream. What the row leaves behind may take `patience`.
    pub async fn drive(&self, writing: impl Future<Output = ()>, patience: Duration) {
        let mut writing = pin!(writing);
        let mut late = None;
        poll_fn(|cx| {
            if self.aborted.get() {
                return Poll::Ready(());
            }
            if writing.as_mut().poll(cx).is_ready() {
                self.ended.set(true);
                self.wake_row();
                return Poll::Ready(());
            }
            let mut task = self.task.borrow_mut();
            if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                *task = Some(cx.waker().clone());
            }
            if self.asked.get() == Asked::Waits {
                self.asked.set(Asked::Answered);
                self.wake_row();
            }
            if !self.released.get() {
                return Poll::Pending;
            }
            let late = late.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
            late.as_mut().poll(cx)
        })
        .await;
    }

    fn wake_row(&self) {
        if let Some(row) = &*self.row.borrow() {
            row.wake_by_ref();
        }
    }

    fn wake_task(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }
}

/// Rows whose streams have something to say. The lock is never waited for: all who take it are tasks of
/// one worker; wakers only must be able to change threads.
#[derive(Debug, Default)]
pub(super) struct Woken {
    tokens: Mutex<Vec<usize>>,
    driver: AtomicWaker,
}

impl Woken {
    /// Takes what was said so far.
    pub(super) fn take(&self, into: &mut Vec<usize>) {
        into.clear();
        mem::swap(
            into,
            &mut *self.tokens.lock().unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Whether somebody has something to say; the driver is woken when that changes.
    pub(super) fn any(&self, driver: &Waker) -> bool {
        self.driver.register(driver);
        !self
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

#[derive(Debug)]
struct RowWaker {
    token: usize,
    woken: Arc<Woken>,
    queued: AtomicBool,
}

impl Wake for RowWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let mut tokens = self.woken.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.push(self.token);
            drop(tokens);
            self.woken.driver.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::{Instant, timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn stream() -> (Stream, Rc<Reins>, Arc<Woken>) {
        let (reins, woken) = (Rc::new(Reins::default()), Arc::default());
        let (io, other) = duplex(64);
        drop(other);
        let mut stream = Stream::new(io, Rc::clone(&reins));
        stream.attach(&woken, 7);
        (stream, reins, woken)
    }

    fn said(woken: &Woken) -> Vec<usize> {
        let mut said = Vec::new();
        woken.take(&mut said);
        said
    }

    #[tokio::test]
    async fn an_end_is_an_end_only_once_the_task_has_looked() {
        let (mut stream, reins, woken) = stream();
        let read = |stream: &mut Stream| stream.read(&mut [0; 8]).map_err(|error| error.kind());
        assert_eq!(read(&mut stream), Err(ErrorKind::WouldBlock));
        let mut task = Box::pin(reins.drive(std::future::pending(), PATIENCE));
        assert!(timeout(Duration::ZERO, &mut task).await.is_err());
        assert_eq!(said(&woken), [7]);
        let end = Taken {
            len: 0,
            drained: true,
        };
        assert_eq!(read(&mut stream), Ok(end));
        // The task that finds a reset says so, too, and again only once the row has heard.
        drop(task);
        reins.drive(std::future::ready(()), PATIENCE).await;
        assert!(said(&woken).is_empty());
        stream.heard();
        reins.wake_row();
        assert_eq!(said(&woken), [7]);
        assert!(stream.is_reset());
        assert_eq!(read(&mut stream), Err(ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn our_own_end_is_no_reset() {
        let (mut stream, reins, _) = stream();
        stream.finish().unwrap();
        reins.drive(std::future::ready(()), PATIENCE).await;
        assert!(!stream.is_reset());
        assert_eq!(stream.read(&mut [0; 8]).unwrap().len, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_row_leaves_behind_is_not_kept_for_ever() {
        let (stream, reins, _) = stream();
        let begun = Instant::now();
        let task = reins.drive(std::future::pending(), PATIENCE);
        let gone = async {
            tokio::time::sleep(PATIENCE * 5).await;
            drop(stream);
        };
        tokio::join!(task, gone);
        assert_eq!(begun.elapsed(), PATIENCE * 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_ends_the_task_at_once() {
        let (stream, reins, _) = stream();
        let begun = Instant::now();
        let task = reins.drive(std::future::pending(), PATIENCE);
        let reset = async {
            tokio::task::yield_now().await;
            stream.reset();
            drop(stream);
        };
        tokio::join!(task, reset);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
