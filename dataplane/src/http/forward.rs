//! Plain HTTP: a request goes to an endpoint over a pooled connection, its answer comes back.
//!
//! Bodies stream both ways, a chunk at a time; neither head is sent before it is checked. Of interim answers only
//! 100 is told to the client, because hyper's server sends no other (RFC 9110 section 15.2 wants a proxy to forward all).

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::Body;
use tokio::time::Instant;

use super::body::ResponseBody;
use super::forwarded::{self, Arrival, Ends};
use super::header as fields;
use super::record::Record;
use super::respond;
use super::target::Target;
use crate::error::{Reason, Refusal, Side};
use crate::http::dial::{Dial, Dialed, Purpose, Way};
use crate::local::{Local, Trust};
use crate::snapshot::{EndpointGuard, EndpointSlot, RouteEntry};
use crate::upstream::body::{RequestBody, Upload};
use crate::upstream::connection::Connection;
use crate::upstream::error::SendError;
use crate::upstream::gate::Gate;
use crate::upstream::lease::Lease;

/// Forwards a request that `route` took.
///
/// # Errors
/// The refusal to answer with.
pub async fn forward(
    local: &Rc<Local>,
    route: &Arc<RouteEntry>,
    mut request: Box<Request<RequestBody>>,
    ends: Ends,
    record: &mut Record,
) -> Result<(Response<()>, Lease), Refusal> {
    let upload = request.body().upload();
    record.set_upload(Rc::clone(&upload));
    let limit = local.shared.limits.max_body_size;
    // What says that it is too large is not even begun.
    if limit.is_some_and(|limit| request.body().size_hint().lower() > limit) {
        return Err(too_large());
    }
    request.body().bound(limit);
    let mut purpose = Purpose::Request;
    loop {
        let dial = Dial {
            local,
            route,
            purpose,
            ends,
            deadline: record.started() + route.route.timeouts.handshake,
        };
        let (mut connection, slot, guard) = connect(local, dial.dial(record).await?).await?;
        // Hyper tells nobody of the 100 of HTTP/2.
        if !upload.done() && !connection.speaks_http2() && Gate::wanted(request.headers()) {
            request.body_mut().hold();
        }
        let rate = local.shared.limits.min_upload_rate;
        let sent = exchange(&mut connection, request, route, &upload, rate).await;
        let failure = match sent.and_then(|response| check(response).map_err(Failure::Refused)) {
            Ok(response) => {
                let lease = Lease::new(connection, &local.pool, upload, guard);
                return Ok((response, lease));
            }
            Err(failure) => failure,
        };
        // An idle connection's end may cross with the request: once more, on a fresh one.
        request = match failure {
            Failure::Lost(Some(request)) if connection.reused() => request,
            failure => return Err(failure.refusal(local, &slot)),
        };
        purpose = Purpose::Again;
    }
}

async fn connect(
    local: &Local,
    dialed: Dialed,
) -> Result<(Connection, Arc<EndpointSlot>, EndpointGuard), Refusal> {
    let connection = match dialed.way {
        Way::Idle(connection) => connection,
        Way::Fresh(stream) => {
            let max_head = local.shared.limits.max_head_size;
            let opened = Connection::open(stream, &dialed.endpoint, &dialed.protocol, max_head);
            Box::pin(opened).await.map_err(|_| {
                let refusal = broken();
                local.shared.metrics.upstream_failed(&dialed.slot, refusal.reason);
                refusal
            })?
        }
    };
    Ok((connection, dialed.slot, dialed.guard))
}

enum Failure {
    /// The connection ended before the answer's head. Here is the request if it may be sent again.
    Lost(Option<Box<Request<RequestBody>>>),
    Refused(Refusal),
}

impl Failure {
    fn refusal(self, local: &Local, slot: &EndpointSlot) -> Refusal {
        let refusal = match self {
            Self::Lost(_) => broken(),
            Self::Refused(refusal) => refusal,
        };
        if refusal.reason.side() == Side::Upstream {
            local.shared.metrics.upstream_failed(slot, refusal.reason);
        }
        refusal
    }
}

/// How often a body's pace is looked at.
const GLANCE: Duration = Duration::from_secs(5);

