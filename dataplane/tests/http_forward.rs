//! Plain HTTP through a worker: what passes, what is changed, what is kept.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use proxy::{Proxy, Rule};
use raw::{Backend, Peer, field, nobody, status};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n")
}

#[test]
fn a_request_reaches_the_backend_and_its_answer_comes_back() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send(
        "PATCH /a/b%2Fc?x=1&y=%20 HTTP/1.1\r\nHost: test.example:8080\r\nUser-Agent: me/1\r\nX-MiXed-Case: Yes\r\n\
         Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Forwarded-For: 6.6.6.6\r\nContent_Length: 5\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nTE: trailers\r\n\r\n",
    );
    let (head, seen) = client.answer();
    assert_eq!(status(&head), 200);
    assert_eq!(field(&head, "server"), Some("holdfast"));
    assert!(
        field(&head, "date").is_some_and(|date| date.ends_with("GMT")),
        "{head}"
    );
    assert!(
        seen.starts_with("PATCH /a/b%2Fc?x=1&y=%20 HTTP/1.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains("X-MiXed-Case: Yes\r\n"), "{seen}");
    for (name, value) in [
        ("host", Some("test.example:8080")),
        ("user-agent", Some("me/1")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("test.example:8080")),
        ("x-forwarded-port", Some("8080")),
        ("x-real-ip", Some("127.0.0.1")),
        (
            "forwarded",
            Some("for=127.0.0.1;host=\"test.example:8080\";proto=http"),
        ),
        ("x-hop", None),
        ("connection", None),
        ("content_length", None),
        ("upgrade", None),
        ("http2-settings", None),
        ("te", None),
    ] {
        assert_eq!(field(&seen, name), value, "{name} in {seen}");
    }
}

#[test]
fn names_go_on_as_they_were_written() {
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            let seen = head.lines().filter(|line| line.starts_with("X-")).count();
            let fields = if head.starts_with("GET /mixed") {
                "ETag: \"ab\"\r\nX-TRaCe: x-trace: 1\r\nx-plain: y\r\nSET-cookie: a\r\nset-cookie: b\r\n"
            } else {
                "etag: z\r\n"
            };
            let body = format!("x-trace: {seen}");
            let length = body.len();
            peer.send(format!(
                "HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
            ));
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("GET /mixed HTTP/1.1\r\nHost: test.example\r\nX-One: 1\r\nx-two: 2\r\n\r\n");
    let (head, body) = client.answer();
    assert_eq!(body, "x-trace: 1", "of two, one was written so");
    for line in [
        "ETag: \"ab\"",
        "X-TRaCe: x-trace: 1",
        "x-plain: y",
        "Content-Length: 10",
    ] {
        assert!(head.lines().any(|l| l == line), "{line}: {head}");
    }
    client.send("GET /plain HTTP/1.1\r\nhost: test.example\r\nx-one: 1\r\n\r\n");
    let (head, body) = client.answer();
    assert!(head.contains("etag: z\r\nContent-Length: "), "{head}");
    assert_eq!(body, "x-trace: 0");
}

#[test]
fn a_request_goes_on_while_nobody_reads_its_answer() {
    let taken = 8 << 20;
    let backend = Backend::start(move |_, mut peer| {
        peer.head().unwrap();
        // More than all buffers on its way to the client hold.
        let mut writer = peer.stream.try_clone().unwrap();
        writer
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        thread::spawn(move || {
            let chunk = [b"10000\r\n".to_vec(), pattern(1 << 16), b"\r\n".to_vec()].concat();
            (0..640).try_for_each(|_| writer.write_all(&chunk))?;
            writer.write_all(b"0\r\n\r\n")
        });
        assert_eq!(peer.take(taken), pattern(taken));
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: {taken}\r\n\r\n"
    ));
    assert_eq!(status(&client.head().unwrap()), 200);
    client.send(pattern(taken));
    assert_eq!(chunks(&mut client), pattern(1 << 16).repeat(640));
}

#[test]
fn an_absolute_target_is_sent_in_origin_form() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("GET http://test.example:81/x?y HTTP/1.1\r\nHost: other\r\n\r\n");
    let (_, seen) = client.answer();
    assert!(seen.starts_with("GET /x?y HTTP/1.1\r\n"), "{seen}");
    assert_eq!(field(&seen, "host"), Some("test.example:81"));
}

