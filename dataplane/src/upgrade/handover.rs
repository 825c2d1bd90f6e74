//! From two HTTP connections to a session: once the client has its 101, both sides go to the worker's tunnel table, and
//! everything of HTTP/1.1 is dropped; a stream of HTTP/2 stays with its connection.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use routetable::ObjectId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::error::Reason;
use crate::http::record::Record;
use crate::local::{Carried, Local, Place, Seat, SessionContext};
use crate::snapshot::{EndpointGuard, EndpointSlot};
use crate::tls::stream::Stream;
use crate::tls::wire::Wire;
use crate::tunnel::{self, End, Handover, SessionStart, Target};
use crate::upstream::switch::Agreed;

/// A backend that has switched, while its 101 is on the way to the client.
#[derive(Debug)]
pub struct Pending {
    /// Its side.
    pub backend: Agreed,
    /// Its 101 accepted extensions.
    pub extensions: bool,
    /// The backend that was picked.
    pub slot: Arc<EndpointSlot>,
    /// Counts the session at its endpoint.
    pub guard: EndpointGuard,
    /// The handshake's place among those under way.
    pub _permit: Rc<OwnedSemaphorePermit>,
}

/// Hands a session over. The client's socket leaves the runtime; the 101 must have been flushed.
pub fn adopt(
    local: &Rc<Local>,
    pending: Pending,
    record: Record,
    (client, client_bytes): (Stream, Bytes),
    seat: Seat,
) {
    let client = wire(client).map(End::from);
    begin(local, pending, record, (client, client_bytes), Place::Whole(seat));
}

/// The same for a client that is one stream of a connection.
pub fn adopt_stream(
    local: &Rc<Local>,
    pending: Pending,
    record: Record,
    client: tunnel::Stream,
    carried: Carried,
) {
    let client = (Ok(End::from(client)), Bytes::new());
    begin(local, pending, record, client, Place::Stream(carried));
}

fn begin(
    local: &Rc<Local>,
    pending: Pending,
    mut record: Record,
    (client, client_bytes): (io::Result<End>, Bytes),
    place: Place,
) {
    let took = record.started().elapsed();
    // What is recorded if it does not become a session after all; both sockets close then.
    record.set_answer(101, Some(Reason::Internal));
    let backend = match pending.backend {
        Agreed::Socket(socket, ahead) => wire(socket).map(|wire| (End::from(wire), ahead)),
        Agreed::Stream(stream) => Ok((End::from(stream), Bytes::new())),
    };
    let (client, (backend, backend_bytes)) = match (client, backend) {
        (Ok(client), Ok(backend)) => (client, backend),
        (Err(error), _) | (_, Err(error)) => {
            return tracing::error!(%error, "a session is lost: its socket does not leave the runtime");
        }
    };
    let Some((facts, route)) = record.into_session() else {
        return tracing::error!("a session is lost: its request has no route");
    };
    let slot = pending.slot;
    let target = Target {
        object: ObjectId::new(&route.route.source),
        route: route.route.id,
        endpoint_set: slot.id,
        endpoint: pending.guard.address(),
    };
    let timeouts = route.route.timeouts;
    let start = SessionStart {
        id: facts.id,
        target,
        idle: timeouts.idle,
        max_duration: timeouts.max_duration,
        extensions: pending.extensions,
        context: SessionContext {
            facts,
            _guard: pending.guard,
            _place: place,
        },
    };
    let metrics = &local.shared.metrics;
    metrics.handshake(Some(&route), 101, None, took);
    metrics.session_started(&route, &slot);
    let handover = Handover {
        client,
        client_bytes,
        backend,
        backend_bytes,
        start,
    };
    let heard = local.tunnels.adopt(handover, Instant::now());
    // The table may have changed during the handshake, and the tunnels not yet have heard of it.
    let snapshot = local.shared.snapshot.load();
    if heard != snapshot.judge(&target) {
        local.end_what_left();
    }
}

/// A connection outside of the runtime.
fn wire(stream: Stream) -> io::Result<Wire> {
    let (socket, tls) = stream.into_parts();
    Ok(Wire::new(socket.into_std()?, tls))
}
