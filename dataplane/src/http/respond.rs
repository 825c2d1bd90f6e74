//! The one place that turns a refusal into an answer: the status, the reason's name, a sentence.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::body::ResponseBody;
use super::record::Record;
use crate::error::Refusal;
use crate::local::Local;

/// Field that names the cause of a refusal.
pub const REASON: HeaderName = HeaderName::from_static("holdfast-reason");

/// Value of `Server` where the backend sends none.
pub const SERVER: HeaderValue = HeaderValue::from_static("holdfast");

/// Retry-After in seconds, drawn per answer so that clients do not come back together.
const RETRY_AFTER: std::ops::RangeInclusive<u16> = 1..=5;

/// The answer to a request that goes nowhere. `close` ends the connection after it: the caller knows of bytes
/// that must not be read as the next request. Causes that leave such doubt by themselves do so anyway.
pub fn refuse(local: &Local, refusal: &Refusal, mut record: Record, close: bool) -> Response<ResponseBody> {
    let status = refusal.reason.status();
    record.set_answer(status.as_u16(), Some(refusal.reason));
    let mut response = Response::new(ResponseBody::own(text(refusal), record));
    *response.status_mut() = status;
    *response.headers_mut() = fields(local, refusal, close || !refusal.reason.leaves_no_doubt());
    response
}

/// The same as bytes, for a head that could not be read: no request, no hyper.
pub fn refuse_raw(local: &Local, refusal: &Refusal, record: &mut Record) -> Vec<u8> {
    let (status, body) = (refusal.reason.status(), text(refusal));
    record.set_answer(status.as_u16(), Some(refusal.reason));
    record.sent(body.len());
    let phrase = status.canonical_reason().unwrap_or_default();
    let mut raw = format!("HTTP/1.1 {} {phrase}\r\n", status.as_str()).into_bytes();
    for (name, value) in &fields(local, refusal, true) {
        raw.extend_from_slice(name.as_str().as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value.as_bytes());
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    raw.extend_from_slice(&body);
    raw
}

fn text(refusal: &Refusal) -> Bytes {
    let (status, reason) = (refusal.reason.status(), refusal.reason);
    Bytes::from(format!("{status}\n{reason}: {}\n", refusal.detail))
}

fn fields(local: &Local, refusal: &Refusal, close: bool) -> HeaderMap {
    let reason = refusal.reason;
    let mut headers = HeaderMap::new();
    headers.insert(REASON, HeaderValue::from_static(reason.as_str()));
    headers.insert(header::SERVER, SERVER);
    headers.insert(header::DATE, local.date.value());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(location) = &refusal.location {
        headers.insert(header::LOCATION, location.clone());
    }
    match reason.status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = local.draw(|rng| rng.u16(RETRY_AFTER));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            headers.insert(header::ALLOW, allowed);
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close, upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
    headers
}
