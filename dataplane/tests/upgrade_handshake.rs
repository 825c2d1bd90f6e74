//! Upgrades through a worker, head by head (RFC 6455 section 4).
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/handshake.rs"]
mod handshake;
#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::io::{ErrorKind, Read};
use std::sync::mpsc;
use std::time::Duration;

use dataplane::local::Limits;
use handshake::{KEY, agree, ask, masked_text, text};
use proxy::{Proxy, Rule};
use raw::{Backend, PATIENCE, Peer, field, status};
use routetable::Timeouts;
use tokio::time::Instant;

fn proxy(backend: &Backend) -> Proxy {
    Proxy::start(&[Rule::new("/", &[backend.address])])
}

/// Says something, gives the answer's head and what follows up to the end.
fn say(proxy: &Proxy, request: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    let mut client = Peer::connect(proxy.address);
    client.send(request);
    let head = client.head().unwrap();
    (head, client.rest().unwrap())
}

#[test]
fn heads_pass_unchanged_but_for_the_forwarding_fields() {
    let (seen, heads) = mpsc::sync_channel(1);
    let backend = Backend::start(move |_, mut peer| {
        seen.send(peer.head().unwrap()).unwrap();
        peer.send(agree(
            "Sec-WebSocket-Protocol: superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-Theirs: 1\r\n",
        ));
        peer.rest().ok();
    });
    let proxy = proxy(&backend);
    let mut client = Peer::connect(proxy.address);
    client.send(
        ask(
            "/chat?room=1",
            "Origin: https://app.example\r\nCookie: a=b\r\nAuthorization: Basic eA==\r\nX-Forwarded-For: 6.6.6.6\r\n\
             Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        )
        .replace("Host: test.example", "Host: test.example:8080"),
    );
    let answer = client.head().unwrap();
    assert_eq!(status(&answer), 101);
    for (name, value) in [
        ("connection", Some("Upgrade")),
        ("upgrade", Some("websocket")),
        ("sec-websocket-protocol", Some("superchat")),
        ("sec-websocket-extensions", Some("permessage-deflate")),
        ("x-theirs", Some("1")),
        ("date", None),
        ("content-length", None),
    ] {
        assert_eq!(field(&answer, name), value, "{name} in {answer}");
    }
    let head = heads.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("GET /chat?room=1 HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("host", "test.example:8080"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, superchat"),
        (
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits",
        ),
        ("origin", "https://app.example"),
        ("cookie", "a=b"),
        ("authorization", "Basic eA=="),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "test.example:8080"),
    ] {
        assert_eq!(field(&head, name), Some(value), "{name} in {head}");
    }
}

#[test]
fn nothing_goes_on_before_the_101_and_everything_after() {
    let backend = Backend::start(|_, mut peer| {
        peer.head().unwrap();
        // Whatever came with the head or behind it must not be here yet.
        peer.stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let early = peer.stream.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(early, Err(ErrorKind::WouldBlock)), "{early:?}");
        peer.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.send([agree("").into_bytes(), text("from backend")].concat());
        let got = peer.take(masked_text("from client").len());
        assert_eq!(got, masked_text("from client"));
        peer.send(text("got it"));
        peer.rest().ok();
    });
    let proxy = proxy(&backend);
    let mut client = Peer::connect(proxy.address);
    client.send([ask("/", "").into_bytes(), masked_text("from client")].concat());
    assert_eq!(status(&client.head().unwrap()), 101);
    let expected = [text("from backend"), text("got it")].concat();
    assert_eq!(client.take(expected.len()), expected);
}

#[test]
fn much_that_comes_early_arrives_in_order() {
    let frames: Vec<u8> = (0..3_000)
        .flat_map(|n| masked_text(&format!("{n:0100}")))
        .collect();
    let expected = frames.clone();
    let backend = Backend::start(move |_, mut peer| {
        peer.head().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        peer.send(agree(""));
        let same = peer.take(expected.len()) == expected;
        peer.send(text(if same { "same" } else { "other" }));
        peer.rest().ok();
    });
    let proxy = proxy(&backend);
    let mut client = Peer::connect(proxy.address);
    client.send([ask("/", "").into_bytes(), frames].concat());
    assert_eq!(status(&client.head().unwrap()), 101);
    assert_eq!(client.take(text("same").len()), text("same"));
}