#[test]
fn connections_are_kept_on_both_sides() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    for _ in 0..3 {
        let mut client = Peer::connect(proxy.address);
        for _ in 0..5 {
            client.send(get("/"));
            assert_eq!(status(&client.answer().0), 200);
        }
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send([get("/1"), get("/2"), get("/3")].concat());
    for n in 1..=3 {
        let (_, seen) = client.answer();
        assert!(seen.starts_with(&format!("GET /{n} ")), "{seen}");
    }
}

#[test]
fn a_connection_that_the_backend_closed_is_not_used_again() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    for _ in 0..10 {
        client.send(get("/"));
        assert_eq!(client.answer().1, "ok");
    }
    assert_eq!(backend.connections(), 10);
}

#[test]
fn leftovers_of_an_answer_poison_nothing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\n\r\nevil",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        let backend = Backend::canned(answer);
        let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
        let mut client = Peer::connect(proxy.address);
        for _ in 0..3 {
            client.send(get("/"));
            let (head, body) = client.answer();
            assert!(!head.contains("evil") && !body.contains("evil"), "{head}{body}");
        }
        assert_eq!(backend.connections(), 3, "{answer}");
    }
}

#[test]
fn answers_without_a_body_keep_their_fields() {
    let backend = Backend::canned("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nServer: theirs\r\n\r\n");
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
        let head = client.head().unwrap();
        assert_eq!(field(&head, "content-length"), Some("1000"));
        assert_eq!(field(&head, "server"), Some("theirs"));
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn only_one_content_length_goes_on_and_none_where_none_may_be() {
    for (answer, status_of_head, length) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
            200,
            Some("2"),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n", 200, Some("2")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", 204, None),
    ] {
        let backend = Backend::canned(answer);
        let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
        let mut client = Peer::connect(proxy.address);
        client.send("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
        let head = client.head().unwrap();
        assert_eq!(
            (status(&head), field(&head, "content-length")),
            (status_of_head, length)
        );
        assert_eq!(
            head.to_lowercase().matches("content-length").count(),
            length.iter().count()
        );
    }
    let backend = Backend::canned("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n");
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    let head = client.head().unwrap();
    assert_eq!(field(&head, "holdfast-reason"), Some("BadUpstreamResponse"));
}

/// Bytes that differ all along.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[test]
fn large_bodies_stream_up() {
    const LEN: usize = 24 << 20;
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            let body = match field(&head, "content-length") {
                Some(len) => peer.take(len.parse().unwrap()),
                None => chunks(&mut peer),
            };
            assert!(field(&head, "content-length").is_some() != field(&head, "transfer-encoding").is_some());
            let verdict = if body == pattern(LEN) { "same" } else { "other" };
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{verdict}",
                verdict.len()
            ));
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: {LEN}\r\n\r\n"
    ));
    client.send(pattern(LEN));
    assert_eq!(client.answer().1, "same");
    client.send(
        "POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n",
    );
    for chunk in pattern(LEN).chunks(100_000) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\nX-End: 1\r\nHost: evil\r\n\r\n");
    assert_eq!(client.answer().1, "same");
    assert_eq!(backend.connections(), 1);
}

/// Reads a chunked body; trailers must not be there.
fn chunks(peer: &mut Peer) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(peer.take(1));
        }
        let size = std::str::from_utf8(&size).unwrap().trim_end();
        let size = usize::from_str_radix(size, 16).unwrap();
        body.extend(peer.take(size));
        assert_eq!(peer.take(2), b"\r\n");
        if size == 0 {
            return body;
        }
    }
}

