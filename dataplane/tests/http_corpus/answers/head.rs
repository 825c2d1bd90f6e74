//! Heads of answers that are none.

use super::{HEAD, Row, UPGRADE, ok, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = lines();
    rows.extend(fields());
    rows.extend(framing());
    rows.extend(ends());
    rows.extend(upgrades());
    rows
}

fn lines() -> Vec<Row> {
    let source = "RFC 9112 §4; behaviours 15";
    let ends = "RFC 9112 §2.2; behaviours 15";
    let mut rows = Vec::new();
    for line in [
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20x OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 OK",
        "HTTP/1.1",
        "HTTP/1.1200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/2 200",
        "HTTP/1.2 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "HTTP 200 OK",
        "ICY 200 OK",
        " HTTP/1.1 200 OK",
        "200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\x1bK",
        "HTTP/1.1 200 O\rK",
        "XHTTP/1.1 200 OK",
    ] {
        let name = format!("status line '{}'", line.escape_default());
        rows.push(row(name, source, format!("{line}\r\nContent-Length: 0\r\n\r\n")));
    }
    rows.extend([
        row(
            "LF ends the status line",
            ends,
            "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        ),
        row(
            "LF ends an answer's field",
            ends,
            "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 0\r\n\r\n",
        ),
        row(
            "LF ends an answer's head",
            ends,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        ),
        row(
            "LF ends every line of an answer",
            ends,
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        ),
        row(
            "CR CR LF ends an answer's field",
            ends,
            ok("Content-Length: 0\r\r\n", ""),
        ),
        row(
            "a blank line before an answer",
            ends,
            format!("\r\n{}", ok("Content-Length: 0\r\n", "")),
        ),
        row(
            "an answer without a head",
            "HTTP/0.9",
            "<html>hello</html>\r\n\r\n",
        ),
    ]);
    rows
}

fn fields() -> Vec<Row> {
    let name = "RFC 9112 §5.1";
    let fold = "RFC 9112 §5.2";
    let octets = "RFC 9110 §5.5; behaviours 15";
    let with = |field: &str| ok(&format!("{field}\r\nContent-Length: 0\r\n"), "");
    let mut rows = vec![
        row("a space before an answer's colon", name, with("X : y")),
        row(
            "a space before the answer's length's colon",
            "RFC 9112 §5.1; CVE-2019-16276 (Go)",
            ok("Content-Length : 0\r\n", ""),
        ),
        row("a folded value in an answer", fold, with("X: y\r\n z")),
        row("a value folded by a tab in an answer", fold, with("X: y\r\n\tz")),
        row("a space before an answer's first field", fold, with(" X: y")),
        row("no colon in an answer's field", name, with("X")),
        row("no name in an answer's field", name, with(": y")),
        row("an odd name in an answer", name, with("X(Y): z")),
        row(
            "101 fields in an answer",
            "behaviours 15",
            with("X: y\r\n".repeat(100).trim_end()),
        ),
        row(
            "an answer's head that is too large",
            "behaviours 15",
            with(&format!("X: {}", "y".repeat(70 << 10))),
        ),
        row(
            "an answer's head without an end",
            "behaviours 15",
            format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(70 << 10)),
        ),
        row(
            "a reason without an end",
            "behaviours 15",
            format!("HTTP/1.1 200 {}", "y".repeat(70 << 10)),
        ),
    ];
    for (octet, title) in [
        ('\0', "NUL"),
        ('\x0b', "VT"),
        ('\r', "CR"),
        ('\x7f', "DEL"),
        ('\x08', "BS"),
    ] {
        rows.push(row(
            format!("{title} in an answer's value"),
            octets,
            with(&format!("X: y{octet}z")),
        ));
    }
    rows
}