#[test]
fn a_101_that_does_not_answer_the_request_opens_nothing() {
    let wrong = "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let right = format!("Sec-WebSocket-Accept: {}", handshake::accept_for(KEY));
    for answer in [
        agree("").replace(&right, wrong),
        agree("").replace(&format!("{right}\r\n"), ""),
        agree("").replace("Upgrade: websocket", "Upgrade: h2c"),
        agree("").replace("Upgrade: websocket\r\n", ""),
        agree("").replace("Connection: Upgrade\r\n", ""),
        agree("Sec-WebSocket-Protocol: other\r\n"),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".into(),
        "SSH-2.0-OpenSSH_9.6\r\n\r\n".into(),
        "HTTP/1.1 101 Switching\r\nBroken Field\r\n\r\n".into(),
        String::new(),
    ] {
        let (closed, ends) = mpsc::sync_channel(1);
        let sent = answer.clone();
        let backend = Backend::start(move |_, mut peer| {
            peer.head().unwrap();
            peer.send([sent.as_bytes(), &text("secret")].concat());
            if sent.is_empty() {
                return;
            }
            closed.send(peer.rest().map(|rest| rest.len())).unwrap();
        });
        let proxy = proxy(&backend);
        let (head, rest) = say(&proxy, [ask("/", "").into_bytes(), masked_text("early")].concat());
        assert_eq!(status(&head), 502, "{answer}");
        assert_eq!(
            field(&head, "holdfast-reason"),
            Some("BadUpstreamHandshake"),
            "{answer}"
        );
        assert!(!String::from_utf8_lossy(&rest).contains("secret"), "{answer}");
        if !answer.is_empty() {
            // Dropped, without a byte of the client's.
            let end = ends.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(end, Ok(0) | Err(_)), "{answer}: {end:?}");
        }
    }
}

#[test]
fn a_declining_answer_reaches_the_client_as_it_is() {
    for (answer, code, body) in [
        (
            "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi",
            200,
            "hi",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nX-A: 1\r\nContent-Length: 6\r\n\r\ndenied",
            403,
            "denied",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n",
            404,
            "nope",
        ),
        (
            "HTTP/1.1 302 Found\r\nX-A: 1\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
            302,
            "",
        ),
        (
            "HTTP/1.1 426 Upgrade Required\r\nX-A: 1\r\nUpgrade: h2c, websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nContent-Length: 0\r\n\r\n",
            426,
            "",
        ),
        (
            "HTTP/1.1 500 Oops\r\nX-A: 1\r\nConnection: close\r\n\r\nto the end",
            500,
            "to the end",
        ),
    ] {
        let backend = Backend::start(move |_, mut peer| {
            peer.head().unwrap();
            peer.send(answer);
            if answer.contains("close") {
                peer.finish();
            }
            let rest = peer.rest().unwrap_or_default();
            assert_eq!(rest, b"", "early bytes reached the backend");
        });
        let proxy = proxy(&backend);
        let early = "GET /smuggled HTTP/1.1\r\nHost: test.example\r\n\r\n";
        let (head, rest) = say(&proxy, ask("/", "") + early);
        let rest = String::from_utf8(rest).unwrap();
        assert_eq!(status(&head), code);
        assert_eq!(field(&head, "x-a"), Some("1"), "{head}");
        let connection = if code == 426 { "close, upgrade" } else { "close" };
        assert_eq!(field(&head, "connection"), Some(connection), "{head}");
        assert_eq!(field(&head, "upgrade"), (code == 426).then_some("websocket"));
        assert_eq!(field(&head, "location").is_some(), code == 302);
        assert_eq!(field(&head, "sec-websocket-version").is_some(), code == 426);
        assert_eq!(
            rest.contains(body),
            !body.is_empty() || rest.is_empty() || body.is_empty(),
            "{rest}"
        );
        assert!(
            !rest.contains("HTTP/1.1"),
            "the early bytes became a request: {rest}"
        );
        assert_eq!(backend.connections(), 1);
    }
}

#[test]
fn slow_answers_are_waited_for_and_silence_is_not() {
    let timeouts = Timeouts {
        handshake: Duration::from_millis(600),
        ..Timeouts::default()
    };
    let slow = Backend::start(|_, mut peer| {
        let head = peer.head().unwrap();
        let delay = if head.starts_with("GET /slow") {
            300
        } else {
            60_000
        };
        std::thread::sleep(Duration::from_millis(delay));
        peer.send(agree(""));
        peer.rest().ok();
    });
    let proxy = Proxy::start(&[Rule::new("/", &[slow.address]).timeouts(timeouts)]);
    let mut client = Peer::connect(proxy.address);
    client.send(ask("/slow", ""));
    assert_eq!(status(&client.head().unwrap()), 101);
    let begun = Instant::now();
    let (head, _) = say(&proxy, ask("/silent", ""));
    assert_eq!(status(&head), 504);
    assert_eq!(field(&head, "holdfast-reason"), Some("HandshakeTimeout"));
    assert!(
        begun.elapsed() >= Duration::from_millis(550),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn other_upgrades_go_on_as_plain_requests() {
    let backend = Backend::mirror();
    let proxy = proxy(&backend);
    let fields = format!("Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n");
    for request in [
        "GET / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n{fields}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: test.example\r\nUpgrade: websocket\r\n{fields}\r\n"),
        format!("GET / HTTP/1.0\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\r\n"),
    ] {
        let mut client = Peer::connect(proxy.address);
        client.send(&request);
        let (head, seen) = client.answer();
        assert_eq!(status(&head), 200, "{request}");
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(field(&seen, name), None, "{name} in {seen}");
        }
    }
    // In a list, the others go and websocket stays.
    let mut client = Peer::connect(proxy.address);
    client.send(ask("/", "").replace("Upgrade: websocket", "Upgrade: h2c, websocket"));
    let (_, seen) = client.answer();
    assert_eq!(field(&seen, "upgrade"), Some("websocket"));
}

