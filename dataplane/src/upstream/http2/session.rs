//! What a connection of HTTP/2 needs beyond others to carry one WebSocket (RFC 8441): whether its endpoint takes any,
//! and the task that writes it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker, ready};
use std::time::Duration;

use hyper::client::conn::http2::Connection;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::super::body::RequestBody;
use crate::tls::stream::Stream;
use crate::tunnel::Reins;

/// The place of the session's writing among the tasks that hyper hands over for one extended CONNECT: the connection,
/// the wait for the answer, and then this, if the answer is a yes. It does not say which is which.
const WRITING: u32 = 3;

/// Starts the connection's tasks on the worker's own thread.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Tasks(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: Cell<u32>,
    reins: Rc<Reins>,
    /// How long what a session leaves behind may take.
    patience: Duration,
    /// Who waits for the endpoint's settings.
    waiting: RefCell<Option<Waker>>,
}

impl Tasks {
    /// Before the handshake; `reins` will hold the session.
    pub(in crate::upstream) fn new(reins: Rc<Reins>, patience: Duration) -> Self {
        Self(Rc::new(Shared {
            begun: Cell::new(0),
            reins,
            patience,
            waiting: RefCell::default(),
        }))
    }

    /// Waits for the endpoint's settings, which tell whether it takes WebSockets (RFC 8441 section 3). Only then is the
    /// first stream allowed, see [`super::handshake`].
    ///
    /// # Errors
    /// The connection is gone.
    pub(in crate::upstream) async fn offered(
        &self,
        connection: &mut Connection<TokioIo<Stream>, RequestBody, Self>,
    ) -> hyper::Result<bool> {
        let offered = poll_fn(|cx| {
            if connection.current_max_send_streams() > 0 {
                return Poll::Ready(Ok(connection.is_extended_connect_protocol_enabled()));
            }
            self.0.waiting.replace(Some(cx.waker().clone()));
            Poll::Ready(ready!(Pin::new(&mut *connection).poll(cx)).map(|()| false))
        })
        .await;
        self.0.waiting.take();
        offered
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let shared = Rc::clone(&self.0);
        shared.begun.set(shared.begun.get() + 1);
        if shared.begun.get() == WRITING {
            tokio::task::spawn_local(async move { shared.reins.drive(task, shared.patience).await });
            return;
        }
        let mut task = Box::pin(task);
        tokio::task::spawn_local(poll_fn(move |cx| {
            let polled = task.as_mut().poll(cx);
            if let Some(waiting) = &*shared.waiting.borrow() {
                waiting.wake_by_ref();
            }
            polled
        }));
    }
}
