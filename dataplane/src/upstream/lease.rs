//! One exchange's hold on an endpoint: the connection it uses and the place it takes in the count.

use std::rc::Rc;

use super::body::Upload;
use super::connection::Connection;
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

    /// The whole answer was read. A request's body that was not taken in full by then never is: both
    /// connections close, so that it can't become a request.
    pub fn finish(self) {
        if self.upload.done() {
            self.pool.give_back(self.connection);
        }
    }
}
