//! HTTP/2 clients before HTTP/1.1 backends: what passes, what is changed, what is kept.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/h2_client.rs"]
mod h2_client;
#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::io::Write as _;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use dataplane::local::Limits;
use h2::Reason;
use h2_client::{Client, PATIENCE, get, read};
use http::{Request, Response};
use proxy::{Proxy, Rule};
use raw::{Backend, Peer, field, nobody, status};
use tokio::time::{Instant, timeout};

fn limits() -> Limits {
    Limits {
        h2c: true,
        ..Limits::default()
    }
}

fn start(backend: &Backend) -> Proxy {
    Proxy::with_limits(&[Rule::new("/", &[backend.address])], limits())
}

/// Sends a body back, whichever way it is framed; the head's framing is told in `x-framing`.
fn mirror_body() -> Backend {
    Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            let mut body = Vec::new();
            let framing = match field(&head, "content-length") {
                Some(length) => {
                    body = peer.take(length.parse().unwrap());
                    "length"
                }
                None if field(&head, "transfer-encoding") == Some("chunked") => {
                    loop {
                        let mut line = Vec::new();
                        while !line.ends_with(b"\r\n") {
                            line.extend(peer.take(1));
                        }
                        let len = std::str::from_utf8(&line).unwrap().trim();
                        let len = usize::from_str_radix(len, 16).unwrap();
                        body.extend(peer.take(len));
                        assert_eq!(peer.take(2), b"\r\n");
                        if len == 0 {
                            break;
                        }
                    }
                    "chunked"
                }
                None => "none",
            };
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nX-Framing: {framing}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            ));
            peer.send(&body);
        }
    })
}

fn assert_clean(response: &Response<()>) {
    for name in [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "proxy-connection",
        "x-hop",
    ] {
        assert!(!response.headers().contains_key(name), "{name} in {response:?}");
    }
}

#[tokio::test]
async fn a_request_reaches_the_backend_and_its_answer_comes_back() {
    let backend = Backend::mirror();
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    let request = Request::builder()
        .method("PATCH")
        .uri("http://test.example:8080/a/b%2Fc?x=1&y=%20")
        .header("user-agent", "me/1")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("x-forwarded-for", "6.6.6.6")
        .header("content_length", "5")
        .body(());
    let (response, seen) = client.ask(request.unwrap(), None).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["server"], "holdfast");
    assert!(response.headers().contains_key("date"));
    assert_clean(&response);
    let seen = String::from_utf8(seen).unwrap();
    assert!(
        seen.starts_with("PATCH /a/b%2Fc?x=1&y=%20 HTTP/1.1\r\n"),
        "{seen}"
    );
    for (name, value) in [
        ("host", Some("test.example:8080")),
        ("user-agent", Some("me/1")),
        ("cookie", Some("a=1; b=2")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("test.example:8080")),
        ("x-forwarded-port", Some("8080")),
        ("te", None),
        ("content_length", None),
        ("transfer-encoding", None),
        ("connection", None),
    ] {
        assert_eq!(field(&seen, name), value, "{name} in {seen}");
    }
    assert_eq!(seen.to_ascii_lowercase().matches("\r\nhost:").count(), 1);
    let record = proxy.record();
    assert_eq!(record["protocol"], "HTTP/2");
    assert_eq!(record["host"], "test.example:8080");
    assert_eq!(record["method"], "PATCH");
    assert_eq!(record["path"], "/a/b%2Fc");
    assert_eq!(record["status"], 200);
    proxy.stop().await;
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let backend = mirror_body();
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    let body: Vec<u8> = (0..8 << 20).map(|n: u32| (n % 251) as u8).collect();
    for (length, framing) in [(Some(body.len()), "length"), (None, "chunked")] {
        let mut request = Request::post("http://test.example/");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let (response, got) = client
            .ask(request.body(()).unwrap(), Some(body.clone()))
            .await
            .unwrap();
        assert_eq!(response.headers()["x-framing"], framing);
        assert!(got == body, "{} bytes of {}", got.len(), body.len());
    }
    // Its own end of the stream says that there is none.
    let (response, got) = client
        .ask(Request::post("http://test.example/").body(()).unwrap(), None)
        .await
        .unwrap();
    assert_eq!(
        (&response.headers()["x-framing"], got.len()),
        (&"length".parse().unwrap(), 0)
    );
    assert_eq!(proxy.record()["bytes_to_upstream"], 8 << 20);
    proxy.stop().await;
}

#[tokio::test]
async fn trailers_end_here() {
    let backend = mirror_body();
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    let request = Request::post("http://test.example/").body(()).unwrap();
    let (response, mut send) = client.begin(request, false).await;
    send.send_data(Bytes::from("hello"), false).unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-late", "1".parse().unwrap());
    trailers.insert("host", "evil".parse().unwrap());
    send.send_trailers(trailers).unwrap();
    let response = response.await.unwrap();
    assert_eq!(read(response.into_body()).await.unwrap(), b"hello");
    proxy.stop().await;
}

