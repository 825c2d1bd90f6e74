//! Answers that reach the client, and what of them does not.

use super::{GET_10, HEAD, Row, UPGRADE, chunked, ok, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = bodies();
    rows.extend(heads());
    rows.extend(interim());
    rows
}

fn bodies() -> Vec<Row> {
    let source = "RFC 9112 §6.3";
    let dropped = "RFC 9112 §7.1";
    vec![
        row(
            "an answer of a length",
            source,
            ok("Content-Length: 5\r\n", "hello"),
        )
        .passes(200, "hello")
        .has("content-length", "5"),
        row("an answer of nothing", source, ok("Content-Length: 0\r\n", "")).passes(200, ""),
        row("an answer in chunks", source, chunked("5\r\nhello\r\n0\r\n\r\n"))
            .passes(200, "hello")
            .has("transfer-encoding", "chunked"),
        row(
            "an answer in many chunks",
            source,
            chunked("5\r\nhello\r\n06\r\n world\r\n0\r\n\r\n"),
        )
        .passes(200, "hello world"),
        row("an answer in chunks of nothing", source, chunked("0\r\n\r\n")).passes(200, ""),
        row(
            "chunks with extensions",
            dropped,
            chunked("5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n"),
        )
        .passes(200, "hello"),
        row(
            "chunks with trailers",
            dropped,
            chunked("5\r\nhello\r\n0\r\nX-End: 1\r\nSet-Cookie: evil\r\n\r\n"),
        )
        .passes(200, "hello")
        .lacks("set-cookie"),
        row("an answer to the connection's end", source, ok("", "hello"))
            .closed()
            .passes(200, "hello")
            .has("transfer-encoding", "chunked"),
        row(
            "an answer to the end and keep-alive",
            source,
            ok("Connection: keep-alive\r\n", "hello"),
        )
        .closed()
        .passes(200, "hello"),
        row(
            "an answer in HTTP/1.0",
            "RFC 9112 §9.3",
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        )
        .passes(200, "hello")
        .dropped(),
        row(
            "an answer in HTTP/1.0 to the end",
            "RFC 9112 §6.3",
            "HTTP/1.0 200 OK\r\n\r\nhello",
        )
        .closed()
        .passes(200, "hello"),
        row(
            "an answer in HTTP/1.0 that keeps alive",
            "RFC 9112 §9.3",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        )
        .passes(200, "hello")
        .dropped(),
        row(
            "a length to HTTP/1.0",
            "RFC 9112 §9.3",
            ok("Content-Length: 5\r\n", "hello"),
        )
        .to(GET_10)
        .passes(200, "hello")
        .closes(),
        row("204", source, "HTTP/1.1 204 No Content\r\n\r\n")
            .passes(204, "")
            .lacks("content-length")
            .lacks("transfer-encoding"),
        row(
            "204 with a length",
            "RFC 9110 §8.6",
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        )
        .passes(204, "")
        .lacks("content-length"),
        row(
            "204 that says it is chunked",
            "RFC 9112 §6.1",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .passes(204, "")
        .lacks("transfer-encoding"),
        row(
            "304 with a length",
            source,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: \"x\"\r\n\r\n",
        )
        .passes(304, "")
        .has("etag", "\"x\""),
        row("HEAD with a length", source, ok("Content-Length: 500\r\n", ""))
            .to(HEAD)
            .passes(200, "")
            .has("content-length", "500"),
        row("HEAD that says it is chunked", source, chunked(""))
            .to(HEAD)
            .passes(200, ""),
        row("HEAD without a length", "RFC 9110 §9.3.2", ok("X: y\r\n", ""))
            .to(HEAD)
            .passes(200, "")
            .lacks("content-length"),
        row(
            "a length twice in an answer, the same",
            source,
            ok("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        )
        .passes(200, "hello")
        .has("content-length", "5"),
        row(
            "a length in a list in an answer, the same",
            source,
            ok("Content-Length: 5, 5\r\n", "hello"),
        )
        .passes(200, "hello")
        .has("content-length", "5"),
        row(
            "a length with zeros before it in an answer",
            "RFC 9110 §8.6",
            ok("Content-Length: 005\r\n", "hello"),
        )
        .passes(200, "hello")
        .has("content-length", "5"),
    ]
}

fn heads() -> Vec<Row> {
    let line = "RFC 9112 §4";
    let hop = "RFC 9110 §7.6.1";
    let h2c = "behaviours 15; h2c smuggling (Bishop Fox 2020)";
    let end = "Content-Length: 0\r\n";
    let with = |fields: &str| ok(&format!("{fields}{end}"), "");
    let status = |line: &str| format!("HTTP/1.1 {line}\r\n{end}\r\n");
    vec![
        row("no reason", line, status("200 ")).passes(200, ""),
        row("no reason and no space", line, status("200")).passes(200, ""),
        row("a reason in UTF-8", line, status("200 Schön")).passes(200, ""),
        row("a redirection", "behaviours 5", "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n").passes(301, "").has("location", "/x"),
        row("a status that nobody knows", "RFC 9110 §15", status("299 Odd")).passes(299, ""),
        row("a status beyond 599", "RFC 9110 §15", status("999 Odd")).passes(999, ""),
        row("an empty value in an answer", "RFC 9110 §5.5", with("X:\r\n")).passes(200, "").has("x", ""),
        row("a tab before a value in an answer", "RFC 9110 §5.5", with("X:\ty \r\n")).passes(200, "").has("x", "y"),
        row("UTF-8 in an answer's value", "RFC 9110 §5.5", with("X: ä\r\n")).passes(200, "").has("x", "ä"),
        row("an answer's own Server", "conformance suite", with("Server: theirs\r\n")).passes(200, "").has("server", "theirs"),
        row("an answer's own Date", "RFC 9110 §6.6.1", with("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")).passes(200, "").has("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        row("an answer's Connection names a field", hop, with("Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 1\r\n")).passes(200, "").lacks("x-hop").has("x-end", "1"),
        row("an answer's Connection names the length", "behaviours 11", ok("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello")).passes(200, "hello").has("content-length", "5"),
        row("an answer that closes", hop, with("Connection: close\r\n")).passes(200, "").dropped().lacks("connection"),
        row("an answer's hop-by-hop fields", hop, with("Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: x\r\nTrailer: X-End\r\n")).passes(200, "").lacks("proxy-connection"),
        row("an answer that offers h2c", h2c, with("Connection: Upgrade\r\nUpgrade: h2,h2c\r\n")).passes(200, "").lacks("upgrade").lacks("connection"),
        row("an answer with HTTP/2's settings", h2c, with("HTTP2-Settings: AAMAAABk\r\n")).passes(200, ""),
        row("426 names WebSocket only", "RFC 9110 §15.5.22", "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\nContent-Length: 0\r\n\r\n")
            .passes(426, "")
            .has("upgrade", "websocket"),
        row("426 names another protocol", h2c, "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n").passes(426, "").lacks("upgrade"),
        row("100 fields in an answer", "behaviours 15", with(&"X: y\r\n".repeat(99))).passes(200, ""),
        row("an upgrade that is declined", "behaviours 5", "HTTP/1.1 403 No\r\nX: y\r\nContent-Length: 5\r\n\r\nhello").to(UPGRADE).passes(403, "hello").has("x", "y").dropped().closes(),
    ]
}

fn interim() -> Vec<Row> {
    let source = "RFC 9110 §15.2";
    let last = ok("Content-Length: 5\r\n", "hello");
    let before = |interim: &str| format!("{interim}{last}");
    vec![
        row(
            "100 that nobody waits for",
            source,
            before("HTTP/1.1 100 Continue\r\n\r\n"),
        )
        .passes(200, "hello"),
        row(
            "103 with fields",
            "RFC 8297",
            before("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"),
        )
        .passes(200, "hello")
        .lacks("link"),
        row(
            "an interim status that nobody knows",
            source,
            before("HTTP/1.1 199 Odd\r\n\r\n"),
        )
        .passes(200, "hello"),
        row(
            "an interim answer with a length",
            "RFC 9110 §8.6",
            before("HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n"),
        )
        .passes(200, "hello"),
        row(
            "16 interim answers",
            "behaviours 15",
            before(&"HTTP/1.1 102 Processing\r\n\r\n".repeat(16)),
        )
        .passes(200, "hello"),
        row(
            "an interim answer before 304",
            source,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
        )
        .passes(304, ""),
        row(
            "an interim answer to HEAD",
            source,
            before("HTTP/1.1 103 Early Hints\r\n\r\n").trim_end_matches("hello"),
        )
        .to(HEAD)
        .passes(200, ""),
    ]
}
