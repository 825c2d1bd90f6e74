//! Field lines, Host, and what imitates other fields.

use super::{HOST, Row, get, post, raw, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = names();
    rows.extend(values());
    rows.extend(hosts());
    rows.extend(imitations());
    rows
}

fn names() -> Vec<Row> {
    let colon = "RFC 9112 §5.1; CVE-2019-16869 (netty), CVE-2021-22959 (node)";
    let fold = "RFC 9112 §5.2; obs-fold, HTTP Desync Attacks (Kettle 2019)";
    let token = "RFC 9110 §5.1";
    let mut rows = vec![
        row("a space before the colon", colon, get("X : y\r\n")).refused(400),
        row("a tab before the colon", colon, get("X\t: y\r\n")).refused(400),
        row(
            "a space before Host's colon",
            colon,
            "GET / HTTP/1.1\r\nHost : test.example\r\n\r\n",
        )
        .refused(400),
        row("a space within a name", token, get("X Y: z\r\n")).refused(400),
        row(
            "a space before the first field",
            "RFC 9112 §2.2",
            "GET / HTTP/1.1\r\n Host: test.example\r\n\r\n",
        )
        .refused(400),
        row("a folded value", fold, get("X: y\r\n z\r\n")).refused(400),
        row("a value folded by a tab", fold, get("X: y\r\n\tz\r\n")).refused(400),
        row("a fold with nothing in it", fold, get("X: y\r\n \r\n")).refused(400),
        row(
            "a fold that hides Host",
            fold,
            "GET / HTTP/1.1\r\nX: y\r\n Host: evil\r\nHost: test.example\r\n\r\n",
        )
        .refused(400),
        row("no colon", "RFC 9112 §5", get("X\r\n")).refused(400),
        row("no name", "RFC 9112 §5; CVE-2023-25725 (HAProxy)", get(": y\r\n")).refused(400),
        row(
            "no name, to hide what follows",
            "CVE-2023-25725 (HAProxy)",
            post(":\r\nContent-Length: 5\r\n", "hello"),
        )
        .refused(400),
        row("the request line again", "RFC 9112 §5", get("GET / HTTP/1.1\r\n")).refused(400),
        row("names keep their octets", token, get("x!#$%&'*+-.^_`|~9: y\r\n"))
            .passes("GET / HTTP/1.1")
            .has("x!#$%&'*+-.^_`|~9", "y"),
    ];
    for name in [
        &b"X(Y)"[..],
        b"X\"Y\"",
        b"X/Y",
        b"X@Y",
        b"X[Y]",
        b"X\x7fY",
        b"X\xe4Y",
        b"X\0Y",
        b"X,Y",
        b"X;Y",
        b"X\x0bY",
    ] {
        let title = format!("name {}", name.escape_ascii());
        rows.push(row(title, token, raw(&[name, b": y\r\n"].concat())).refused(400));
    }
    rows
}

fn values() -> Vec<Row> {
    let octets = "RFC 9110 §5.5";
    let mut rows = vec![
        row("an empty value", octets, get("X:\r\n"))
            .passes("GET / HTTP/1.1")
            .has("x", ""),
        row(
            "whitespace around a value",
            "RFC 9112 §5.1",
            get("X: \t y \t \r\n"),
        )
        .passes("GET / HTTP/1.1")
        .has("x", "y"),
        row("a tab within a value", octets, get("X: y\tz\r\n"))
            .passes("GET / HTTP/1.1")
            .has("x", "y\tz"),
        row("UTF-8 in a value", octets, get("X: ä\r\n"))
            .passes("GET / HTTP/1.1")
            .has("x", "ä"),
        row("colons within a value", octets, get("X:: y: z\r\n"))
            .passes("GET / HTTP/1.1")
            .has("x", ": y: z"),
        row(
            "a second field of a name",
            "RFC 9110 §5.3",
            get("X-Once: y\r\nX-Twice: 1\r\nX-Twice: 2\r\n"),
        )
        .passes("GET / HTTP/1.1")
        .has("x-once", "y"),
    ];
    for (name, octet) in [
        ("NUL", 0),
        ("BEL", 7),
        ("BS", 8),
        ("VT", 11),
        ("FF", 12),
        ("ESC", 27),
        ("DEL", 127),
    ] {
        let title = format!("{name} in a value");
        rows.push(row(title, octets, raw(&[b"X: y", &[octet][..], b"z\r\n"].concat())).refused(400));
    }
    rows
}

