//! Content-Length and Transfer-Encoding.

use super::{HOST, Row, chunked, get, post, raw, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = lengths();
    rows.extend(codings());
    rows.extend(hidden());
    rows
}

const POST: &str = "POST / HTTP/1.1";

fn lengths() -> Vec<Row> {
    let number = "RFC 9110 §8.6; HTTP Garden";
    let twice = "RFC 9112 §6.3; CL.CL";
    let of = |fields: &str| post(fields, "hello");
    let mut rows = vec![
        row("a length", number, of("Content-Length: 5\r\n"))
            .passes_with(POST, "hello")
            .has("content-length", "5"),
        row(
            "a length with whitespace around it",
            number,
            of("Content-Length: \t5\t \r\n"),
        )
        .passes_with(POST, "hello")
        .has("content-length", "5"),
        row(
            "a length with leading zeros",
            "RFC 9110 §8.6; octal readers",
            of("Content-Length: 0005\r\n"),
        )
        .passes_with(POST, "hello")
        .has("content-length", "5"),
        row(
            "a length under an odd spelling",
            "RFC 9110 §5.1",
            of("cOnTeNt-lEnGtH: 5\r\n"),
        )
        .passes_with(POST, "hello")
        .has("content-length", "5"),
        row("no length at all", "RFC 9112 §6.3", post("", ""))
            .passes(POST)
            .lacks("transfer-encoding"),
        row("a length of nothing", number, post("Content-Length: 0\r\n", ""))
            .passes(POST)
            .has("content-length", "0"),
        row(
            "a GET with a body",
            "RFC 9110 §9.3.1; CL.0",
            format!("{}hello", get("Content-Length: 5\r\n")),
        )
        .passes_with("GET / HTTP/1.1", "hello"),
        row(
            "a HEAD with a body",
            "RFC 9110 §9.3.2",
            format!("HEAD / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello"),
        )
        .passes_with("HEAD / HTTP/1.1", "hello"),
        row(
            "a length in HTTP/1.0",
            "RFC 9112 §6.3",
            format!("POST / HTTP/1.0\r\n{HOST}Content-Length: 5\r\n\r\nhello"),
        )
        .passes_with(POST, "hello")
        .closes(),
        row(
            "a length twice, the same",
            twice,
            of("Content-Length: 5\r\nContent-Length: 5\r\n"),
        )
        .refused(400),
        row(
            "a length twice, more behind",
            twice,
            of("Content-Length: 0\r\nContent-Length: 5\r\n"),
        )
        .refused(400),
        row(
            "a length twice, less behind",
            twice,
            of("Content-Length: 5\r\nContent-Length: 0\r\n"),
        )
        .refused(400),
        row(
            "a length twice, one empty",
            twice,
            of("Content-Length:\r\nContent-Length: 5\r\n"),
        )
        .refused(400),
        row(
            "a body shorter than its length",
            "RFC 9112 §8",
            post("Content-Length: 500\r\n", "hell\n"),
        )
        .cut(POST),
        row(
            "a body of which nothing came",
            "RFC 9112 §8",
            post("Content-Length: 5\r\n", ""),
        )
        .cut(POST),
    ];
    for length in [
        "",
        "+5",
        "-5",
        "-0",
        "5,5",
        "5, 5",
        "5,6",
        "5,",
        ",5",
        "0x5",
        "5.0",
        "5e0",
        "5 5",
        "5;",
        "\"5\"",
        "'5'",
        "0_5",
        "5\x0b",
        "5\x0c",
        "٥",
        "five",
        "5\u{a0}",
        "9223372036854775808",
        "18446744073709551621",
        "99999999999999999999999999",
        "5\0",
    ] {
        let name = format!("length '{}'", length.escape_default());
        rows.push(row(name, number, of(&format!("Content-Length: {length}\r\n"))).refused(400));
    }
    rows
}

