//! A handshake with an endpoint, always on a connection of its own.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use http::header;
use http::{Request, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::handover::Pending;
use super::handshake::{self, Offer};
use crate::error::{Reason, Refusal};
use crate::http::dial::{Dial, Dialed, Purpose, Way};
use crate::http::forwarded::Ends;
use crate::http::header as fields;
use crate::http::record::Record;
use crate::local::Local;
use crate::snapshot::{EndpointGuard, EndpointSlot, RouteEntry};
use crate::upstream::body::RequestBody;
use crate::upstream::connection::Connection;
use crate::upstream::lease::Lease;
use crate::upstream::switch::{self, Switched};

/// How an endpoint answered.
#[derive(Debug)]
pub enum Answer {
    /// It agreed: its 101 for the client, and what waits for that to be sent.
    Switched(Response<()>, Box<Pending>),
    /// It declined; the client gets its answer as it is.
    Declined(Response<()>, Lease),
}

/// Asks an endpoint of `route` for the WebSocket that `request` offers.
///
/// # Errors
/// The refusal to answer with.
pub async fn request_websocket(
    local: &Rc<Local>,
    route: &Arc<RouteEntry>,
    offer: &Offer,
    request: Box<Request<RequestBody>>,
    ends: Ends,
    record: &mut Record,
) -> Result<Answer, Refusal> {
    let permit = admit(local)?;
    let deadline = record.started() + route.route.timeouts.handshake;
    let mut dial = Dial {
        local,
        route,
        purpose: Purpose::Session,
        ends,
        deadline,
    };
    let failed = |slot: &EndpointSlot, refusal: &Refusal| {
        local.shared.metrics.upstream_failed(slot, refusal.reason);
    };
    let opened = loop {
        let dialed = dial.dial(record).await?;
        let slot = Arc::clone(&dialed.slot);
        let opened = in_time(deadline, open(local, dialed)).await;
        if let Some(opened) = opened.inspect_err(|refusal| failed(&slot, refusal))? {
            break opened;
        }
        // Once: over HTTP/1.1 no endpoint says so.
        dial.purpose = Purpose::SessionOverHttp1;
    };
    let slot = Arc::clone(&opened.slot);
    let answered = send_and_judge(local, opened, offer, request, permit);
    let answer = in_time(deadline, answered).await;
    answer.inspect_err(|refusal| failed(&slot, refusal))
}

async fn in_time<T>(deadline: Instant, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    timeout_at(deadline, work).await.unwrap_or_else(|_| {
        let detail = "the backend did not answer in time";
        Err(Refusal::new(Reason::HandshakeTimeout, detail))
    })
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

/// An endpoint that can be asked.
struct Opened {
    connection: Connection,
    switched: Switched,
    slot: Arc<EndpointSlot>,
    guard: EndpointGuard,
}

/// Begins to speak to an endpoint; `None` if it takes no WebSockets this way.
async fn open(local: &Local, dialed: Dialed) -> Result<Option<Opened>, Refusal> {
    let Way::Fresh(stream) = dialed.way else {
        return Err(Refusal::new(
            Reason::Internal,
            "a handshake was given a used connection",
        ));
    };
    let limits = &local.shared.limits;
    let opened = switch::open(
        stream,
        &dialed.endpoint,
        &dialed.protocol,
        limits.max_head_size,
        limits.write_timeout,
    );
    let opened = opened.await.map_err(|_| broken())?;
    Ok(opened.map(|(connection, switched)| Opened {
        connection,
        switched,
        slot: dialed.slot,
        guard: dialed.guard,
    }))
}

/// Sends the request, and judges what comes back.
async fn send_and_judge(
    local: &Rc<Local>,
    opened: Opened,
    offer: &Offer,
    mut request: Box<Request<RequestBody>>,
    permit: OwnedSemaphorePermit,
) -> Result<Answer, Refusal> {
    let mut connection = opened.connection;
    let over_http2 = connection.speaks_http2();
    if over_http2 {
        handshake::to_connect(&mut request);
    } else {
        handshake::set_upgrade(request.headers_mut());
    }
    let upload = request.body().upload();
    let mut response = connection.send(request).await.map_err(|_| broken())?;
    let status = response.status();
    let agreement = match (status, over_http2) {
        (StatusCode::SWITCHING_PROTOCOLS, false) => handshake::judge_switched(offer, response.headers()),
        (StatusCode::OK, true) => handshake::judge_connected(offer, response.headers()),
        // Every 2xx says yes to a CONNECT (RFC 9110 section 9.3.6), and no other than 200 makes sense.
        _ if offer.mistakes(status) || (over_http2 && status.is_success()) => {
            Err("the backend answered the handshake, but did not switch protocols")
        }
        _ => {
            let lease = Lease::new(connection, &local.pool, upload, opened.guard);
            return Ok(Answer::Declined(response, lease));
        }
    };
    let agreement = agreement.map_err(|detail| Refusal::new(Reason::BadUpstreamHandshake, detail))?;
    let backend = opened
        .switched
        .agreed(connection, &mut response)
        .await
        .ok_or_else(broken)?;
    if over_http2 {
        handshake::to_switched(offer, &mut response);
    }
    let pending = Pending {
        backend,
        extensions: agreement.extensions,
        slot: opened.slot,
        guard: opened.guard,
        _permit: permit,
    };
    Ok(Answer::Switched(switched_head(response), Box::new(pending)))
}

fn broken() -> Refusal {
    let detail = "the backend's answer is not HTTP, or it broke off";
    Refusal::new(Reason::BadUpstreamHandshake, detail)
}

/// The backend's 101 as the client gets it: its own fields, and no framing.
fn switched_head(mut response: Response<()>) -> Response<()> {
    let headers = response.headers_mut();
    fields::remove_hop_by_hop(headers);
    headers.remove(header::CONTENT_LENGTH);
    handshake::set_upgrade(headers);
    response
}
