//! Request lines, line ends, sizes.

use super::{HOST, Row, get, line, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = line_ends();
    rows.extend(versions());
    rows.extend(methods());
    rows.extend(targets());
    rows.extend(other_protocols());
    rows.extend(sizes());
    rows
}

fn line_ends() -> Vec<Row> {
    let lf = "RFC 9112 §2.2; bare LF research (HTTP Garden)";
    let cr = "RFC 9112 §2.2; bare CR research (HTTP Garden)";
    vec![
        row(
            "LF ends the request line",
            lf,
            format!("GET / HTTP/1.1\n{HOST}\r\n"),
        )
        .refused(400),
        row(
            "LF ends a field",
            lf,
            format!("GET / HTTP/1.1\r\n{HOST}X: y\n\r\n"),
        )
        .refused(400),
        row("LF ends the head", lf, format!("GET / HTTP/1.1\r\n{HOST}\n")).refused(400),
        row("LF ends every line", lf, "GET / HTTP/1.1\nHost: test.example\n\n").refused(400),
        row(
            "LF CR instead of CR LF",
            lf,
            "GET / HTTP/1.1\n\rHost: test.example\n\r\n\r",
        )
        .refused(400),
        row(
            "CR ends the request line",
            cr,
            format!("GET / HTTP/1.1\r{HOST}\r\n"),
        )
        .refused(400),
        row(
            "CR ends a field",
            cr,
            format!("GET / HTTP/1.1\r\n{HOST}X: y\rY: z\r\n\r\n"),
        )
        .refused(400),
        row(
            "CR CR LF ends a field",
            cr,
            format!("GET / HTTP/1.1\r\n{HOST}X: y\r\r\n\r\n"),
        )
        .refused(400),
        row(
            "CR CR LF ends the head",
            cr,
            format!("GET / HTTP/1.1\r\n{HOST}\r\r\n"),
        )
        .refused(400),
        row("CR in the target", cr, line("GET /a\rb HTTP/1.1")).refused(400),
        row("LF in the target", lf, line("GET /a\nb HTTP/1.1")).refused(400),
        row(
            "one blank line before the request",
            "RFC 9112 §2.2",
            format!("\r\n{}", get("")),
        )
        .passes("GET / HTTP/1.1"),
        row(
            "two blank lines before the request",
            "RFC 9112 §2.2, bounded by us",
            format!("\r\n\r\n{}", get("")),
        )
        .refused(400),
        row("a bare LF before the request", lf, format!("\n{}", get(""))).refused(400),
        row("a bare CR before the request", cr, format!("\r{}", get(""))).refused(400),
        row(
            "a space before the request",
            "RFC 9112 §3",
            format!(" {}", get("")),
        )
        .refused(400),
        row(
            "a blank line with a space in it",
            "RFC 9112 §2.2",
            format!(" \r\n{}", get("")),
        )
        .refused(400),
    ]
}

fn versions() -> Vec<Row> {
    let bad = "RFC 9112 §2.3";
    let other = "RFC 9110 §15.6.6";
    let mut rows = vec![
        row(
            "HTTP/1.0 goes on as HTTP/1.1",
            "RFC 9110 §6.2",
            line("GET / HTTP/1.0"),
        )
        .passes("GET / HTTP/1.1")
        .closes(),
    ];
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/9.9"] {
        rows.push(
            row(
                format!("version {version}"),
                other,
                line(&format!("GET / {version}")),
            )
            .refused(505),
        );
    }
    for version in [
        "http/1.1",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/ 1.1",
        "HTTP/1,1",
        "HTTP/1.1.1",
        "HTTP/1.x",
        "HTTPS/1.1",
        "HTPP/1.1",
        "HTTP/-1.1",
        "HTTP/1.1 ",
        "HTTP/1.1\t",
        "HTTP/1.1 HTTP/1.1",
        "HTTP/1.1\0",
    ] {
        let name = format!("version '{}'", version.escape_default());
        rows.push(row(name, bad, line(&format!("GET / {version}"))).refused(400));
    }
    rows.push(
        row(
            "HTTP/0.9 has no version",
            "RFC 1945 §4.1; HTTP Garden",
            "GET /\r\n\r\n",
        )
        .refused(400),
    );
    rows.push(row("a space where the version was", "RFC 9112 §3", line("GET / ")).refused(400));
    rows
}

