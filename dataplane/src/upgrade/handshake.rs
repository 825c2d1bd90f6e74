//! The two heads of a WebSocket handshake (RFC 6455 section 4), as a proxy must read them.
//!
//! Pure. Stricter than Envoy, Traefik and ingress-nginx, which take any 101: an answer that the
//! client would not accept, or that belongs to another request, opens nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

use crate::error::{Reason, Refusal};
use crate::http::header::{has_token, remove_hop_by_hop, single, tokens};

/// The only upgrade that goes on.
const WEBSOCKET: &str = "websocket";
/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a client asked for, as far as the answer depends on it.
#[derive(Clone, Debug)]
pub struct Offer {
    key: HeaderValue,
    subprotocols: Vec<HeaderValue>,
    /// The client asked by an extended CONNECT, to which every 2xx says yes.
    connect: bool,
}

/// What the endpoint agreed to, as far as the session depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// An extension is in use, so that reserved bits may be set.
    pub extensions: bool,
}

/// Whether a request asks for a WebSocket; `has_body` tells of the request's body.
///
/// What asks for another protocol, or in a way that HTTP does not know (another method, HTTP/1.0,
/// no `Connection: upgrade`), is a plain request: its upgrade ends here.
///
/// # Errors
/// It asks for a WebSocket, but breaks RFC 6455.
pub fn read<B>(request: &Request<B>, has_body: bool) -> Result<Option<Offer>, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET
        || request.version() != Version::HTTP_11
        || !has_token(headers, &header::CONNECTION, "upgrade")
        || !has_token(headers, &header::UPGRADE, WEBSOCKET)
    {
        return Ok(None);
    }
    let bad = |detail: &'static str| Err(Refusal::new(Reason::BadHandshake, detail));
    if has_body {
        return bad("a WebSocket handshake must not have a body");
    }
    version(headers)?;
    let Some(key) = single(headers, &header::SEC_WEBSOCKET_KEY) else {
        return bad("`Sec-WebSocket-Key` must be sent once");
    };
    if STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16) {
        return Ok(Some(Offer {
            key: key.clone(),
            subprotocols: subprotocols(headers),
            connect: false,
        }));
    }
    bad("`Sec-WebSocket-Key` must be 16 bytes in base64")
}

/// Turns an extended CONNECT for a WebSocket (RFC 8441 section 5) into the GET that an endpoint gets. It has
/// no key of the client's, so `nonce` is ours.
///
/// # Errors
/// It breaks RFC 6455.
pub fn from_connect(parts: &mut Parts, nonce: [u8; 16]) -> Result<Offer, Refusal> {
    let headers = &mut parts.headers;
    version(headers)?;
    let key = HeaderValue::try_from(STANDARD.encode(nonce))
        .map_err(|_| Refusal::new(Reason::Internal, "a key could not be made"))?;
    headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
    headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    // RFC 9110 section 9.3.6: neither has a body.
    headers.remove(header::CONTENT_LENGTH);
    parts.method = Method::GET;
    Ok(Offer {
        key,
        subprotocols: subprotocols(headers),
        connect: true,
    })
}

fn version(headers: &HeaderMap) -> Result<(), Refusal> {
    match single(headers, &header::SEC_WEBSOCKET_VERSION) {
        Some(version) if version == "13" => Ok(()),
        Some(_) => {
            let detail = "`Sec-WebSocket-Version` must be '13'";
            Err(Refusal::new(Reason::UpgradeRequired, detail))
        }
        None => {
            let detail = "`Sec-WebSocket-Version` must be sent once";
            Err(Refusal::new(Reason::BadHandshake, detail))
        }
    }
}

fn subprotocols(headers: &HeaderMap) -> Vec<HeaderValue> {
    let fields = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    fields.iter().cloned().collect()
}

/// Turns the GET for an endpoint into an extended CONNECT (RFC 8441 section 5), but for what every request of HTTP/2
/// lacks or has elsewhere.
pub fn to_connect<B>(request: &mut Request<B>) {
    // A length, be it 0, would be that of the session.
    for name in [header::SEC_WEBSOCKET_KEY, header::CONTENT_LENGTH, header::EXPECT] {
        request.headers_mut().remove(name);
    }
    *request.method_mut() = Method::CONNECT;
    request.extensions_mut().insert(Protocol::from_static(WEBSOCKET));
}

/// Whether this answer to an extended CONNECT may come from something that takes WebSockets, but by GET alone: a library
/// or a router that finds the method wrong, or the fields of the upgrade missing.
pub fn may_not_know(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 404 | 405 | 426 | 501 | 505)
}

/// Turns the 200 for an extended CONNECT, which was judged, into the 101 that answers `offer` (RFC 6455 section 4.2.2).
pub fn to_switched<B>(offer: &Offer, response: &mut Response<B>) {
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.version_mut() = Version::HTTP_11;
    // Base64 is a value.
    if let Ok(accept) = HeaderValue::try_from(accept_for(&offer.key)) {
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
}

/// Turns a 101 that was judged into the 200 for an extended CONNECT (RFC 8441 section 5).
pub fn to_connected(response: &mut Response<()>) {
    let headers = response.headers_mut();
    remove_hop_by_hop(headers);
    headers.remove(header::SEC_WEBSOCKET_ACCEPT);
    *response.status_mut() = StatusCode::OK;
}

/// Writes the two fields that name the upgrade, the same in the request as in the 101; both are
/// hop-by-hop, so that each connection gets its own.
pub fn set_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

/// Judges the head of a 101.
///
/// # Errors
/// It does not answer this request; the text says why.
pub fn judge_switched(offer: &Offer, headers: &HeaderMap) -> Result<Agreement, &'static str> {
    let upgrade = single(headers, &header::UPGRADE);
    if !upgrade.is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())) {
        return Err("the backend's 101 does not have `Upgrade: websocket`");
    }
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err("the backend's 101 does not have `Connection: Upgrade`");
    }
    let accept = single(headers, &header::SEC_WEBSOCKET_ACCEPT);
    match accept {
        None => return Err("the backend's 101 does not have one `Sec-WebSocket-Accept`"),
        Some(accept) if accept != &accept_for(&offer.key) => {
            return Err("the backend's `Sec-WebSocket-Accept` does not belong to this request's key");
        }
        Some(_) => {}
    }
    judge_connected(offer, headers)
}

/// Judges the head of a 200 for an extended CONNECT, where the stream says whose answer it is.
///
/// # Errors
/// As [`judge_switched`].
pub fn judge_connected(offer: &Offer, headers: &HeaderMap) -> Result<Agreement, &'static str> {
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        let chosen = single(headers, &header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
        if !chosen.is_some_and(|chosen| offer.offers(chosen)) {
            return Err("the backend chose a subprotocol that was not offered");
        }
    }
    Ok(Agreement {
        extensions: tokens(headers, &header::SEC_WEBSOCKET_EXTENSIONS)
            .next()
            .is_some(),
    })
}

impl Offer {
    /// Whether an answer that is no 101 would be taken for one.
    pub fn mistakes(&self, status: StatusCode) -> bool {
        self.connect && status.is_success()
    }

    fn offers(&self, subprotocol: &str) -> bool {
        self.subprotocols
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|offered| offered.trim() == subprotocol)
    }
}

fn accept_for(key: &HeaderValue) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests;
