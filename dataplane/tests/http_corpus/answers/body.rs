//! Bodies that break off, or are framed wrongly: the client sees no clean end.

use super::{GET_10, Row, chunked, ok, row};

pub(super) fn rows() -> Vec<Row> {
    let cut = "RFC 9112 §8; behaviours 15";
    let size = "RFC 9112 §7.1";
    let long = "x".repeat(257);
    let mut rows = vec![
        row(
            "an answer shorter than its length",
            cut,
            ok("Content-Length: 1000\r\n", "half"),
        )
        .closed(),
        row(
            "an answer reset within its length",
            cut,
            ok("Content-Length: 1000\r\n", "half"),
        )
        .reset(),
        row(
            "an answer of which nothing came but its length",
            cut,
            ok("Content-Length: 1000\r\n", ""),
        )
        .closed(),
        row("chunks cut within one", cut, chunked("8\r\nhalf")).closed(),
        row("chunks cut behind one", cut, chunked("4\r\nhalf\r\n")).closed(),
        row("chunks cut within a size", cut, chunked("4\r\nhalf\r\n1")).closed(),
        row("chunks cut within their end", cut, chunked("4\r\nhalf\r\n0\r\n")).closed(),
        row(
            "chunks cut within trailers",
            cut,
            chunked("4\r\nhalf\r\n0\r\nX: y\r\n"),
        )
        .closed(),
        row("chunks cut for HTTP/1.0", cut, chunked("4\r\nhalf\r\n"))
            .to(GET_10)
            .closed(),
        row("chunks reset", cut, chunked("4\r\nhalf\r\n")).reset(),
    ];
    for (name, source, body) in [
        (
            "a size that is none in an answer",
            size,
            "zz\r\nevil\r\n0\r\n\r\n",
        ),
        ("no size in an answer", size, "\r\nevil\r\n0\r\n\r\n"),
        (
            "a space behind the size in an answer",
            size,
            "4 \r\nevil\r\n0\r\n\r\n",
        ),
        (
            "a space before the size in an answer",
            size,
            " 4\r\nevil\r\n0\r\n\r\n",
        ),
        ("a size with a sign in an answer", size, "+4\r\nevil\r\n0\r\n\r\n"),
        ("a size with 0x in an answer", size, "0x4\r\nevil\r\n0\r\n\r\n"),
        (
            "a size of 16 digits in an answer",
            "integer overflow, CVE-2013-2028 (nginx)",
            "0000000000000004\r\nevil\r\n0\r\n\r\n",
        ),
        (
            "LF behind the size in an answer",
            "RFC 9112 §2.2",
            "4\nevil\r\n0\r\n\r\n",
        ),
        (
            "CR behind the size in an answer",
            "RFC 9112 §2.2",
            "4\revil\r\n0\r\n\r\n",
        ),
        (
            "LF in an extension in an answer",
            "TERM.EXT (Weikop 2025)",
            "4;a\nevil\r\n0\r\n\r\n",
        ),
        (
            "CR in an extension in an answer",
            "EXT.TERM (Weikop 2025)",
            "4;a\rb\r\nevil\r\n0\r\n\r\n",
        ),
        (
            "an extension that is too long in an answer",
            "RFC 9112 §7.1.1",
            long.as_str(),
        ),
        (
            "a chunk longer than its size in an answer",
            "SPILL (Weikop 2025)",
            "4\r\nevilx\r\n0\r\n\r\n",
        ),
        (
            "a chunk shorter than its size in an answer",
            "SPILL (Weikop 2025)",
            "4\r\nevi\r\n0\r\n\r\n",
        ),
        (
            "LF behind a chunk in an answer",
            "RFC 9112 §2.2",
            "4\r\nevil\n0\r\n\r\n",
        ),
        ("LF ends the body in an answer", "RFC 9112 §2.2", "0\r\n\n"),
        (
            "a folded trailer in an answer",
            "RFC 9112 §5.2",
            "0\r\nX: y\r\n z\r\n\r\n",
        ),
        (
            "NUL in a trailer in an answer",
            "RFC 9110 §5.5",
            "0\r\nX: \0\r\n\r\n",
        ),
    ] {
        let body = if body == long {
            format!("4;{body}\r\nevil\r\n0\r\n\r\n")
        } else {
            body.to_owned()
        };
        rows.push(row(name, source, chunked("4\r\nhalf\r\n")).late(&body));
    }
    let mut rows: Vec<Row> = rows.into_iter().map(|row| row.cut(200)).collect();
    // What has not left yet does not have to.
    rows.push(row(
        "a bad size that comes with the head",
        size,
        chunked("4\r\nhalf\r\nzz\r\n"),
    ));
    rows
}