fn hosts() -> Vec<Row> {
    let source = "RFC 9112 §3.2; behaviours 10; Host of Troubles (2016)";
    let with = |hosts: &str| format!("GET / HTTP/1.1\r\n{hosts}\r\n");
    let mut rows = vec![
        row("no Host", source, with("")).refused(400),
        row("no Host in HTTP/1.0", "behaviours 10", "GET / HTTP/1.0\r\n\r\n").refused(400),
        row("Host twice, the same", source, with(&HOST.repeat(2))).refused(400),
        row(
            "Host twice, another first",
            source,
            with(&format!("Host: evil\r\n{HOST}")),
        )
        .refused(400),
        row(
            "Host twice, another last",
            source,
            with(&format!("{HOST}hOST: evil\r\n")),
        )
        .refused(400),
        row("Host with a port", source, with("Host: test.example:8080\r\n"))
            .passes("GET / HTTP/1.1")
            .has("host", "test.example:8080"),
        row("Host in capitals", source, with("Host: TEST.Example\r\n"))
            .passes("GET / HTTP/1.1")
            .has("host", "TEST.Example"),
        row("Host behind a tab", source, with("Host:\ttest.example\r\n"))
            .passes("GET / HTTP/1.1")
            .has("host", "test.example"),
    ];
    for host in [
        "",
        "test.example, evil",
        "test.example/evil",
        "evil@test.example",
        "test.example evil",
        "test.example\tevil",
        "test.example:80:80",
        "test.example:",
        "test.example:http",
        "test.example:99999",
        "[::1",
        "test.exämple",
        "test.example#",
        "test.example?x",
        "test.example\\evil",
        ".test.example",
        "http://test.example",
        "*.example",
        "test.example%2eevil",
    ] {
        let name = format!("Host '{}'", host.escape_default());
        rows.push(row(name, source, with(&format!("Host: {host}\r\n"))).refused(400));
    }
    rows
}

fn imitations() -> Vec<Row> {
    let underscore = "behaviours 13; CGI's HTTP_ names";
    let claim = "behaviours 12";
    let mut rows = Vec::new();
    for (name, lacks) in [
        ("Content_Length", "content_length"),
        ("Transfer_Encoding", "transfer_encoding"),
        ("X_Forwarded_For", "x_forwarded_for"),
        ("X-Forwarded_Proto", "x-forwarded_proto"),
        ("X_Real_IP", "x_real_ip"),
        ("Sec_WebSocket_Key", "sec_websocket_key"),
        ("Host_", ""),
    ] {
        let wanted = row(
            format!("look-alike {name}"),
            underscore,
            get(&format!("{name}: 5\r\n")),
        )
        .passes("GET / HTTP/1.1");
        rows.push(if lacks.is_empty() {
            wanted.has("host_", "5")
        } else {
            wanted.lacks(lacks)
        });
    }
    for name in ["X-Forwarded-For", "X-Real-IP"] {
        // Checked of every request.
        rows.push(
            row(
                format!("a claim in {name}"),
                claim,
                get(&format!("{name}: 6.6.6.6\r\n")),
            )
            .passes("GET / HTTP/1.1"),
        );
    }
    rows.push(
        row("a claimed scheme", claim, get("X-Forwarded-Proto: https\r\n"))
            .passes("GET / HTTP/1.1")
            .has("x-forwarded-proto", "http"),
    );
    rows.push(
        row("a claimed host", claim, get("X-Forwarded-Host: evil\r\n"))
            .passes("GET / HTTP/1.1")
            .has("x-forwarded-host", "test.example"),
    );
    rows.push(
        row("a claimed prefix", claim, get("X-Forwarded-Prefix: /evil\r\n"))
            .passes("GET / HTTP/1.1")
            .lacks("x-forwarded-prefix"),
    );
    rows.push(
        row(
            "a claim in Forwarded",
            "RFC 7239 §8.1",
            get("Forwarded: for=6.6.6.6\r\n"),
        )
        .passes("GET / HTTP/1.1")
        .has("forwarded", "for=127.0.0.1;host=\"test.example\";proto=http"),
    );
    rows
}
