//! Heads of answers (RFC 9112 section 4).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header};
use hyper::ext::ReasonPhrase;
use memchr::memchr;

use crate::framing::{Fault, Spelling};
use crate::upstream::error::AnswerError;

/// Room for the fields of most heads.
const FIELDS: usize = 12;

/// Where the reason begins: behind `HTTP/1.1 ` and the code.
const REASON: usize = 12;

/// Reads a head that [`AnswerTracker`](crate::framing::AnswerTracker) has found to be one.
///
/// # Errors
/// None, then.
pub(super) fn read(head: Bytes, spelling: Spelling) -> Result<Response<()>, AnswerError> {
    parse(head, spelling).ok_or(AnswerError::Malformed(Fault::Malformed(
        "the head is none of HTTP/1.1",
    )))
}

fn parse(head: Bytes, spelling: Spelling) -> Option<Response<()>> {
    let mut response = Response::new(());
    let mut at = line(&head, 0)?;
    *response.version_mut() = match head.get(7)? {
        b'0' => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let status = StatusCode::from_bytes(head.get(REASON - 3..REASON)?).ok()?;
    *response.status_mut() = status;
    let reason = head[REASON..at].trim_ascii();
    if !reason.is_empty() && status.canonical_reason().map(str::as_bytes) != Some(reason) {
        let reason = ReasonPhrase::try_from(head.slice_ref(reason)).ok()?;
        response.extensions_mut().insert(reason);
    }
    let mut fields = HeaderMap::with_capacity(FIELDS);
    loop {
        let end = line(&head, at)?;
        let text = head[at..end].trim_ascii_end();
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_at(memchr(b':', text)?);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(value[1..].trim_ascii())).ok()?;
        fields.try_append(name, value).ok()?;
        at = end;
    }
    *response.headers_mut() = fields;
    if !spelling.is_plain() {
        response.extensions_mut().insert(spelling);
    }
    Some(response)
}

/// Whether nothing may follow the answer on its connection (RFC 9112 section 9.3).
pub(super) fn ends_connection(fields: &HeaderMap) -> bool {
    let options = fields.get_all(header::CONNECTION).iter();
    options
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Where the line that begins at `start` ends.
fn line(head: &[u8], start: usize) -> Option<usize> {
    Some(start + memchr(b'\n', head.get(start..)?)? + 1)
}
