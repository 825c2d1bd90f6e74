//! What a worker does not forward, and how it says so; and what it does when a peer breaks off.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dataplane::local::Limits;
use proxy::{Proxy, Rule};
use raw::{Backend, Peer, field, nobody, status};
use routetable::Timeouts;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::time::Instant;

const GET: &str = "GET / HTTP/1.1\r\nHost: test.example\r\n\r\n";

/// Says something; gives the status, the reason and the whole answer. The connection must end after
/// it if `ends`.
fn say(proxy: &Proxy, request: impl AsRef<[u8]>, ends: bool) -> (u16, Option<String>, String) {
    let mut client = Peer::connect(proxy.address);
    client.send(request);
    let (head, body) = client.answer();
    if ends {
        let rest = client.rest().map_err(|error| error.kind());
        assert_eq!(rest, Ok(vec![]), "after {head}");
    }
    let reason = field(&head, "holdfast-reason").map(str::to_owned);
    (status(&head), reason, head + &body)
}

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[
        Rule::new("/chat", &[backend.address]),
        Rule::new("/admin", &[backend.address]),
    ]);
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
    let host = "Host: test.example\r\n";
    for (request, code, reason) in [
        (get("/chat", ""), 400, "BadRequest"),
        (
            get("/chat", "Host: test.example\r\nHost: test.example\r\n"),
            400,
            "BadRequest",
        ),
        (get("/chat", "Host: test.example/evil\r\n"), 400, "BadRequest"),
        (get("/chat", "Host:\r\n"), 400, "BadRequest"),
        (get("*", host), 400, "BadRequest"),
        (get("ftp://test.example/chat", host), 400, "BadRequest"),
        (get("/chat/../admin", host), 400, "BadRequest"),
        (get("/chat/%2e%2E/admin", host), 400, "BadRequest"),
        (
            get(
                "/chat",
                "Host: test.example\r\nTransfer-Encoding: gzip, chunked\r\n",
            ),
            501,
            "NotImplemented",
        ),
        (
            get("/chat", "Host: test.example\r\nTransfer-Encoding: gzip\r\n"),
            400,
            "BadRequest",
        ),
        (
            get(
                "/chat",
                "Host: test.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            ),
            400,
            "BadRequest",
        ),
        (
            get(
                "/chat",
                "Host: test.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
            ),
            400,
            "BadRequest",
        ),
        (
            get("/chat", "Host: test.example\r\nContent-Length: +1\r\n"),
            400,
            "BadRequest",
        ),
        (
            get("/chat", "Host: test.example\r\nX-A : 1\r\n"),
            400,
            "BadRequest",
        ),
        (
            get("/chat", "Host: test.example\r\nX-A: 1\r\n folded\r\n"),
            400,
            "BadRequest",
        ),
        (
            format!("GET /chat HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n"),
            400,
            "BadRequest",
        ),
        (
            format!("CONNECT test.example:80 HTTP/1.1\r\n{host}\r\n"),
            405,
            "MethodNotAllowed",
        ),
        (
            format!("TRACE /chat HTTP/1.1\r\n{host}\r\n"),
            405,
            "MethodNotAllowed",
        ),
        (
            "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n".to_owned(),
            400,
            "BadRequest",
        ),
        (
            get(&format!("/{}", "a".repeat(17 << 10)), host),
            414,
            "UriTooLong",
        ),
        (
            get("/chat", &format!("{host}X-A: {}\r\n", "a".repeat(70 << 10))),
            431,
            "HeadTooLarge",
        ),
        (
            get("/chat", &format!("{host}{}", "X-A: 1\r\n".repeat(101))),
            431,
            "HeadTooLarge",
        ),
    ] {
        let start: String = request.chars().take(120).collect();
        let (got, why, answer) = say(&proxy, &request, true);
        assert_eq!((got, why.as_deref()), (code, Some(reason)), "{start}");
        assert_eq!(field(&answer, "server"), Some("holdfast"), "{start}");
        assert!(
            field(&answer, "date").is_some() && answer.contains(reason),
            "{answer}"
        );
        assert_eq!(field(&answer, "allow").is_some(), code == 405);
    }
    assert_eq!(backend.connections(), 0);
}