#[tokio::test]
async fn answers_without_a_body() {
    for (method, answer, code, length) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            200,
            Some("5"),
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            304,
            None,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n",
            200,
            Some("0"),
        ),
    ] {
        let backend = Backend::canned(answer);
        let proxy = start(&backend);
        let client = Client::open(proxy.address).await;
        for _ in 0..2 {
            let request = get("/").method(method).body(()).unwrap();
            let (response, body) = client.ask(request, None).await.unwrap();
            assert_eq!((response.status().as_u16(), body.len()), (code, 0), "{answer}");
            let got = response
                .headers()
                .get("content-length")
                .map(|value| value.to_str().unwrap());
            assert_eq!(got, length, "{answer}");
            assert_clean(&response);
        }
        assert_eq!(backend.connections(), 1, "{answer}");
        proxy.stop().await;
    }
}

#[tokio::test]
async fn streams_do_not_wait_for_each_other() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::start(move |_, mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /slow") {
                wait.lock().unwrap().recv().unwrap();
            }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    let (slow, _) = client.begin(get("/slow").body(()).unwrap(), true).await;
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (response, _) = client.begin(get("/").body(()).unwrap(), true).await;
        others.spawn(async move { read(response.await.unwrap().into_body()).await.unwrap() });
    }
    let others = timeout(PATIENCE, others.join_all()).await.unwrap();
    assert!(others.iter().all(|body| body == b"ok"));
    go.send(()).unwrap();
    assert_eq!(read(slow.await.unwrap().into_body()).await.unwrap(), b"ok");
    proxy.stop().await;
}

