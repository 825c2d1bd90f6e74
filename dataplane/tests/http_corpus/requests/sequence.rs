//! Several requests in one stream: where one ends and what the next then is.

use super::{HOST, Row, chunked, get, post, row};

const GET: &str = "GET / HTTP/1.1";
const POST: &str = "POST / HTTP/1.1";

pub(super) fn rows() -> Vec<Row> {
    let pipeline = "RFC 9112 §9.3.2";
    let lines = "RFC 9112 §2.2";
    let smuggle = "HTTP Desync Attacks (Kettle 2019)";
    let second = format!("GET /second HTTP/1.1\r\n{HOST}\r\n");
    let then = |first: String, second: &str| format!("{first}{second}");
    let ws = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    vec![
        row("two requests", pipeline, then(get(""), &second))
            .passes(GET)
            .passes("GET /second HTTP/1.1"),
        row("ten requests", pipeline, get("").repeat(10))
            .passes(GET)
            .passes(GET)
            .passes(GET)
            .passes(GET)
            .passes(GET)
            .passes(GET)
            .passes(GET)
            .passes(GET)
            .passes(GET)
            .passes(GET),
        row(
            "a request behind a length",
            pipeline,
            then(post("Content-Length: 5\r\n", "hello"), &second),
        )
        .passes_with(POST, "hello")
        .passes("GET /second HTTP/1.1"),
        row(
            "a request behind chunks",
            pipeline,
            then(chunked("5\r\nhello\r\n0\r\n\r\n"), &second),
        )
        .passes_with(POST, "hello")
        .passes("GET /second HTTP/1.1"),
        row(
            "a request behind trailers",
            pipeline,
            then(chunked("0\r\nX-End: 1\r\n\r\n"), &second),
        )
        .passes(POST)
        .passes("GET /second HTTP/1.1"),
        row(
            "a request behind a length of nothing",
            "CL.0; Browser-Powered Desync (Kettle 2022)",
            then(post("Content-Length: 0\r\n", ""), &second),
        )
        .passes(POST)
        .passes("GET /second HTTP/1.1"),
        row(
            "a request that is a body",
            smuggle,
            post("Content-Length: 44\r\n", &second),
        )
        .passes_with(POST, &second),
        row(
            "a request behind a blank line",
            lines,
            then(post("Content-Length: 5\r\n", "hello\r\n"), &second),
        )
        .passes_with(POST, "hello")
        .passes("GET /second HTTP/1.1"),
        row(
            "a request behind two blank lines",
            lines,
            then(get(""), &format!("\r\n\r\n{second}")),
        )
        .passes(GET)
        .refused(400),
        row("a blank line and no request", lines, then(get(""), "\r\n")).passes(GET),
        row(
            "a second request that is none",
            smuggle,
            then(get(""), "nonsense\r\n\r\n"),
        )
        .passes(GET)
        .refused(400),
        row(
            "a second request with LF",
            smuggle,
            then(get(""), "GET /second HTTP/1.1\nHost: test.example\n\n"),
        )
        .passes(GET)
        .refused(400),
        row(
            "a second request of another version",
            "RFC 9113 §3.4",
            then(get(""), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        )
        .passes(GET)
        .refused(505),
        row(
            "a second request with two lengths",
            smuggle,
            then(
                get(""),
                &post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ),
        )
        .passes(GET)
        .refused(400),
        row(
            "a second request that is too large",
            "behaviours 17",
            then(get(""), &format!("GET /{} HTTP/1.1\r\n", "a".repeat(20 << 10))),
        )
        .passes(GET)
        .refused(414),
        row(
            "a body that is longer than its length",
            smuggle,
            then(post("Content-Length: 4\r\n", "hello"), &second),
        )
        .passes_with(POST, "hell")
        .passes_odd(),
        row(
            "CL.TE before a request",
            smuggle,
            then(
                post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
                &second,
            ),
        )
        .refused(400),
        row(
            "TE.TE before a request",
            smuggle,
            then(
                post(
                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n",
                    "0\r\n\r\n",
                ),
                &second,
            ),
        )
        .refused(400),
        row(
            "an unknown coding before a request",
            "RFC 9112 §6.1",
            then(post("Transfer-Encoding: cow, chunked\r\n", "0\r\n\r\n"), &second),
        )
        .refused(501),
        row(
            "another expectation before a request",
            "0.CL; HTTP/1.1 must die (Kettle 2025)",
            then(post("Expect: y\r\nContent-Length: 0\r\n", ""), &second),
        )
        .refused(417),
        row(
            "a refused method before a request",
            "behaviours 13",
            then(format!("TRACE / HTTP/1.1\r\n{HOST}\r\n"), &second),
        )
        .refused(405),
        row(
            "a bad Host before a request",
            "behaviours 9",
            then("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), &second),
        )
        .refused(400),
        row(
            "Connection: close before a request",
            "RFC 9112 §9.6",
            then(get("Connection: close\r\n"), &second),
        )
        .passes(GET)
        .closes(),
        row(
            "HTTP/1.0 before a request",
            "RFC 9112 §9.3",
            then(format!("GET / HTTP/1.0\r\n{HOST}\r\n"), &second),
        )
        .passes(GET)
        .closes(),
        row(
            "an unknown host before a request",
            "behaviours 10",
            then(
                "GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n".to_owned(),
                &second,
            ),
        )
        .answered(404)
        .passes("GET /second HTTP/1.1"),
        row(
            "an upgrade that is declined before a request",
            "behaviours 3; websocket smuggling (0ang3el 2019)",
            then(get(ws), &second),
        )
        .declined(GET),
        row(
            "an upgrade that is declined before frames",
            "behaviours 3",
            then(get(ws), "\u{1}\0\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        )
        .declined(GET),
    ]
}

impl Row {
    /// Answered by us, and the connection goes on.
    fn answered(mut self, code: u16) -> Self {
        self.got.push(code);
        self
    }

    /// What is left over of a body is part of the next method.
    fn passes_odd(self) -> Self {
        self.passes("oGET /second HTTP/1.1")
    }

    /// Reaches the backend as an upgrade, which that declines: the connection ends.
    fn declined(mut self, line: &'static str) -> Self {
        self = self.passes(line).closes();
        self.seen.last_mut().unwrap().upgrade = true;
        self
    }
}
