//! What a connection of HTTP/2 needs beyond others to carry one WebSocket (RFC 8441): whether its endpoint takes any,
//! and the task that writes it.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use hyper::client::conn::http2::Connection;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::body::RequestBody;
use crate::tls::stream::Stream;
use crate::tunnel::Reins;

/// The place of the session's writing among the tasks that hyper hands over for one extended CONNECT: the connection,
/// the wait for the answer, and then this, if the answer is a yes. It does not say which is which.
const WRITING: u32 = 3;
/// The place of the task that owns the socket.
const SOCKET: u32 = 1;

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
    /// Reads and writes the socket.
    socket: RefCell<Option<JoinHandle<()>>>,
}

impl Tasks {
    /// Before the handshake; `reins` will hold the session.
    pub(in crate::upstream) fn new(reins: Rc<Reins>, patience: Duration) -> Self {
        Self(Rc::new(Shared {
            begun: Cell::new(0),
            reins,
            patience,
            waiting: RefCell::default(),
            socket: RefCell::default(),
        }))
    }

    /// Waits for the endpoint's settings, which tell whether it takes WebSockets (RFC 8441 section 3). They have come when
    /// a stream may begin: the connection was made with none allowed before.
    ///
    /// `None` if the connection ends before.
    pub(in crate::upstream) async fn offered(
        &self,
        connection: &mut Connection<TokioIo<Stream>, RequestBody, Self>,
    ) -> Option<bool> {
        let offered = poll_fn(|cx| {
            if connection.current_max_send_streams() > 0 {
                return Poll::Ready(Some(connection.is_extended_connect_protocol_enabled()));
            }
            // This polls only what hands requests over; the socket is read by the first task, which wakes us.
            self.0.waiting.replace(Some(cx.waker().clone()));
            Pin::new(&mut *connection).poll(cx).map(|_ended| None)
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
            debug_assert!(
                type_name::<F>().contains("UpgradedSendStreamTask"),
                "hyper has changed"
            );
            tokio::task::spawn_local(async move {
                shared.reins.drive(task, shared.patience).await;
                // An endpoint that has stopped reading would keep the socket for ever.
                if let Some(mut socket) = shared.socket.take() {
                    let _ = timeout(shared.patience, &mut socket).await;
                    socket.abort();
                }
            });
            return;
        }
        let mut task = Box::pin(task);
        let of = Rc::clone(&shared);
        let begun = tokio::task::spawn_local(poll_fn(move |cx| {
            let polled = task.as_mut().poll(cx);
            if let Some(waiting) = &*of.waiting.borrow() {
                waiting.wake_by_ref();
            }
            polled
        }));
        if shared.begun.get() == SOCKET {
            shared.socket.replace(Some(begun));
        }
    }
}