fn methods() -> Vec<Row> {
    let token = "RFC 9110 §9.1";
    let words = "RFC 9112 §3";
    let mut rows = vec![
        row("a method of its own", token, line("PURGE / HTTP/1.1")).passes("PURGE / HTTP/1.1"),
        row("case counts in methods", token, line("get / HTTP/1.1")).passes("get / HTTP/1.1"),
        row(
            "odd token octets in a method",
            token,
            line("M!#$%&'*+-.^_`|~ / HTTP/1.1"),
        )
        .passes("M!#$%&'*+-.^_`|~ / HTTP/1.1"),
        row(
            "CONNECT",
            "behaviours 13",
            line("CONNECT test.example:80 HTTP/1.1"),
        )
        .refused(405),
        row("CONNECT with a path", "behaviours 13", line("CONNECT / HTTP/1.1")).refused(405),
        row("TRACE", "behaviours 13", line("TRACE / HTTP/1.1")).refused(405),
        row("two spaces before the target", words, line("GET  / HTTP/1.1")).refused(400),
        row("two spaces before the version", words, line("GET /  HTTP/1.1")).refused(400),
        row("tabs between the words", words, line("GET\t/\tHTTP/1.1")).refused(400),
        row(
            "a vertical tab between the words",
            words,
            line("GET\x0b/ HTTP/1.1"),
        )
        .refused(400),
        row("no target", words, line("GET HTTP/1.1")).refused(400),
        row("a word too many", words, line("GET / /smuggled HTTP/1.1")).refused(400),
        row("nothing but a word", words, line("GET")).refused(400),
        row("NUL in the method", "RFC 9110 §9.1", line("G\0ET / HTTP/1.1")).refused(400),
    ];
    for method in [
        "GET:", "(GET)", "\"GET\"", "GE,T", "GET\x7f", "GÄT", "G@T", "{GET}",
    ] {
        let name = format!("method {}", method.escape_default());
        rows.push(row(name, token, line(&format!("{method} / HTTP/1.1"))).refused(400));
    }
    rows
}

