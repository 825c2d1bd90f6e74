//! Fields that end here, upgrades that do not go on, expectations.

use super::{HOST, Row, get, post, row};

const GET: &str = "GET / HTTP/1.1";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = connection();
    rows.extend(upgrades());
    rows.extend(expectations());
    rows
}

fn connection() -> Vec<Row> {
    let hop = "RFC 9110 §7.6.1";
    let hide = "behaviours 11; hop-by-hop abuse (Davison 2019)";
    let named = |name: &str, field: &str| get(&format!("Connection: close, {name}\r\n{field}"));
    let mut rows = Vec::new();
    // What must be gone is checked of every request.
    for field in [
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers, deflate",
        "Trailer: X-End",
        "Proxy-Authorization: Basic eA==",
    ] {
        rows.push(row(format!("hop-by-hop '{field}'"), hop, get(&format!("{field}\r\n"))).passes(GET));
    }
    rows.extend([
        row(
            "a field that Connection names",
            hop,
            get("Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 1\r\n"),
        )
        .passes(GET)
        .lacks("x-hop")
        .has("x-end", "1"),
        row(
            "fields that Connection names on two lines",
            hop,
            get("Connection: X-A,, x-b\r\nConnection: \tX-C\r\nX-A: 1\r\nX-B: 1\r\nX-C: 1\r\n"),
        )
        .passes(GET)
        .lacks("x-a")
        .lacks("x-b")
        .lacks("x-c"),
        row(
            "Connection with what is no token",
            hop,
            get("Connection: \"X-Hop\", @\r\nX-Hop: 1\r\n"),
        )
        .passes(GET)
        .has("x-hop", "1"),
        row("Connection: close", "RFC 9112 §9.6", get("Connection: close\r\n"))
            .passes(GET)
            .closes(),
        row(
            "Connection: keep-alive in HTTP/1.0",
            "RFC 9112 §9.3",
            format!("GET / HTTP/1.0\r\n{HOST}Connection: keep-alive\r\n\r\n"),
        )
        .passes(GET),
        row("Connection names Host", hide, named("Host", ""))
            .passes(GET)
            .has("host", "test.example")
            .closes(),
        row(
            "Connection names the forwarding fields",
            hide,
            named(
                "X-Forwarded-For, X-Real-IP, Forwarded, X-Forwarded-Proto",
                "X-Forwarded-For: 6.6.6.6\r\n",
            ),
        )
        .passes(GET)
        .has("x-forwarded-proto", "http")
        .closes(),
        row(
            "Connection names Content-Type",
            hide,
            named("Content-Type", "Content-Type: text/plain\r\n"),
        )
        .passes(GET)
        .has("content-type", "text/plain")
        .closes(),
        row(
            "Connection names the length",
            hide,
            post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"),
        )
        .passes_with("POST / HTTP/1.1", "hello")
        .has("content-length", "5"),
        row(
            "Connection names the coding",
            hide,
            post(
                "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
            ),
        )
        .passes_with("POST / HTTP/1.1", "hello")
        .has("transfer-encoding", "chunked"),
        row(
            "Connection names a handshake's field",
            hide,
            named("Sec-WebSocket-Key", "Sec-WebSocket-Key: x\r\n"),
        )
        .passes(GET)
        .has("sec-websocket-key", "x")
        .closes(),
    ]);
    rows
}

fn upgrades() -> Vec<Row> {
    let h2c = "behaviours 2; h2c smuggling (Bishop Fox 2020)";
    let ws = "behaviours 1";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let offer = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{key}");
    vec![
        row(
            "an offer of h2c",
            h2c,
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        )
        .passes(GET),
        row(
            "an offer of h2c that Connection does not name",
            h2c,
            get("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        )
        .passes(GET),
        row(
            "an offer of TLS",
            "RFC 2817",
            get("Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"),
        )
        .passes(GET),
        row(
            "an offer of WebSocket that Connection does not name",
            ws,
            get(&format!("Upgrade: websocket\r\n{key}")),
        )
        .passes(GET),
        row(
            "an offer of WebSocket by POST",
            ws,
            post(&format!("{offer}Content-Length: 0\r\n"), ""),
        )
        .passes("POST / HTTP/1.1"),
        row(
            "an offer of WebSocket in HTTP/1.0",
            ws,
            format!("GET / HTTP/1.0\r\n{HOST}{offer}\r\n"),
        )
        .passes(GET)
        .closes(),
        row(
            "an offer of WebSocket with a body",
            "RFC 6455 §4.1",
            format!("{}hello", get(&format!("{offer}Content-Length: 5\r\n"))),
        )
        .refused(400),
        row(
            "an offer of WebSocket with chunks",
            "RFC 6455 §4.1",
            format!(
                "{}0\r\n\r\n",
                get(&format!("{offer}Transfer-Encoding: chunked\r\n"))
            ),
        )
        .refused(400),
        row(
            "an offer of WebSocket with h2c and no key",
            h2c,
            get("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n"),
        )
        .refused(400),
        row(
            "an offer of an old WebSocket",
            "RFC 6455 §4.4",
            get(&offer.replace("13", "8")),
        )
        .refused(426),
    ]
}

fn expectations() -> Vec<Row> {
    let source = "RFC 9110 §10.1.1; Expect-based desync (Kettle 2025)";
    let of = |expect: &str| post(&format!("{expect}Content-Length: 5\r\n"), "hello");
    vec![
        row(
            "Expect: 100-continue",
            "behaviours 16",
            of("Expect: 100-continue\r\n"),
        )
        .passes_with("POST / HTTP/1.1", "hello")
        .has("expect", "100-continue"),
        row(
            "an expectation without a body",
            source,
            get("Expect: 100-continue\r\n"),
        )
        .passes(GET),
        row(
            "an expectation in HTTP/1.0",
            source,
            format!("POST / HTTP/1.0\r\n{HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
        )
        .passes_with("POST / HTTP/1.1", "hello")
        .lacks("expect")
        .closes(),
        row("another expectation", source, of("Expect: y\r\n")).refused(417),
        row(
            "an expectation behind a word",
            source,
            of("Expect: y 100-continue\r\n"),
        )
        .refused(417),
        row(
            "an expectation twice",
            source,
            of("Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        )
        .refused(417),
        row(
            "an expectation in a list",
            source,
            of("Expect: 100-continue, y\r\n"),
        )
        .refused(417),
        row("an empty expectation", source, of("Expect:\r\n")).refused(417),
    ]
}