#[test]
fn large_bodies_stream_down() {
    const LEN: usize = 24 << 20;
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            let body = pattern(LEN);
            if head.starts_with("GET /sized") {
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n"));
                peer.send(&body);
                continue;
            }
            if head.starts_with("GET /closed") {
                peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                return peer.send(&body);
            }
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n");
            for chunk in body.chunks(300_000) {
                peer.send(format!("{:x}\r\n", chunk.len()));
                peer.send(chunk);
                peer.send("\r\n");
            }
            peer.send("0\r\nX-End: 1\r\nSet-Cookie: evil\r\n\r\n");
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    for path in ["/sized", "/chunked", "/closed", "/sized"] {
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test.example\r\nTE: trailers\r\n\r\n"
        ));
        let head = client.head().unwrap();
        assert!(field(&head, "set-cookie").is_none());
        let body = match field(&head, "content-length") {
            Some(len) => client.take(len.parse().unwrap()),
            None => chunks(&mut client),
        };
        assert!(body == pattern(LEN), "{path}: {} bytes", body.len());
    }
}

#[test]
fn a_slow_reader_holds_the_backend_back() {
    let (progress, written) = std::sync::mpsc::sync_channel(1000);
    let backend = Backend::start(move |_, mut peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
        peer.stream
            .set_write_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let chunk = vec![0; 1 << 20];
        while std::io::Write::write_all(&mut peer.stream, &chunk).is_ok() {
            progress.send(()).unwrap();
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send(get("/"));
    client.head();
    let mebibytes = std::iter::from_fn(|| written.recv_timeout(Duration::from_secs(2)).ok()).count();
    assert!(mebibytes < 32, "{mebibytes} MiB were taken from the backend");
}

#[test]
fn an_early_answer_is_delivered_and_the_rest_of_the_body_becomes_no_request() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        peer.rest().ok();
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000000\r\n\r\n");
    client.send(get("/smuggled"));
    let (head, body) = client.answer();
    assert_eq!((status(&head), body.as_str()), (413, "big"));
    assert_eq!(field(&head, "connection"), Some("close"));
    assert_eq!(client.rest().unwrap(), b"");
    let mut client = Peer::connect(proxy.address);
    client.send(get("/"));
    assert_eq!(status(&client.answer().0), 413);
    assert_eq!(backend.connections(), 2, "the first connection still owes a body");
}

#[test]
fn a_body_that_was_taken_arrives_though_its_answer_came_early() {
    let (go, wait) = mpsc::sync_channel(2);
    let (tell, told) = mpsc::sync_channel(2);
    let wait = Mutex::new(wait);
    let backend = Backend::start(move |_, mut peer| {
        peer.head().unwrap();
        let wait = wait.lock().unwrap();
        wait.recv().unwrap();
        peer.send("HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let size = wait.recv().unwrap();
        let _ = tell.send(peer.count(size));
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    // Whether the connection to the client was kept, and what the backend got.
    let post = |size: usize| {
        let mut client = Peer::connect(proxy.address);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: {size}\r\n\r\n"
        ));
        let mut writer = client.stream.try_clone().unwrap();
        let (wrote, written) = mpsc::sync_channel(2);
        let writing = thread::spawn(move || {
            let _ = writer.write_all(&vec![7; size]);
            let _ = wrote.send(());
        });
        // Not all of the large one is taken before the answer.
        let _ = written.recv_timeout(Duration::from_millis(100));
        go.send(0).unwrap();
        let head = client.head().unwrap();
        assert_eq!(status(&head), 202);
        go.send(size).unwrap();
        let taken = told.recv_timeout(raw::PATIENCE).unwrap();
        let _ = writing.join();
        (field(&head, "connection").is_none(), taken)
    };
    // What the system holds while the backend reads nothing; of a body that is a little larger the last piece waits
    // with us. Some end in a reset, which takes away what the backend did not read.
    let mut rooms: Vec<usize> = (0..9).map(|_| post(32 << 20).1).collect();
    rooms.sort_unstable();
    let room = rooms[rooms.len() / 2];
    for size in (0..32).map(|i| room.saturating_sub(32 << 10) + i * (4 << 10)) {
        let (kept, taken) = post(size);
        // Where the connection ends, the rest was not taken.
        assert!(!kept || taken == size, "{taken} of {size}, with room for {room}");
    }
}

#[test]
fn expect_goes_end_to_end() {
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            assert_eq!(field(&head, "expect"), Some("100-continue"));
            if head.starts_with("POST /no") {
                return peer.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
            }
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            let body = String::from_utf8(peer.take(5)).unwrap();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}"));
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let post = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: test.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = Peer::connect(proxy.address);
    client.send(post("/yes"));
    assert_eq!(status(&client.head().unwrap()), 100);
    client.send("hello");
    assert_eq!(client.answer().1, "hello");
    client.send(post("/no"));
    let (head, _) = client.answer();
    assert_eq!(status(&head), 417, "no 100 before the backend's");
    assert_eq!(field(&head, "connection"), Some("close"));
}

#[test]
fn requests_go_around_a_dead_endpoint() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address, nobody(), nobody()])]);
    for _ in 0..20 {
        let mut client = Peer::connect(proxy.address);
        client.send(get("/"));
        assert_eq!(status(&client.answer().0), 200);
    }
}