fn targets() -> Vec<Row> {
    let verbatim = "behaviours 14";
    let form = "RFC 9112 §3.2";
    vec![
        row("dot segments stay", verbatim, line("GET /a/../b/./c HTTP/1.1"))
            .passes("GET /a/../b/./c HTTP/1.1"),
        row("encoded dots stay", verbatim, line("GET /a/%2e%2E/x HTTP/1.1"))
            .passes("GET /a/%2e%2E/x HTTP/1.1"),
        row(
            "encoded dots that leave the root",
            "behaviours 14",
            line("GET /%2e%2e/x HTTP/1.1"),
        )
        .refused(400),
        row("an encoded slash stays", verbatim, line("GET /a%2Fb HTTP/1.1")).passes("GET /a%2Fb HTTP/1.1"),
        row("an encoded NUL stays", verbatim, line("GET /a%00b HTTP/1.1")).passes("GET /a%00b HTTP/1.1"),
        row(
            "encoded line ends stay",
            "behaviours 14; response splitting",
            line("GET /a%0d%0aX:%20y HTTP/1.1"),
        )
        .passes("GET /a%0d%0aX:%20y HTTP/1.1"),
        row(
            "an encoded percent stays",
            verbatim,
            line("GET /%252e%252e HTTP/1.1"),
        )
        .passes("GET /%252e%252e HTTP/1.1"),
        row("a broken escape stays", verbatim, line("GET /%zz% HTTP/1.1")).passes("GET /%zz% HTTP/1.1"),
        row("slashes are not merged", verbatim, line("GET //a///b HTTP/1.1")).passes("GET //a///b HTTP/1.1"),
        row(
            "parameters and a query stay",
            verbatim,
            line("GET /a;b=c?d=e?f&g=%26 HTTP/1.1"),
        )
        .passes("GET /a;b=c?d=e?f&g=%26 HTTP/1.1"),
        row(
            "an absolute target becomes a path",
            "RFC 9112 §3.2.2",
            "GET http://test.example/x?y HTTP/1.1\r\nHost: test.example\r\n\r\n",
        )
        .passes("GET /x?y HTTP/1.1")
        .has("host", "test.example"),
        row(
            "an absolute target beats Host",
            "RFC 9112 §3.2.2; behaviours 10",
            "GET http://test.example:81/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        )
        .passes("GET / HTTP/1.1")
        .has("host", "test.example:81"),
        row(
            "an absolute target without a path",
            "RFC 9112 §3.2.1",
            line("GET http://test.example HTTP/1.1"),
        )
        .passes("GET / HTTP/1.1"),
        row(
            "a scheme in capitals",
            "RFC 3986 §3.1",
            line("GET HTTP://test.example/x HTTP/1.1"),
        )
        .passes("GET /x HTTP/1.1"),
        row(
            "an absolute target with a user",
            "RFC 9110 §4.2.4",
            line("GET http://a@test.example/ HTTP/1.1"),
        )
        .refused(400),
        row(
            "an absolute target of another scheme",
            form,
            line("GET ftp://test.example/ HTTP/1.1"),
        )
        .refused(400),
        row(
            "an absolute target without Host",
            "RFC 9112 §3.2",
            "GET http://test.example/ HTTP/1.1\r\n\r\n",
        )
        .refused(400),
        row(
            "an absolute target with a bad Host",
            "RFC 9112 §3.2",
            "GET http://test.example/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        )
        .refused(400),
        row("odd /a\"b", "RFC 3986 §2", line("GET /a\"b HTTP/1.1")).passes("GET /a\"b HTTP/1.1"),
        row("odd /a<b>", "RFC 3986 §2", line("GET /a<b> HTTP/1.1")).refused(400),
        row(
            "a backslash in the path",
            "RFC 3986 §2",
            line("GET /a\\b HTTP/1.1"),
        )
        .refused(400),
        row("odd /a^b", "RFC 3986 §2", line("GET /a^b HTTP/1.1")).passes("GET /a^b HTTP/1.1"),
        row("odd /a`b", "RFC 3986 §2", line("GET /a`b HTTP/1.1")).refused(400),
        row("odd /a{b}|c", "RFC 3986 §2", line("GET /a{b}|c HTTP/1.1")).passes("GET /a{b}|c HTTP/1.1"),
        row(
            "an absolute target with a query only",
            "RFC 9112 §3.2.2",
            line("GET http://test.example?x HTTP/1.1"),
        )
        .refused(400),
        row(
            "a backslash in the query",
            "WHATWG URL: browsers send it",
            line("GET /a?b=\\c`d HTTP/1.1"),
        )
        .passes("GET /a?b=\\c`d HTTP/1.1"),
        row(
            "an encoded backslash",
            "behaviours 14",
            line("GET /a%5C..%5Cb HTTP/1.1"),
        )
        .passes("GET /a%5C..%5Cb HTTP/1.1"),
        row(
            "an authority is for CONNECT",
            form,
            line("GET test.example:80 HTTP/1.1"),
        )
        .refused(400),
        row("a path without its slash", form, line("GET x/y HTTP/1.1")).refused(400),
        row("an asterisk", form, line("OPTIONS * HTTP/1.1")).refused(400),
        row(
            "a fragment",
            "RFC 9112 §3.2",
            line("GET /public#/../private HTTP/1.1"),
        )
        .refused(400),
        row("raw UTF-8 in the target", "RFC 3986 §2", line("GET /ä HTTP/1.1")).refused(400),
        row("NUL in the target", "RFC 3986 §2", line("GET /a\0b HTTP/1.1")).refused(400),
        row("DEL in the target", "RFC 3986 §2", line("GET /a\x7fb HTTP/1.1")).refused(400),
        row("a tab in the target", "RFC 3986 §2", line("GET /a\tb HTTP/1.1")).refused(400),
    ]
}

fn other_protocols() -> Vec<Row> {
    vec![
        row(
            "the preface of HTTP/2",
            "RFC 9113 §3.4",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        )
        .refused(505),
        row(
            "a TLS hello",
            "ALPACA (2021)",
            b"\x16\x03\x01\x00\x05hello\r\n\r\n",
        )
        .refused(400),
        row("SMTP", "ALPACA (2021)", "EHLO test.example\r\n").refused(400),
        row("SSH", "ALPACA (2021)", "SSH-2.0-OpenSSH_9.9\r\n").refused(400),
        row(
            "a PROXY header that nobody asked for",
            "PROXY protocol §2",
            format!("PROXY TCP4 6.6.6.6 7.7.7.7 1 2\r\n{}", get("")),
        )
        .refused(400),
        row(
            "FastCGI",
            "ALPACA (2021)",
            b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\n",
        )
        .refused(400),
    ]
}

fn sizes() -> Vec<Row> {
    let source = "behaviours 17";
    let long = |len: usize| "a".repeat(len);
    vec![
        row(
            "a target that is too long",
            source,
            line(&format!("GET /{} HTTP/1.1", long(16 << 10))),
        )
        .refused(414),
        row(
            "a target without an end",
            source,
            format!("GET /{}", long(20 << 10)),
        )
        .refused(414),
        row("a method without an end", source, long(20 << 10)).refused(414),
        row(
            "a field that is too long",
            source,
            get(&format!("X: {}\r\n", long(70 << 10))),
        )
        .refused(431),
        row(
            "a name without an end",
            source,
            format!("GET / HTTP/1.1\r\n{HOST}{}", long(70 << 10)),
        )
        .refused(431),
        row(
            "fields that are too long together",
            source,
            get(&format!("X: {}\r\n", long(1000)).repeat(70)),
        )
        .refused(431),
        row("100 fields", source, get(&"X: y\r\n".repeat(99))).passes("GET / HTTP/1.1"),
        row("101 fields", source, get(&"X: y\r\n".repeat(100))).refused(431),
        row(
            "a field of 32 kB",
            source,
            get(&format!("X: {}\r\n", long(32 << 10))),
        )
        .passes("GET / HTTP/1.1"),
    ]
}
