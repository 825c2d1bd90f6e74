//! Chunked bodies: the good ones arrive, the bad ones break the request of which a part has arrived.

use super::{Row, chunked, row};

const POST: &str = "POST / HTTP/1.1";
/// A chunk that is right, before one that is not.
const GOOD: &str = "5\r\nhello\r\n";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = right();
    rows.extend(wrong());
    rows
}

fn right() -> Vec<Row> {
    let source = "RFC 9112 §7.1";
    let dropped = "RFC 9112 §7.1.1 and §7.1.2; behaviours 13";
    let body = |name: &str, source, body: &str| row(name, source, chunked(body));
    vec![
        body("no chunks", source, "0\r\n\r\n").passes(POST),
        body("several chunks", source, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
            .passes_with(POST, "hello world"),
        body("a size in capitals", source, "A\r\n0123456789\r\n0\r\n\r\n").passes_with(POST, "0123456789"),
        body("a size in small letters", source, "a\r\n0123456789\r\n0\r\n\r\n")
            .passes_with(POST, "0123456789"),
        body(
            "a size with zeros before it",
            source,
            "000000000000005\r\nhello\r\n000\r\n\r\n",
        )
        .passes_with(POST, "hello"),
        body(
            "line ends within a chunk",
            source,
            "7\r\na\r\n0\r\n\r\r\n0\r\n\r\n",
        )
        .passes_with(POST, "a\r\n0\r\n\r"),
        body(
            "a request within a chunk",
            source,
            "1d\r\nGET /smuggled HTTP/1.1\r\nHost:\r\n0\r\n\r\n",
        )
        .passes_with(POST, "GET /smuggled HTTP/1.1\r\nHost:"),
        body("an extension", dropped, "5;a\r\nhello\r\n0\r\n\r\n").passes_with(POST, "hello"),
        body(
            "extensions with values",
            dropped,
            "5;a=b;c=\"d;e\"\r\nhello\r\n0;last\r\n\r\n",
        )
        .passes_with(POST, "hello"),
        body(
            "the longest extension",
            dropped,
            &format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(255)),
        )
        .passes_with(POST, "hello"),
        body(
            "trailers",
            dropped,
            "5\r\nhello\r\n0\r\nX-End: 1\r\nY-End: 2\r\n\r\n",
        )
        .passes_with(POST, "hello")
        .lacks("x-end"),
        body(
            "trailers that frame",
            dropped,
            "5\r\nhello\r\n0\r\nContent-Length: 50\r\nHost: evil\r\nTransfer-Encoding: x\r\n\r\n",
        )
        .passes_with(POST, "hello")
        .has("host", "test.example")
        .lacks("content-length"),
        body(
            "trailers that claim",
            dropped,
            "0\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: x\r\n\r\n",
        )
        .passes(POST)
        .lacks("authorization"),
    ]
}