#[test]
fn requests_under_way_go_where_the_least_are() {
    let answer = |name: &'static str| {
        Backend::start(move |_, mut peer| {
            while let Some(head) = peer.head() {
                if head.starts_with("GET /hold") {
                    thread::sleep(Duration::from_millis(300));
                }
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}"));
            }
        })
    };
    let (a, b) = (answer("a"), answer("b"));
    let proxy = Proxy::start(&[Rule::new("/", &[a.address, b.address])]);
    let mut held: Vec<_> = (0..10).map(|_| Peer::connect(proxy.address)).collect();
    for client in &mut held {
        client.send(get("/hold"));
    }
    let mut share = BTreeMap::new();
    for client in &mut held {
        *share.entry(client.answer().1).or_insert(0) += 1;
    }
    assert_eq!(share, BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 5)]));
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_drained_worker_lets_requests_end_and_idle_connections_go() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        thread::sleep(Duration::from_millis(200));
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        peer.rest().ok();
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut idle = Peer::connect(proxy.address);
    idle.send("GET /none HTTP/1.1\r\nHost: nowhere\r\n\r\n");
    idle.answer();
    let mut busy = Peer::connect(proxy.address);
    busy.send(get("/"));
    while backend.connections() == 0 {
        thread::yield_now();
    }
    block_on(proxy.drain(Duration::ZERO, Duration::from_secs(60)));
    assert_eq!(idle.rest().unwrap(), b"");
    let (head, body) = busy.answer();
    assert_eq!((field(&head, "connection"), body.as_str()), (Some("close"), "ok"));
    assert_eq!(busy.rest().unwrap(), b"");
    let address = proxy.address;
    drop((idle, busy));
    block_on(proxy.ended());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn thousands_of_pipelined_requests_wait_their_turn() {
    const MANY: usize = 3_000;
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    let mut writer = client.stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        let all: String = (0..MANY).map(|n| get(&format!("/{n}"))).collect();
        std::io::Write::write_all(&mut writer, all.as_bytes()).unwrap();
    });
    for n in 0..MANY {
        let (_, seen) = client.answer();
        assert!(seen.starts_with(&format!("GET /{n} ")), "{seen}");
    }
    writing.join().unwrap();
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            let body = match field(&head, "transfer-encoding") {
                Some(_) => chunks(&mut peer),
                None => head.split(' ').nth(1).unwrap().into(),
            };
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ));
            peer.send(body);
        }
    });
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    let fields = "Host: test.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = format!("POST /x HTTP/1.1\r\n{fields}2;a=b\r\nhi\r\n0\r\nX: y\r\n\r\n");
    for byte in (get("/1") + &chunked + &get("/2")).bytes() {
        client.send([byte]);
    }
    for body in ["/1", "hi", "/2"] {
        assert_eq!(client.answer().1, body);
    }
}