fn framing() -> Vec<Row> {
    let source = "RFC 9112 §6.3; response smuggling (Doyhenard 2021)";
    let body = "5\r\nhello\r\n0\r\n\r\n";
    let mut rows = Vec::new();
    for length in [
        "",
        "+5",
        "-5",
        "5,6",
        "5,",
        "0x5",
        "5x",
        "5 5",
        "5.0",
        "99999999999999999999",
    ] {
        let name = format!("an answer's length '{length}'");
        rows.push(row(
            name,
            source,
            ok(&format!("Content-Length: {length}\r\n"), "hello"),
        ));
    }
    for coding in [
        "gzip",
        "gzip, chunked",
        "identity",
        "chunked, chunked",
        "chunked, identity",
        ",chunked",
        "\"chunked\"",
        "chunked;q=1",
        "chun ked",
        "",
        "xchunked",
    ] {
        let name = format!("an answer's coding '{coding}'");
        rows.push(row(
            name,
            source,
            ok(&format!("Transfer-Encoding: {coding}\r\n"), body),
        ));
    }
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    rows.extend([
        row("CL before TE in an answer", source, ok(both, body)),
        row(
            "TE before CL in an answer",
            source,
            ok("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body),
        ),
        row("CL and TE in an answer to HEAD", source, ok(both, "")).to(HEAD),
        row(
            "CL and TE in a 304",
            source,
            format!("HTTP/1.1 304 Not Modified\r\n{both}\r\n"),
        ),
        row(
            "two lengths in an answer",
            source,
            ok("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
        ),
        row(
            "two lengths in an answer to HEAD",
            source,
            ok("Content-Length: 5\r\nContent-Length: 6\r\n", ""),
        )
        .to(HEAD),
        row(
            "two lengths in a 204",
            source,
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        ),
        row(
            "chunked twice in an answer",
            source,
            ok(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                body,
            ),
        ),
        row(
            "chunked in an answer of HTTP/1.0",
            "RFC 9112 §6.1",
            format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
        ),
        row(
            "a coding behind LF in an answer",
            source,
            ok("X: y\nTransfer-Encoding: chunked\r\n", body),
        ),
        row(
            "an interim answer with CL and TE",
            source,
            format!(
                "HTTP/1.1 100 Continue\r\n{both}\r\n{}",
                ok("Content-Length: 0\r\n", "")
            ),
        ),
    ]);
    rows
}

fn ends() -> Vec<Row> {
    let source = "RFC 9112 §8; behaviours 15";
    let interim = "HTTP/1.1 102 Processing\r\n\r\n";
    let last = ok("Content-Length: 0\r\n", "");
    vec![
        row("no answer", source, "").closed(),
        row("half a status line", source, "HTTP/1.").closed(),
        row("half a head", source, "HTTP/1.1 200 OK\r\nX: ").closed(),
        row(
            "a head without its last line",
            source,
            "HTTP/1.1 200 OK\r\nX: y\r\n",
        )
        .closed(),
        row("a reset instead of an answer", source, "").reset(),
        row("a reset within a head", source, "HTTP/1.1 200 OK\r\nX").reset(),
        row("an interim answer and the end", source, interim).closed(),
        row(
            "an interim answer and nonsense",
            source,
            format!("{interim}nonsense\r\n\r\n"),
        ),
        row(
            "17 interim answers",
            "behaviours 15",
            format!("{}{last}", interim.repeat(17)),
        ),
        row(
            "interim answers that are too large",
            "behaviours 15",
            format!("HTTP/1.1 103 Early Hints\r\nX: {}\r\n\r\n", "y".repeat(40 << 10)).repeat(2) + &last,
        ),
        row(
            "101 that nobody asked for",
            "behaviours 4",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
        row(
            "101 of h2c that nobody asked for",
            "behaviours 4",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI",
        ),
    ]
}

/// In answers to a WebSocket handshake.
fn upgrades() -> Vec<Row> {
    let source = "behaviours 4";
    let fields =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let switch = |more: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{fields}{more}\r\n");
    [
        ("101 with LF", switch("X: y\n")),
        ("101 with NUL", switch("X: y\0\r\n")),
        ("101 with a fold", switch("X: y\r\n z\r\n")),
        (
            "101 with CL and TE",
            switch("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        ),
        ("101 of HTTP/2", switch("").replace("HTTP/1.1", "HTTP/2.0")),
        ("101 behind a blank line", format!("\r\n{}", switch(""))),
        (
            "200 with CL and TE to an upgrade",
            ok("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
    ]
    .into_iter()
    .map(|(name, reply)| {
        row(name, source, reply)
            .to(UPGRADE)
            .refused("BadUpstreamHandshake")
            .closes()
    })
    .collect()
}
