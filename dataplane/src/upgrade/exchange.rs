//! A handshake with an endpoint, always on a connection of its own.

use std::rc::Rc;
use std::sync::Arc;

use http::header;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use super::handover::Pending;
use super::handshake::{self, Offer};
use crate::error::{Reason, Refusal};
use crate::http::dial::{Dial, Dialed, Purpose, Way};
use crate::http::forwarded::Ends;
use crate::http::header as fields;
use crate::http::record::Record;
use crate::local::Local;
use crate::snapshot::RouteEntry;
use crate::upstream::body::RequestBody;
use crate::upstream::connection::Connection;
use crate::upstream::lease::Lease;

/// How an endpoint answered.
#[derive(Debug)]
pub enum Answer {
    /// It agreed: its 101 for the client, and what waits for that to be sent.
    Switched(Response<()>, Box<Pending>),
    /// It declined; the client gets its answer as it is.
    Declined(Response<Incoming>, Lease),
}

/// Asks an endpoint of `route` for the WebSocket that `request` offers.
///
/// # Errors
/// The refusal to answer with.
pub async fn request_websocket(
    local: &Rc<Local>,
    route: &Arc<RouteEntry>,
    offer: &Offer,
    mut request: Request<RequestBody>,
    ends: Ends,
    record: &mut Record,
) -> Result<Answer, Refusal> {
    let permit = admit(local)?;
    let deadline = record.started() + route.route.timeouts.handshake;
    let dial = Dial {
        local,
        route,
        purpose: Purpose::Session,
        ends,
        deadline,
    };
    let dialed = dial.dial(record).await?;
    let slot = Arc::clone(&dialed.slot);
    handshake::set_upgrade(request.headers_mut());
    let answered = send_and_judge(local, dialed, offer, request, permit);
    let answer = timeout_at(deadline, answered).await.unwrap_or_else(|_| {
        let detail = "the backend did not answer in time";
        Err(Refusal::new(Reason::HandshakeTimeout, detail))
    });
    answer.inspect_err(|refusal| local.shared.metrics.upstream_failed(&slot, refusal.reason))
}

/// A place among the handshakes under way.
fn admit(local: &Local) -> Result<OwnedSemaphorePermit, Refusal> {
    if local.draining() {
        let detail = "this proxy is shutting down and takes no new sessions";
        return Err(Refusal::new(Reason::Draining, detail));
    }
    // A connection of HTTP/2 is one, and carries many.
    if local.tunnels.len() >= local.shared.limits.max_connections {
        let detail = "this proxy has as many sessions as it may have";
        return Err(Refusal::new(Reason::HandshakeLimit, detail));
    }
    Arc::clone(&local.handshakes).try_acquire_owned().map_err(|_| {
        let detail = "too many handshakes are under way";
        Refusal::new(Reason::HandshakeLimit, detail)
    })
}

/// Sends the request on its fresh connection, and judges what comes back.
async fn send_and_judge(
    local: &Rc<Local>,
    dialed: Dialed,
    offer: &Offer,
    request: Request<RequestBody>,
    permit: OwnedSemaphorePermit,
) -> Result<Answer, Refusal> {
    let Way::Fresh(stream) = dialed.way else {
        return Err(Refusal::new(
            Reason::Internal,
            "a handshake was given a used connection",
        ));
    };
    let upload = request.body().upload();
    let max_head = local.shared.limits.max_head_size;
    let opened = Connection::open_to_switch(stream, &dialed.endpoint, max_head).await;
    let (mut connection, switched) = opened.map_err(|_| broken())?;
    let response = connection.send(request).await.map_err(|_| broken())?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if offer.mistakes(response.status()) {
            let detail = "the backend answered the handshake, but did not switch protocols";
            return Err(Refusal::new(Reason::BadUpstreamHandshake, detail));
        }
        let lease = Lease::new(connection, &local.pool, upload, dialed.guard);
        return Ok(Answer::Declined(response, lease));
    }
    let agreement = handshake::judge(offer, response.headers())
        .map_err(|detail| Refusal::new(Reason::BadUpstreamHandshake, detail))?;
    let (backend, backend_bytes) = switched.socket().await.ok_or_else(broken)?;
    let pending = Pending {
        backend,
        backend_bytes,
        extensions: agreement.extensions,
        slot: dialed.slot,
        guard: dialed.guard,
        _permit: permit,
    };
    Ok(Answer::Switched(switched_head(response), Box::new(pending)))
}

fn broken() -> Refusal {
    let detail = "the backend's answer is not HTTP, or it broke off";
    Refusal::new(Reason::BadUpstreamHandshake, detail)
}

/// The backend's 101 as the client gets it: its own fields, and no framing.
fn switched_head(response: Response<Incoming>) -> Response<()> {
    let (mut parts, _) = response.into_parts();
    fields::remove_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::CONTENT_LENGTH);
    handshake::set_upgrade(&mut parts.headers);
    Response::from_parts(parts, ())
}
