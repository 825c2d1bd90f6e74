//! Heads of requests as bytes (RFC 9112 section 3).

use http::Request;

use crate::framing::Spelling;

/// Room for most heads.
const ROOM: usize = 1 << 10;

/// The head. Names are written as the client wrote them, which matters to backends that know them by one case only.
pub(super) fn head<B>(request: &Request<B>) -> Vec<u8> {
    let spelling = request.extensions().get::<Spelling>();
    let target = request.uri().path_and_query();
    let mut head = Vec::with_capacity(ROOM);
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(target.map_or("/", |target| target.as_str()).as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        let name = name.as_str().as_bytes();
        let written = spelling.and_then(|spelling| spelling.of(name));
        head.extend_from_slice(written.unwrap_or(name));
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