fn wrong() -> Vec<Row> {
    let size = "RFC 9112 §7.1; HTTP Garden";
    let ends = "RFC 9112 §7.1; funky chunks (Weikop 2025)";
    let bounded = "RFC 9112 §7.1.1; CVE-2023-39326 (Go)";
    let trailer = "RFC 9112 §7.1.2";
    let long = "x".repeat(257);
    let exts = format!("1;{}\r\nz\r\n", "x".repeat(250)).repeat(34);
    let large = format!("0\r\nX: {}\r\n\r\n", "y".repeat(9000));
    let many = format!("0\r\n{}\r\n", "X: y\r\n".repeat(65));
    let rows: Vec<(&str, &str, &str)> = vec![
        ("a size that is none", size, "zz\r\nhello\r\n0\r\n\r\n"),
        ("no size", size, "\r\nhello\r\n0\r\n\r\n"),
        ("no size but an extension", size, ";a\r\nhello\r\n0\r\n\r\n"),
        ("a size with a sign", size, "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size below nothing", size, "-5\r\nhello\r\n0\r\n\r\n"),
        (
            "a size with 0x",
            "RFC 9112 §7.1; strtol, HTTP Garden",
            "0x5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "a size with an underscore",
            "HTTP Garden: int() of Python",
            "0_5\r\nhello\r\n0\r\n\r\n",
        ),
        ("a space before the size", size, " 5\r\nhello\r\n0\r\n\r\n"),
        (
            "a space behind the size",
            "RFC 9112 §7.1; HTTP Garden",
            "5 \r\nhello\r\n0\r\n\r\n",
        ),
        ("a tab behind the size", size, "5\t\r\nhello\r\n0\r\n\r\n"),
        (
            "a space before the extension",
            "RFC 9112 §7.1.1: bad whitespace",
            "5 ;a\r\nhello\r\n0\r\n\r\n",
        ),
        ("a comma behind the size", size, "5,a\r\nhello\r\n0\r\n\r\n"),
        ("NUL behind the size", size, "5\0\r\nhello\r\n0\r\n\r\n"),
        (
            "a size of 16 digits",
            "integer overflow, CVE-2013-2028 (nginx)",
            "0000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "a size that wraps around",
            "CVE-2013-2028 (nginx); HTTP Garden",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        ("LF behind the size", ends, "5\nhello\r\n0\r\n\r\n"),
        ("CR behind the size", ends, "5\rhello\r\n0\r\n\r\n"),
        ("CR CR LF behind the size", ends, "5\r\r\nhello\r\n0\r\n\r\n"),
        (
            "LF in an extension",
            "TERM.EXT (Weikop 2025)",
            "5;a\nhello\r\n0\r\n\r\n",
        ),
        (
            "CR in an extension",
            "EXT.TERM (Weikop 2025)",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
        ),
        ("NUL in an extension", bounded, "5;a\0\r\nhello\r\n0\r\n\r\n"),
        (
            "a chunk longer than its size",
            "SPILL (Weikop 2025)",
            "5\r\nhello!\r\n0\r\n\r\n",
        ),
        (
            "a chunk shorter than its size",
            "SPILL (Weikop 2025)",
            "5\r\nhell\r\n0\r\n\r\n",
        ),
        ("nothing behind a chunk", ends, "5\r\nhello0\r\n\r\n"),
        ("LF behind a chunk", ends, "5\r\nhello\n0\r\n\r\n"),
        (
            "two octets behind a chunk",
            "ONE.TWO (Weikop 2025)",
            "5\r\nhelloXX0\r\n\r\n",
        ),
        ("LF behind the last size", ends, "0\n\r\n"),
        ("LF ends the body", ends, "0\r\n\n"),
        ("CR CR LF ends the body", ends, "0\r\n\r\r\n"),
        ("a space behind the last size", ends, "0 \r\n\r\n"),
        ("the body goes on behind its end", ends, "0\r\nhello\r\n\r\n"),
        ("a folded trailer", trailer, "0\r\nX: y\r\n z\r\n\r\n"),
        ("a space before a trailer", trailer, "0\r\n X: y\r\n\r\n"),
        ("a space before a trailer's colon", trailer, "0\r\nX : y\r\n\r\n"),
        (
            "LF ends a trailer",
            "RFC 9112 §7.1.2; CVE-2022-35256 (node)",
            "0\r\nX: y\n\r\n",
        ),
        ("CR in a trailer", trailer, "0\r\nX: y\rz\r\n\r\n"),
        ("NUL in a trailer", trailer, "0\r\nX: y\0\r\n\r\n"),
        ("a trailer without a name", trailer, "0\r\n: y\r\n\r\n"),
        ("an extension that is too long", bounded, &long),
        ("extensions that are too long together", bounded, &exts),
        ("trailers that are too large", "behaviours 17", &large),
        ("trailers that are too many", "behaviours 17", &many),
    ];
    let mut rows: Vec<Row> = rows
        .into_iter()
        .map(|(name, source, then)| {
            let then = if name == "an extension that is too long" {
                format!("5;{then}\r\nhello\r\n0\r\n\r\n")
            } else {
                then.to_owned()
            };
            row(name, source, chunked(GOOD)).breaks(POST, then)
        })
        .collect();
    let mut cut = row("chunks without an end", "RFC 9112 §8", chunked(GOOD)).breaks(POST, "5\r\nhel");
    cut.finish = true;
    rows.push(cut);
    rows
}