#[test]
fn broken_handshakes_never_reach_a_backend() {
    let backend = Backend::mirror();
    let proxy = proxy(&backend);
    for (request, code, reason) in [
        (
            ask("/", "").replace("Version: 13", "Version: 8"),
            426,
            "UpgradeRequired",
        ),
        (
            ask("/", "").replace("Sec-WebSocket-Version: 13\r\n", ""),
            400,
            "BadHandshake",
        ),
        (ask("/", "").replace(KEY, "c2hvcnQ="), 400, "BadHandshake"),
        (ask("/", "").replace(KEY, "?"), 400, "BadHandshake"),
        (
            ask("/", &format!("Sec-WebSocket-Key: {KEY}\r\n")),
            400,
            "BadHandshake",
        ),
        (ask("/", "Content-Length: 4\r\n") + "body", 400, "BadHandshake"),
        (
            ask("/", "").replace("test.example", "nowhere.example"),
            404,
            "NoRoute",
        ),
    ] {
        let (head, _) = say(&proxy, &request);
        assert_eq!(
            (status(&head), field(&head, "holdfast-reason")),
            (code, Some(reason)),
            "{request}"
        );
        assert_eq!(field(&head, "sec-websocket-version").is_some(), code == 426);
        assert!(field(&head, "connection").unwrap().contains("close"));
    }
    assert_eq!(backend.connections(), 0);
}

#[test]
fn handshakes_under_way_are_bounded() {
    let backend = Backend::start(|_, mut peer| {
        peer.head().unwrap();
        peer.rest().ok();
    });
    let limits = Limits {
        max_handshakes: 2,
        ..Limits::default()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], limits);
    let mut waiting: Vec<_> = (0..2).map(|_| Peer::connect(proxy.address)).collect();
    for (n, client) in waiting.iter_mut().enumerate() {
        client.send(ask("/", ""));
        while backend.connections() <= n {
            std::thread::yield_now();
        }
    }
    let (head, _) = say(&proxy, ask("/", ""));
    assert_eq!(status(&head), 503);
    assert_eq!(field(&head, "holdfast-reason"), Some("HandshakeLimit"));
    let retry: u32 = field(&head, "retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&retry));
}

#[tokio::test]
async fn what_stands_again_is_not_ended_for_having_been_gone() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        peer.send(agree(""));
        peer.take(7);
        peer.send(text("y"));
        peer.rest().ok();
    });
    let rule = Rule::new("/", &[backend.address]);
    let mut proxy = Proxy::start(std::slice::from_ref(&rule));
    let open = |address| {
        let mut client = Peer::connect(address);
        client.send(ask("/", ""));
        assert_eq!(status(&client.head().unwrap()), 101);
        client
    };
    // It does not answer the Close, so the worker goes on to know that this route is gone.
    let mut old = open(proxy.address);
    proxy.remove(&rule).await;
    assert_eq!(old.take(4), [0x88, 15, 0x03, 0xe9]);
    proxy.put_untold(&rule);
    let mut new = open(proxy.address);
    new.send(masked_text("x"));
    assert_eq!(new.take(3), text("y"));
}

#[tokio::test]
async fn a_drain_lets_a_handshake_end_as_ever() {
    let (asked, go_on) = (mpsc::sync_channel(1), mpsc::sync_channel::<()>(1));
    let (tell, wait) = (asked.0, std::sync::Mutex::new(go_on.1));
    let backend = Backend::start(move |_, mut peer| {
        peer.head();
        tell.send(()).unwrap();
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        peer.send(agree(""));
        peer.rest().ok();
    });
    let proxy = proxy(&backend);
    let mut client = Peer::connect(proxy.address);
    client.send(ask("/", ""));
    asked.1.recv_timeout(PATIENCE).unwrap();
    proxy.drain(Duration::ZERO, PATIENCE).await;
    // It refuses newcomers from the moment on that it drains.
    while std::net::TcpStream::connect(proxy.address).is_ok() {}
    go_on.0.send(()).unwrap();
    let head = client.head().unwrap();
    assert_eq!(
        (status(&head), field(&head, "connection")),
        (101, Some("Upgrade"))
    );
    assert_eq!(client.take(4), [0x88, 21, 0x03, 0xf4]);
}

#[test]
fn a_client_that_leaves_takes_the_handshake_with_it() {
    let (tell, told) = mpsc::sync_channel(2);
    let backend = Backend::start(move |_, mut peer| {
        tell.send(peer.head().is_some()).unwrap();
        tell.send(peer.rest().is_ok_and(|rest| rest.is_empty())).unwrap();
    });
    let proxy = proxy(&backend);
    let mut client = Peer::connect(proxy.address);
    client.send(ask("/", ""));
    assert!(told.recv_timeout(PATIENCE).unwrap(), "the head");
    drop(client);
    assert!(told.recv_timeout(PATIENCE).unwrap(), "the end");
}