/// Sends the request and waits for the answer's head. The wait begins anew with every chunk of the
/// request's body, so that a long upload has all its time.
async fn exchange(
    connection: &mut Connection,
    request: Box<Request<RequestBody>>,
    route: &RouteEntry,
    upload: &Upload,
    min_rate: u32,
) -> Result<Response<()>, Failure> {
    let patience = route.route.timeouts.handshake;
    let mut answer = std::pin::pin!(connection.send(request));
    loop {
        let deadline = (upload.progress() + patience).min(Instant::now() + GLANCE);
        tokio::select! {
            biased;
            answer = &mut answer => return answer.map_err(|error| match error {
                _ if upload.too_large() => Failure::Refused(too_large()),
                _ if upload.failed() => Failure::Refused(Refusal::new(
                    Reason::BadRequest,
                    "the request's body broke off or is not framed properly",
                )),
                SendError::Malformed | SendError::WantsHttp1 => Failure::Refused(broken()),
                SendError::Lost(request) => Failure::Lost(request),
            }),
            () = tokio::time::sleep_until(deadline) => {}
        }
        let crawls = !upload.done() && upload.crawls(min_rate);
        if !crawls && Instant::now() < upload.progress() + patience {
            continue;
        }
        return Err(Failure::Refused(if upload.starved() && !upload.done() {
            Refusal::new(Reason::RequestTimeout, "the request's body did not come in time")
        } else {
            Refusal::new(Reason::HandshakeTimeout, "the backend did not answer in time")
        }));
    }
}

fn too_large() -> Refusal {
    Refusal::new(
        Reason::BodyTooLarge,
        "the request's body is larger than this proxy takes",
    )
}

fn broken() -> Refusal {
    let detail = "the backend's answer is not HTTP, or it broke off";
    Refusal::new(Reason::BadUpstreamResponse, detail)
}

/// Refuses a length that two parsers could read in two ways. What else frames an answer was judged when it was read.
///
/// # Errors
/// The refusal to answer with instead.
pub fn check(mut response: Response<()>) -> Result<Response<()>, Refusal> {
    if fields::unite_content_length(response.headers_mut()) {
        return Ok(response);
    }
    let detail = "the backend's Content-Length is not one number";
    Err(Refusal::new(Reason::BadUpstreamResponse, detail))
}

/// Makes the request's head what the endpoint gets. Whether its body goes in chunks is said by the connection, which alone
/// knows them (`upstream`).
pub fn rewrite(
    request: &mut Request<RequestBody>,
    target: &Target,
    arrival: &Arrival,
    client: SocketAddr,
    trust: &Trust,
) {
    let length = request.body().size_hint().exact();
    let old = request.version() == Version::HTTP_10;
    let headers = request.headers_mut();
    fields::remove_lookalikes(headers);
    fields::remove_hop_by_hop(headers);
    forwarded::set(headers, arrival, client, &target.host, trust);
    headers.insert(header::HOST, target.host.clone());
    // Without leading zeros, which some take for octal.
    if let Some(length) = length
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if old {
        // RFC 9110 section 10.1.1.
        headers.remove(header::EXPECT);
    }
    *request.uri_mut() = Uri::from(target.path_and_query.clone());
    *request.version_mut() = Version::HTTP_11;
}

/// The answer as the client gets it.
pub fn answer(
    local: &Local,
    response: Response<()>,
    lease: Lease,
    secured: bool,
    mut record: Record,
) -> Response<ResponseBody> {
    let (mut parts, ()) = response.into_parts();
    record.set_answer(parts.status.as_u16(), None);
    // RFC 9110 section 15.5.22: this answer must name the protocol, and only this one goes on.
    let names_websocket = parts.status == StatusCode::UPGRADE_REQUIRED
        && fields::has_token(&parts.headers, &header::UPGRADE, "websocket");
    fields::remove_hop_by_hop(&mut parts.headers);
    if parts.status == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6; hyper would let it pass in an answer to HEAD.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    parts.headers.entry(header::SERVER).or_insert(respond::SERVER);
    parts
        .headers
        .entry(header::DATE)
        .or_insert_with(|| local.date.value());
    if secured && let Some(hsts) = &local.shared.secure.hsts {
        let field = parts.headers.entry(header::STRICT_TRANSPORT_SECURITY);
        field.or_insert_with(|| hsts.clone());
    }
    parts.version = Version::HTTP_11;
    if record.upgrade() || !lease.upload().done() {
        // What is left of the request's body, or came early for the session that is not to be, must
        // not be read as the next request.
        let close = HeaderValue::from_static("close");
        parts.headers.insert(header::CONNECTION, close);
    }
    if names_websocket {
        let websocket = HeaderValue::from_static("websocket");
        parts.headers.insert(header::UPGRADE, websocket);
        let upgrade = HeaderValue::from_static("upgrade");
        parts.headers.append(header::CONNECTION, upgrade);
    }
    let idle = record.route().and_then(|route| route.route.timeouts.idle);
    let body = ResponseBody::upstream(lease, idle, record);
    Response::from_parts(parts, body)
}