#[test]
fn content_length_beside_chunked_is_refused_and_the_connection_ends() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    for fields in [
        "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n0\r\n\r\n{GET}");
        let (code, reason, _) = say(&proxy, request, true);
        assert_eq!((code, reason.as_deref()), (400, Some("BadRequest")));
    }
    assert_eq!(backend.connections(), 0);
}

#[test]
fn no_route_keeps_the_connection() {
    let proxy = Proxy::start(&[Rule::new("/", &[])]);
    let mut client = Peer::connect(proxy.address);
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n");
        let (head, _) = client.answer();
        assert_eq!(
            (status(&head), field(&head, "holdfast-reason")),
            (404, Some("NoRoute"))
        );
    }
    client.send(GET);
    let (head, _) = client.answer();
    assert_eq!(
        (status(&head), field(&head, "holdfast-reason")),
        (503, Some("NoReadyEndpoints"))
    );
    assert!(field(&head, "retry-after").is_some());
}

fn impatient() -> Timeouts {
    Timeouts {
        connect: Duration::from_millis(200),
        handshake: Duration::from_millis(500),
        ..Timeouts::default()
    }
}

#[test]
fn endpoints_that_can_not_be_connected() {
    let proxy = Proxy::start(&[Rule::new("/", &[nobody(), nobody()])]);
    let (code, reason, _) = say(&proxy, GET, false);
    assert_eq!((code, reason.as_deref()), (502, Some("ConnectFailed")));

    // A listener whose queue is full: the kernel answers no further SYN.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    deaf.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    deaf.listen(0).unwrap();
    let address = deaf.local_addr().unwrap().as_socket().unwrap();
    let _queued: Vec<_> = (0..8)
        .map_while(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
        .collect();
    let proxy = Proxy::start(&[Rule::new("/", &[address]).timeouts(impatient())]);
    let (code, reason, _) = say(&proxy, GET, false);
    assert_eq!((code, reason.as_deref()), (504, Some("ConnectTimeout")));
}

#[test]
fn answers_that_are_none_are_not_passed_on() {
    for answer in [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Half: ",
    ] {
        let backend = Backend::start(move |_, mut peer| {
            peer.head();
            peer.send(answer);
        });
        let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
        let (code, reason, _) = say(&proxy, GET, false);
        assert_eq!(
            (code, reason.as_deref()),
            (502, Some("BadUpstreamResponse")),
            "{answer}"
        );
    }
}

#[test]
fn a_silent_backend_is_not_waited_for() {
    let backend = Backend::start(|_, mut peer| {
        peer.rest().ok();
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).timeouts(impatient())]);
    let (code, reason, _) = say(&proxy, GET, false);
    assert_eq!((code, reason.as_deref()), (504, Some("HandshakeTimeout")));
}

#[test]
fn a_long_upload_has_all_its_time_and_a_stalled_one_has_not() {
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            let length = field(&head, "content-length").unwrap().parse().unwrap();
            peer.take(length);
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address]).timeouts(impatient())]);
    let mut client = Peer::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(150));
        client.send("x");
    }
    assert_eq!(status(&client.answer().0), 200);
    let stalled = "POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 8\r\n\r\nhalf";
    let (code, reason, _) = say(&proxy, stalled, true);
    assert_eq!((code, reason.as_deref()), (408, Some("RequestTimeout")));
}

#[test]
fn a_body_that_is_not_framed_properly_is_the_clients_fault() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        peer.rest().ok();
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let bad =
        "POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n";
    let (code, reason, _) = say(&proxy, bad, true);
    assert_eq!((code, reason.as_deref()), (400, Some("BadRequest")));
}

