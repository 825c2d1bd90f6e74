//! What comes behind an answer, or belongs to none: it reaches nobody, and the connection is not used again.

use super::{HEAD, Row, chunked, ok, row};

pub(super) fn rows() -> Vec<Row> {
    let source = "RFC 9112 §9.2; behaviours 15; response queue poisoning (Kettle 2021)";
    let evil = ok("Content-Length: 4\r\n", "evil");
    let good = ok("Content-Length: 5\r\n", "hello");
    vec![
        row(
            "bytes behind a length",
            source,
            ok("Content-Length: 5\r\n", "hello!"),
        )
        .passes(200, "hello"),
        row("an answer behind a length", source, format!("{good}{evil}")).passes(200, "hello"),
        row("a blank line behind a length", source, format!("{good}\r\n")).passes(200, "hello"),
        row(
            "bytes behind a length of nothing",
            source,
            ok("Content-Length: 0\r\n", "evil"),
        )
        .passes(200, ""),
        row(
            "an answer behind chunks",
            source,
            format!("{}{evil}", chunked("5\r\nhello\r\n0\r\n\r\n")),
        )
        .passes(200, "hello"),
        row(
            "an answer behind trailers",
            source,
            format!("{}{evil}", chunked("5\r\nhello\r\n0\r\nX: y\r\n\r\n")),
        )
        .passes(200, "hello"),
        row(
            "a body behind 204",
            source,
            "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil",
        )
        .passes(204, ""),
        row(
            "chunks behind 204",
            source,
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        )
        .passes(204, ""),
        row(
            "a body behind 304",
            source,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil",
        )
        .passes(304, ""),
        row(
            "an answer behind 304",
            source,
            format!("HTTP/1.1 304 Not Modified\r\n\r\n{evil}"),
        )
        .passes(304, ""),
        row("a body behind an answer to HEAD", source, good.clone())
            .to(HEAD)
            .passes(200, ""),
        row(
            "chunks behind an answer to HEAD",
            source,
            chunked("4\r\nevil\r\n0\r\n\r\n"),
        )
        .to(HEAD)
        .passes(200, ""),
        row(
            "an interim answer behind an answer",
            source,
            format!("{good}HTTP/1.1 100 Continue\r\n\r\n"),
        )
        .passes(200, "hello"),
        row("an answer that comes late", source, good.clone())
            .late(&evil)
            .passes(200, "hello"),
        row("a byte that comes late", source, good.clone())
            .late("\0")
            .passes(200, "hello"),
        row("an interim answer that comes late", source, good.clone())
            .late("HTTP/1.1 103 Early Hints\r\n\r\n")
            .passes(200, "hello"),
        row("408 that comes late", "RFC 9110 §15.5.9", good)
            .late("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .passes(200, "hello"),
    ]
    .into_iter()
    .map(Row::dropped)
    .collect()
}