#[tokio::test]
async fn a_backend_that_does_not_read_stops_its_own_stream_only() {
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("POST /stuck") {
                thread::sleep(Duration::from_secs(60));
            }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    // Together far more than the connection's window.
    let mut uploads = Vec::new();
    for _ in 0..10 {
        let request = Request::post("http://test.example/stuck").body(()).unwrap();
        let (response, mut send) = client.begin(request, false).await;
        uploads.push(tokio::spawn(async move {
            let (part, mut sent) = (Bytes::from(vec![7; 16 << 10]), 0);
            loop {
                send.reserve_capacity(part.len());
                let more = std::future::poll_fn(|cx| send.poll_capacity(cx));
                let Ok(Some(Ok(capacity))) = timeout(Duration::from_secs(2), more).await else {
                    return (response, send, sent);
                };
                let len = capacity.min(part.len());
                send.send_data(part.slice(..len), false).unwrap();
                sent += len;
            }
        }));
    }
    let mut stopped = Vec::new();
    for upload in uploads {
        let upload = timeout(PATIENCE, upload).await.unwrap().unwrap();
        assert!(
            upload.2 < 8 << 20,
            "{} bytes went to a backend that reads nothing",
            upload.2
        );
        stopped.push(upload);
    }
    assert_eq!(client.get("/").await.1, b"ok");
    proxy.stop().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_in_an_error() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    let error = client.ask(get("/").body(()).unwrap(), None).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{error}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_ends_its_backend_connection() {
    let (told, ended) = sync_channel(10);
    let backend = Backend::start(move |_, mut peer| {
        peer.head();
        told.send("asked").unwrap();
        let _ = peer.rest();
        told.send("ended").unwrap();
    });
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    let (response, mut send) = client.begin(get("/").body(()).unwrap(), true).await;
    let mut next = Some(ended);
    for expected in ["asked", "ended"] {
        let ended = next.take().unwrap();
        let wait = tokio::task::spawn_blocking(move || (ended.recv_timeout(PATIENCE), ended));
        let (told, ended) = wait.await.unwrap();
        assert_eq!(told, Ok(expected));
        next = Some(ended);
        send.send_reset(Reason::CANCEL);
    }
    drop(response);
    assert_eq!(proxy.record()["status"], 499);
    proxy.stop().await;
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_alone() {
    let backend = Backend::mirror();
    let rules = [
        Rule::new("/", &[backend.address]),
        Rule::new("/down", &[nobody()]),
        Rule::new("/none", &[]),
    ];
    let proxy = Proxy::with_limits(&rules, limits());
    let client = Client::open(proxy.address).await;
    let plain = |method: &str, uri: &str| Request::builder().method(method).uri(uri).body(()).unwrap();
    for (request, code, reason) in [
        (plain("GET", "http://other.example/"), 404, "NoRoute"),
        (plain("TRACE", "http://test.example/"), 405, "MethodNotAllowed"),
        (plain("CONNECT", "test.example:443"), 405, "MethodNotAllowed"),
        (plain("GET", "ftp://test.example/"), 400, "BadRequest"),
        (
            plain("GET", "http://test.example/none/../down"),
            400,
            "BadRequest",
        ),
        (plain("GET", "http://test.example/down"), 502, "ConnectFailed"),
        (plain("GET", "http://test.example/none"), 503, "NoReadyEndpoints"),
    ] {
        let what = format!("{request:?}");
        let (response, body) = client.ask(request, None).await.unwrap();
        assert_eq!(response.status().as_u16(), code, "{what}");
        assert_eq!(response.headers()["holdfast-reason"], reason, "{what}");
        assert!(String::from_utf8(body).unwrap().contains(reason));
        assert_clean(&response);
    }
    assert_eq!(client.get("/").await.0.status(), 200);
    proxy.stop().await;
}

#[tokio::test]
async fn an_early_answer_does_not_close_the_connection() {
    let backend = Backend::start(|_, mut peer| {
        peer.head();
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        let _ = peer.rest();
    });
    let proxy = start(&backend);
    let client = Client::open(proxy.address).await;
    for _ in 0..3 {
        let request = Request::post("http://test.example/").body(()).unwrap();
        let (response, body) = client.ask(request, Some(vec![1; 4 << 20])).await.unwrap();
        assert_eq!((response.status().as_u16(), &body[..]), (403, &b"no"[..]));
        assert_clean(&response);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_drained_worker_says_goaway_and_lets_requests_end() {
    let (go, wait) = sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::start(move |_, mut peer| {
        while peer.head().is_some() {
            wait.lock().unwrap().recv().unwrap();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = start(&backend);
    let idle = Client::open(proxy.address).await;
    let client = Client::open(proxy.address).await;
    let (response, _) = client.begin(get("/").body(()).unwrap(), true).await;
    // Their first request has been seen by then.
    thread::sleep(Duration::from_millis(200));
    proxy.drain(Duration::ZERO, Duration::from_secs(60)).await;
    timeout(PATIENCE, idle.driver).await.unwrap().unwrap().unwrap();
    go.send(()).unwrap();
    let body = read(response.await.unwrap().into_body()).await.unwrap();
    assert_eq!(body, b"ok");
    let refused = client.send.clone().ready().await;
    assert!(refused.is_err(), "no new requests after GOAWAY");
    timeout(PATIENCE, client.driver).await.unwrap().unwrap().unwrap();
    timeout(PATIENCE, proxy.ended()).await.unwrap();
}

#[tokio::test]
async fn a_quiet_connection_is_told_to_go() {
    let backend = Backend::canned("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let brief = Limits {
        header_timeout: Duration::from_millis(300),
        keepalive_timeout: Duration::from_millis(900),
        ..limits()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], brief);
    let begun = Instant::now();
    let silent = Client::open(proxy.address).await;
    timeout(PATIENCE, silent.driver).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let client = Client::open(proxy.address).await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.0.status(), 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let begun = Instant::now();
    timeout(PATIENCE, client.driver).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    proxy.stop().await;
}

#[tokio::test]
async fn http1_is_served_on_the_same_port() {
    let backend = Backend::mirror();
    let proxy = start(&backend);
    let mut client = Peer::connect(proxy.address);
    // 'PR' begins both.
    for part in ["P", "R", "OPFIND / HTTP/1.1\r\nHost: test.example\r\n\r\n"] {
        client.send(part);
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(status(&client.answer().0), 200);
    assert_eq!(proxy.record()["protocol"], "HTTP/1.1");
    let mut client = Peer::connect(proxy.address);
    client.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert_eq!(status(&client.answer().0), 505);
    proxy.stop().await;
}

#[tokio::test]
async fn http2_is_not_taken_unasked() {
    let backend = Backend::mirror();
    let proxy = Proxy::start(&[Rule::new("/", &[backend.address])]);
    let mut client = Peer::connect(proxy.address);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(status(&client.answer().0), 505);
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_no_answer_is_not_waited_for() {
    let backend = Backend::start(|_, mut peer| {
        while let Some(head) = peer.head() {
            let len = if head.starts_with("GET /large") {
                16 << 20
            } else {
                2
            };
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n"));
            let _ = peer.stream.write_all(&vec![7; len]);
        }
    });
    let brief = Limits {
        write_timeout: Duration::from_millis(500),
        ..limits()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address])], brief);
    let mut roomy = h2::client::Builder::new();
    roomy.initial_connection_window_size(1 << 20);
    let client = Client::with(proxy.address, &roomy).await;
    // The stream's window is never opened again.
    let (response, mut stream) = client.begin(get("/large").body(()).unwrap(), true).await;
    let response = response.await.unwrap();
    let reset = timeout(PATIENCE, std::future::poll_fn(|cx| stream.poll_reset(cx))).await;
    assert_eq!(reset.unwrap().unwrap(), Reason::CANCEL);
    assert_eq!(client.get("/small").await.1.len(), 2, "the connection lives on");
    drop(response);
    proxy.stop().await;
}

#[test]
fn curl_is_served() {
    let backend = mirror_body();
    let proxy = start(&backend);
    let url = format!("http://{}/x", proxy.address);
    let curl = std::process::Command::new("curl")
        .args([
            "--http2-prior-knowledge",
            "-sS",
            "-m",
            "20",
            "-H",
            "Host: test.example",
        ])
        .args([
            "-d",
            "hello",
            "-o",
            "-",
            "-w",
            " %{http_version} %{http_code}",
            &url,
        ])
        .output();
    let Ok(output) = curl else {
        return println!("skipped: there is no curl");
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, "hello 2 200", "{}", String::from_utf8_lossy(&output.stderr));
}