#[test]
fn cut_answers_end_in_an_error() {
    let backend = Backend::start(|_, mut peer| {
        let head = peer.head().unwrap();
        if head.starts_with("GET /sized") {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
        } else {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    for path in ["/sized", "/chunked"] {
        let mut client = Peer::connect(proxy.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n"));
        let head = client.head().unwrap();
        let body = client.rest().unwrap_or_default();
        assert!(body.len() < 20 && !body.ends_with(b"0\r\n\r\n"), "{head}{body:?}");
        // Without a length or chunks, only a reset tells the cut from the end.
        let mut old = Peer::connect(proxy.address);
        old.send("GET /chunked HTTP/1.0\r\nHost: test.example\r\n\r\n");
        assert_eq!(old.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn an_unframed_answer_that_was_reset_does_not_end_cleanly_though_its_request_meets_that_first() {
    let (tell, told) = mpsc::sync_channel(1);
    let backend = Backend::start(move |_, mut peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        // Until everything on the way to the client is full, so that nobody reads the end.
        peer.stream
            .set_write_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        while peer.stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
        SockRef::from(&peer.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        tell.send(()).unwrap();
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000\r\n\r\n");
    client.head().unwrap();
    told.recv_timeout(raw::PATIENCE).unwrap();
    client.send([0; 1000]);
    // Nothing tells when that has met the reset.
    thread::sleep(Duration::from_millis(100));
    let body = client.rest().unwrap_or_default();
    let end = &body[body.len().saturating_sub(20)..];
    assert!(!end.ends_with(b"0\r\n\r\n"), "{}", end.escape_ascii());
}

#[test]
fn slow_heads_are_answered_and_idle_connections_closed() {
    let limits = Limits {
        header_timeout: Duration::from_millis(300),
        keepalive_timeout: Duration::from_millis(900),
        ..Limits::default()
    };
    let backend = Backend::mirror();
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], limits);
    let (code, reason, _) = say(&proxy, "GET / HTTP/1.1\r\nHost: te", true);
    assert_eq!((code, reason.as_deref()), (408, Some("RequestTimeout")));
    assert_eq!(Peer::connect(proxy.address).rest().unwrap(), b"");
    let mut client = Peer::connect(proxy.address);
    client.send(GET);
    client.answer();
    let since = Instant::now();
    assert_eq!(client.rest().unwrap(), b"");
    assert!(
        since.elapsed() > Duration::from_millis(800),
        "{:?}",
        since.elapsed()
    );
    // The second head is slow, not the pause before it.
    let mut client = Peer::connect(proxy.address);
    client.send(GET);
    client.answer();
    client.send("GET / HT");
    let (head, _) = client.answer();
    assert_eq!(status(&head), 408);
}

#[test]
fn a_client_that_does_not_read_its_answer_is_not_waited_for() {
    let limits = Limits {
        write_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let (left, heard) = std::sync::mpsc::sync_channel(1);
    let backend = Backend::start(move |_, mut peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while peer.stream.write_all(&[b'x'; 65_536]).is_ok() {}
        left.send(()).unwrap();
    });
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], limits);
    let mut client = Peer::connect(proxy.address);
    client.send(GET);
    heard.recv_timeout(Duration::from_secs(10)).unwrap();
    let record = proxy.record();
    assert_eq!(record["status"], 200);
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    let backend = Backend::mirror();
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], limits);
    let mut first = Peer::connect(proxy.address);
    first.send(GET);
    first.answer();
    let mut second = Peer::connect(proxy.address);
    second.send(GET);
    second
        .stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let early = second.rest().unwrap_err().kind();
    assert_eq!(early, ErrorKind::WouldBlock);
    drop(first);
    second.stream.set_read_timeout(Some(raw::PATIENCE)).unwrap();
    assert_eq!(status(&second.answer().0), 200);
}

#[test]
fn every_request_leaves_one_record() {
    let (reached, never) = std::sync::mpsc::sync_channel(1);
    let backend = Backend::start(move |_, mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("POST") {
                peer.take(5);
            }
            if head.starts_with("GET /never") {
                reached.send(()).unwrap();
                peer.rest().ok();
                return;
            }
            peer.send("HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\ncreated");
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("POST /a?secret=1 HTTP/1.1\r\nHost: test.example\r\nContent-Length: 5\r\n\r\nhello");
    client.answer();
    client.send("GET /b HTTP/1.1\r\nHost: nowhere.example\r\n\r\n");
    client.answer();
    client.send("GET /never HTTP/1.1\r\nHost: test.example\r\n\r\n");
    never.recv_timeout(raw::PATIENCE).unwrap();
    drop(client);
    say(&proxy, "nonsense\r\n\r\n", true);
    let mut records: Vec<serde_json::Value> = (0..4).map(|_| proxy.record()).collect();
    records.sort_by_key(|record| record["id"].as_u64());
    let backend = backend.address.to_string();
    for (record, (path, status, reason, endpoint, up, down)) in records.iter().zip([
        (Some("/a"), 201, None, Some(backend.as_str()), 5, 7),
        (Some("/b"), 404, Some("NoRoute"), None, 0, 57),
        (Some("/never"), 499, None, Some(backend.as_str()), 0, 0),
        (None, 400, Some("BadRequest"), None, 0, 66),
    ]) {
        assert_eq!(record["path"].as_str(), path, "{record}");
        assert_eq!(record["status"], status, "{record}");
        assert_eq!(record["reason"].as_str(), reason, "{record}");
        assert_eq!(record["endpoint"].as_str(), endpoint, "{record}");
        assert_eq!(record["bytes_to_upstream"], up, "{record}");
        assert_eq!(
            record["bytes_to_client"].as_u64().map(|n| n.min(50)),
            Some(down.min(50)),
            "{record}"
        );
    }
}

#[test]
fn many_slow_heads_neither_reach_a_backend_nor_hold_up_others() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut slow: Vec<_> = (0..200).map(|_| Peer::connect(proxy.address)).collect();
    for part in ["GET / HT", "TP/1.1\r\nHost: te", "st.example\r\nX: "] {
        slow.iter_mut().for_each(|client| client.send(part));
    }
    let mut client = Peer::connect(proxy.address);
    for _ in 0..20 {
        client.send(GET);
        assert_eq!(status(&client.answer().0), 200);
    }
    assert_eq!(backend.connections(), 1, "only the quick one came through");
    slow[199].send("\r\n\r\n");
    assert_eq!(status(&slow[199].answer().0), 200);
}

#[test]
fn a_bad_chunk_breaks_both_sides_while_the_answer_is_under_way() {
    let (ended, heard) = std::sync::mpsc::sync_channel(1);
    let backend = Backend::start(move |_, mut peer| {
        peer.head();
        peer.take("5\r\nhello\r\n".len());
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        ended.send(peer.rest().unwrap_or_default()).unwrap();
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert_eq!(status(&client.head().unwrap()), 200);
    client.take("4\r\nhalf\r\n".len());
    client.send("5\nhello\r\n0\r\n\r\n");
    assert_eq!(heard.recv_timeout(raw::PATIENCE).unwrap(), b"", "no clean end");
    assert_eq!(client.rest().unwrap_or_default(), b"", "no clean end");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let (told, heard) = std::sync::mpsc::sync_channel(10);
    let backend = Backend::start(move |_, mut peer| {
        while let Some(head) = peer.head() {
            match field(&head, "content-length") {
                Some(length) => drop(peer.take(length.parse().unwrap())),
                None => return told.send(peer.rest().unwrap_or_default()).unwrap(),
            }
            peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    let limits = Limits {
        max_body_size: Some(1000),
        ..Limits::default()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], limits);
    let post = |framing: &str| format!("POST / HTTP/1.1\r\nHost: test.example\r\n{framing}\r\n\r\n");
    let refused = |request: String| {
        let (code, reason, _) = say(&proxy, request, true);
        assert_eq!((code, reason.as_deref()), (413, Some("BodyTooLarge")));
    };
    refused(post("Content-Length: 1001"));
    assert_eq!(backend.connections(), 0, "not begun");
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    refused(post("Transfer-Encoding: chunked") + &chunk + &chunk + "1\r\nx\r\n0\r\n\r\n");
    let got = heard.recv_timeout(raw::PATIENCE).unwrap();
    assert!(!got.ends_with(b"0\r\n\r\n"), "a clean end");
    let (code, ..) = say(&proxy, post("Content-Length: 1000") + &"x".repeat(1000), false);
    assert_eq!(code, 204);
}
