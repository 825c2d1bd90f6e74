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
use crate::error::{Reason, Refusal, Side};
use crate::http::dial::{Dial, Dialed, Purpose, Way};
use crate::http::forwarded::Ends;
use crate::http::header as fields;
use crate::http::record::Record;
use crate::local::Local;
use crate::snapshot::{Endpoint, EndpointSlot, Protocol, RouteEntry};
use crate::upstream::body::RequestBody;
use crate::upstream::connection::copy;
use crate::upstream::error::SendError;
use crate::upstream::lease::Lease;
use crate::upstream::switch;

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
    let permit = Rc::new(admit(local)?);
    let deadline = record.started() + route.route.timeouts.handshake;
    let mut dial = Dial {
        local,
        route,
        purpose: Purpose::Session,
        ends,
        deadline,
    };
    let asks = async |dialed: Dialed, request| {
        let slot = Arc::clone(&dialed.slot);
        let asked = in_time(deadline, ask(local, dialed, offer, request, &permit)).await;
        asked.inspect_err(|refusal| local.shared.metrics.upstream_failed(&slot, refusal.reason))
    };
    let dialed = dial.dial(record).await?;
    match asks(dialed, request).await? {
        Asked::Answered(answer) => Ok(answer),
        Asked::NotOverHttp2(request) => {
            // Over HTTP/1.1 no endpoint says so.
            dial.purpose = Purpose::SessionOverHttp1;
            let dialed = dial.dial(record).await?;
            match asks(dialed, request).await? {
                Asked::Answered(answer) => Ok(answer),
                _ => Err(broken()),
            }
        }
        Asked::Misunderstood(request, declined, (slot, protocol, endpoint)) => {
            let again = async {
                let dialed = dial.over_http1(slot, protocol, Arc::clone(&endpoint)).await?;
                ask(local, dialed, offer, request, &permit).await
            };
            // The client has an answer to come.
            let deadline = deadline.min(Instant::now() + route.route.timeouts.connect);
            Ok(better(in_time(deadline, again).await, declined, &endpoint))
        }
    }
}

/// The answer for the client: what came of asking over HTTP/1.1, or else what was said over HTTP/2.
fn better(again: Result<Asked, Refusal>, declined: Answer, endpoint: &Endpoint) -> Answer {
    match again {
        Ok(Asked::Answered(Answer::Declined(response, _))) if handshake::may_not_know(response.status()) => {
            declined
        }
        Ok(Asked::Answered(answer)) => {
            if matches!(answer, Answer::Switched(..)) {
                endpoint.set_extends_connect(false);
                tracing::info!(
                    address = %endpoint.address,
                    "this endpoint announces WebSockets over HTTP/2, and takes them over HTTP/1.1 alone"
                );
            }
            answer
        }
        Ok(_) => declined,
        Err(refusal) => {
            // There is no HTTP/1.1 to speak of.
            if refusal.reason.side() == Side::Upstream {
                endpoint.set_extends_connect(true);
            }
            declined
        }
    }
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

/// What came of one try.
enum Asked {
    Answered(Answer),
    /// The endpoint says that it takes no WebSockets over HTTP/2. The request is to be sent over HTTP/1.1.
    NotOverHttp2(Box<Request<RequestBody>>),
    /// It says that it does, and has answered as one would that knows only the GET: the request, that answer, and who it
    /// was.
    Misunderstood(
        Box<Request<RequestBody>>,
        Answer,
        (Arc<EndpointSlot>, Protocol, Arc<Endpoint>),
    ),
}

/// Sends the request, and judges what comes back.
async fn ask(
    local: &Rc<Local>,
    dialed: Dialed,
    offer: &Offer,
    mut request: Box<Request<RequestBody>>,
    permit: &Rc<OwnedSemaphorePermit>,
) -> Result<Asked, Refusal> {
    let Way::Fresh(stream) = dialed.way else {
        let detail = "a handshake was given a used connection";
        return Err(Refusal::new(Reason::Internal, detail));
    };
    let limits = &local.shared.limits;
    let endpoint = &dialed.endpoint;
    let opened = switch::open(
        stream,
        endpoint,
        &dialed.protocol,
        limits.max_head_size,
        limits.write_timeout,
    );
    let Some((mut connection, switched)) = opened.await.map_err(|_| broken())? else {
        return Ok(Asked::NotOverHttp2(request));
    };
    let over_http2 = connection.speaks_http2();
    let mut spare = None;
    if over_http2 {
        spare = Some(Box::new(copy(&request)));
        handshake::to_connect(&mut request);
    } else {
        handshake::set_upgrade(request.headers_mut());
    }
    let upload = request.body().upload();
    let mut response = match (connection.send(request).await, spare) {
        (Ok(response), again) => {
            spare = again;
            response
        }
        (Err(SendError::WantsHttp1), Some(request)) => {
            endpoint.set_extends_connect(false);
            return Ok(Asked::NotOverHttp2(request));
        }
        (Err(_), _) => return Err(broken()),
    };
    let status = response.status();
    let agreement = match (status, over_http2) {
        (StatusCode::SWITCHING_PROTOCOLS, false) => handshake::judge_switched(offer, response.headers()),
        (StatusCode::OK, true) => handshake::judge_connected(offer, response.headers()),
        // Every 2xx says yes to a CONNECT (RFC 9110 section 9.3.6), and no other than 200 makes sense.
        _ if offer.mistakes(status) || (over_http2 && status.is_success()) => {
            Err("the backend answered the handshake, but did not switch protocols")
        }
        _ => {
            let lease = Lease::new(connection, &local.pool, upload, dialed.guard);
            let declined = Answer::Declined(response, lease);
            return Ok(match spare {
                Some(request) if is_misunderstood(status, endpoint) => {
                    let who = (dialed.slot, dialed.protocol, dialed.endpoint);
                    Asked::Misunderstood(request, declined, who)
                }
                _ => Asked::Answered(declined),
            });
        }
    };
    let agreement = agreement.map_err(|detail| Refusal::new(Reason::BadUpstreamHandshake, detail))?;
    let backend = switched.agreed(connection, &mut response);
    let backend = backend.await.ok_or_else(broken)?;
    if over_http2 {
        endpoint.set_extends_connect(true);
        handshake::to_switched(offer, &mut response);
    }
    let pending = Pending {
        backend,
        extensions: agreement.extensions,
        slot: dialed.slot,
        guard: dialed.guard,
        _permit: Rc::clone(permit),
    };
    let answer = Answer::Switched(switched_head(response), Box::new(pending));
    Ok(Asked::Answered(answer))
}

/// An endpoint that has taken one may still lead to another application; but then the path is wrong, if it is called so.
fn is_misunderstood(status: StatusCode, endpoint: &Endpoint) -> bool {
    let has_agreed = endpoint.extends_connect() == Some(true);
    let is_of_any = matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND);
    handshake::may_not_know(status) && !(has_agreed && is_of_any)
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