fn codings() -> Vec<Row> {
    let exactly = "RFC 9112 §6.1; TE.TE, HTTP Desync Attacks (Kettle 2019)";
    let unknown = "RFC 9112 §6.1: 501";
    let body = "5\r\nhello\r\n0\r\n\r\n";
    let of = |fields: &str| post(fields, body);
    let te = |value: &str| of(&format!("Transfer-Encoding: {value}\r\n"));
    let mut rows = vec![
        row("chunked", "RFC 9112 §7.1", chunked(body))
            .passes_with(POST, "hello")
            .has("transfer-encoding", "chunked"),
        row("chunked in capitals", exactly, te("CHUNKED"))
            .passes_with(POST, "hello")
            .has("transfer-encoding", "chunked"),
        row(
            "chunked behind a tab",
            exactly,
            of("Transfer-Encoding:\tchunked\r\n"),
        )
        .passes_with(POST, "hello")
        .has("transfer-encoding", "chunked"),
        row(
            "chunked behind nothing",
            exactly,
            of("Transfer-Encoding:chunked\r\n"),
        )
        .passes_with(POST, "hello")
        .has("transfer-encoding", "chunked"),
        row(
            "a chunked GET",
            "RFC 9110 §9.3.1",
            format!("GET / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{body}"),
        )
        .passes_with("GET / HTTP/1.1", "hello"),
        row(
            "chunked in HTTP/1.0",
            "RFC 9112 §6.1",
            format!("POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{body}"),
        )
        .refused(400),
        row(
            "chunked on two lines",
            exactly,
            of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        )
        .refused(400),
        row(
            "chunked, then another",
            exactly,
            of("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        )
        .refused(400),
        row(
            "chunked, then nothing",
            exactly,
            of("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n"),
        )
        .refused(400),
        row(
            "another, then chunked",
            unknown,
            of("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n"),
        )
        .refused(501),
        row("gzip, chunked", unknown, te("gzip, chunked")).refused(501),
        row("identity, chunked", unknown, te("identity, chunked")).refused(501),
        row(
            "CL.TE",
            "RFC 9112 §6.1; HTTP Request Smuggling (Watchfire 2005)",
            of("Content-Length: 15\r\nTransfer-Encoding: chunked\r\n"),
        )
        .refused(400),
        row(
            "TE.CL",
            "RFC 9112 §6.1; HTTP Desync Attacks (Kettle 2019)",
            of("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
        )
        .refused(400),
        row(
            "TE beside a length of nothing",
            "TE.0 (2024)",
            of("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        )
        .refused(400),
        row(
            "a coding under another name",
            exactly,
            get("Content-Encoding: chunked\r\nTE: chunked\r\n"),
        )
        .passes("GET / HTTP/1.1")
        .lacks("transfer-encoding"),
    ];
    for value in [
        "",
        "x",
        "xchunked",
        "chunkedx",
        "chunke",
        "gzip",
        "identity",
        "chunked, identity",
        "chunked, chunked",
        ",chunked",
        "chunked,",
        "chunked;q=1",
        "\"chunked\"",
        "'chunked'",
        "chun ked",
        "chunked\x0b",
        "\x0bchunked",
        "chunked\0",
        "chunked chunked",
        "chunked\u{a0}",
        "chunKed",
        "cow, \tchunked x",
    ] {
        let name = format!("coding '{}'", value.escape_default());
        // The Kelvin sign is a k in Unicode only.
        let value = value.replace("chunKed", "chun\u{212a}ed");
        rows.push(row(name, exactly, te(&value)).refused(400));
    }
    rows
}

/// Framing fields that some parsers see and others do not.
fn hidden() -> Vec<Row> {
    let source = "HTTP Desync Attacks (Kettle 2019); HTTP/1.1 must die (Kettle 2025)";
    let chunked = "0\r\n\r\n";
    vec![
        row(
            "a space before the length's colon",
            source,
            post("Content-Length : 5\r\n", "hello"),
        )
        .refused(400),
        row(
            "a space before the coding's colon",
            source,
            post("Transfer-Encoding : chunked\r\n", chunked),
        )
        .refused(400),
        row(
            "a tab before the coding's colon",
            source,
            post("Transfer-Encoding\t: chunked\r\n", chunked),
        )
        .refused(400),
        row(
            "a coding that is folded away",
            source,
            post("X: y\r\n Transfer-Encoding: chunked\r\n", chunked),
        )
        .refused(400),
        row(
            "a coding on the folded line",
            source,
            post("Transfer-Encoding:\r\n chunked\r\n", chunked),
        )
        .refused(400),
        row(
            "a length on the folded line",
            source,
            post("Content-Length:\r\n 5\r\n", "hello"),
        )
        .refused(400),
        row(
            "a coding behind a bare LF",
            source,
            post("X: y\nTransfer-Encoding: chunked\r\n", chunked),
        )
        .refused(400),
        row(
            "a coding behind a bare CR",
            source,
            post("X: y\rTransfer-Encoding: chunked\r\n", chunked),
        )
        .refused(400),
        row(
            "a coding that ends in a bare CR",
            source,
            post("Transfer-Encoding: chunked\r\r\n", chunked),
        )
        .refused(400),
        row(
            "a coding with NUL in its name",
            source,
            raw(b"Transfer-Encoding\0: chunked\r\n"),
        )
        .refused(400),
        row(
            "a coding with obs-text in its name",
            source,
            raw(b"Transfer-Encoding\xff: chunked\r\n"),
        )
        .refused(400),
        row(
            "a coding behind obs-text",
            source,
            raw(b"Transfer-Encoding: \xffchunked\r\n"),
        )
        .refused(400),
        row(
            "a length behind a quote",
            source,
            post("X: \"\r\nContent-Length: 5\r\nY: \"\r\n", "hello"),
        )
        .passes_with(POST, "hello"),
        row(
            "a length in a field's value",
            source,
            get("X: y Content-Length: 5\r\n"),
        )
        .passes("GET / HTTP/1.1")
        .lacks("content-length"),
    ]
}

impl Row {
    /// Reaches the backend, and then the client is gone: no answer to it, no clean end for the backend.
    fn cut(mut self, line: &'static str) -> Self {
        self.finish = true;
        self = self.breaks(line, "");
        self
    }
}
