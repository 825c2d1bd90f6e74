//! One exchange's hold on an endpoint: the connection it uses and the place it takes in the count.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::body::Upload;
use super::connection::Connection;
use super::error::AnswerError;
use super::pool::Pool;
use crate::snapshot::EndpointGuard;

/// Dropped before its end, the connection is closed; finished, it may serve again.
#[derive(Debug)]
pub struct Lease {
    connection: Connection,
    pool: Rc<Pool>,
    upload: Rc<Upload>,
    _guard: EndpointGuard,
}

impl Lease {
    /// Holds a connection for the exchange whose request has `upload` for its body.
    pub fn new(connection: Connection, pool: &Rc<Pool>, upload: Rc<Upload>, guard: EndpointGuard) -> Self {
        Self {
            connection,
            pool: Rc::clone(pool),
            upload,
            _guard: guard,
        }
    }

    /// The request's body.
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// The next bytes of the answer; see [`Connection::poll_data`].
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AnswerError>>> {
        self.connection.poll_data(cx)
    }

    /// The answer is known to have come to its end.
    pub fn is_end(&self) -> bool {
        self.connection.is_end()
    }

    /// Bytes of the answer that are still to come, if it says how many.
    pub fn left(&self) -> Option<u64> {
        self.connection.left()
    }

    /// The whole answer was read. A request's body that was not taken in full by then never is: both
    /// connections close, so that it can't become a request.
    pub fn finish(self) {
        if self.upload.done() {
            self.pool.give_back(self.connection);
        }
    }
}
