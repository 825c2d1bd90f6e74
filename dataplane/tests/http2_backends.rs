//! HTTP/2 with backends, through a worker: with prior knowledge, and over TLS if the backend agrees.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/pki.rs"]
mod pki;
#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use pki::Authority;
use proxy::{Proxy, Rule};
use raw::{Peer, field, status};
use routetable::{BackendProtocol, BackendTls, Verify};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Answers with what it saw: the request line, the fields, the body's length; `/cut` breaks the answer off, `/leave` as well,
/// without saying that anything is wrong.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let (parts, mut body) = request.into_parts();
            let mut length = 0;
            while let Some(Ok(chunk)) = body.data().await {
                length += chunk.len();
                body.flow_control().release_capacity(chunk.len()).unwrap();
            }
            let names: Vec<&str> = parts.headers.keys().map(|name| name.as_str()).collect();
            let text = format!(
                "{} {} {:?}\n{}\nbody {length}\n",
                parts.method,
                parts.uri,
                parts.version,
                names.join(" ")
            );
            let answer = Response::builder().header("x-seen", "yes").body(()).unwrap();
            let mut send = respond.send_response(answer, false).unwrap();
            let reason = match parts.uri.path() {
                "/cut" => Some(h2::Reason::INTERNAL_ERROR),
                "/leave" => Some(h2::Reason::NO_ERROR),
                _ => None,
            };
            if let Some(reason) = reason {
                send.send_data(Bytes::from_static(b"half"), false).unwrap();
                // A reset takes back what has not gone.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return send.send_reset(reason);
            }
            send.send_data(Bytes::from(text), false).unwrap();
            send.send_trailers(HeaderMap::new()).unwrap();
        });
    }
}

/// A backend; counts its connections. With TLS it agrees on these protocols.
async fn backend(tls: Option<TlsAcceptor>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    Some(tls) => serve(tls.accept(socket).await.unwrap()).await,
                    None => serve(socket).await,
                }
            });
        }
    });
    (address, count)
}

async fn ask(proxy: &Proxy, requests: Vec<String>) -> Vec<(String, Vec<u8>)> {
    let address = proxy.address;
    let asked = tokio::task::spawn_blocking(move || {
        let mut peer = Peer::connect(address);
        let answers = requests.into_iter().map(|request| {
            peer.send(request);
            let head = peer.head().unwrap();
            let mut body = vec![];
            if field(&head, "transfer-encoding").is_some() {
                loop {
                    let mut line = vec![];
                    while !line.ends_with(b"\r\n") {
                        line.extend(peer.take(1));
                    }
                    let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
                    body.extend(&peer.take(size + 2)[..size]);
                    if size == 0 {
                        break;
                    }
                }
            } else if let Some(length) = field(&head, "content-length") {
                body = peer.take(length.parse().unwrap());
            }
            (head, body)
        });
        answers.collect()
    });
    asked.await.unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test.example\r\nConnection: x-gone\r\nX-Gone: 1\r\n\r\n")
}

#[tokio::test]
async fn a_backend_of_http2_is_spoken_to_with_prior_knowledge() {
    let (address, connections) = backend(None).await;
    let protocol = BackendProtocol {
        http2: true,
        tls: None,
        proxy_header: None,
    };
    let proxy = Proxy::start(&[Rule::new("/", &[address]).protocol(protocol)]);
    let post = format!(
        "POST /p?q=1 HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("2710\r\n{}\r\n", "x".repeat(10_000)).repeat(100)
    );
    let answers = ask(&proxy, vec![get("/one"), post, get("/two")]).await;
    let expected = [
        ("GET http://test.example/one HTTP/2.0", "body 0"),
        ("POST http://test.example/p?q=1 HTTP/2.0", "body 1000000"),
        ("GET http://test.example/two HTTP/2.0", "body 0"),
    ];
    for ((head, body), (line, length)) in answers.iter().zip(expected) {
        let body = String::from_utf8(body.clone()).unwrap();
        assert_eq!(status(head), 200, "{head}");
        assert_eq!(field(head, "x-seen"), Some("yes"));
        assert!(body.starts_with(line), "{body}");
        assert!(body.contains(length), "{body}");
        let names: Vec<&str> = body.lines().nth(1).unwrap().split(' ').collect();
        assert!(names.contains(&"x-forwarded-for"), "{names:?}");
        for gone in ["host", "connection", "transfer-encoding", "x-gone", "te"] {
            assert!(!names.contains(&gone), "{gone}: {names:?}");
        }
    }
    assert_eq!(
        connections.load(Ordering::SeqCst),
        1,
        "one connection serves one after the other"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_end_cleanly() {
    let (address, _) = backend(None).await;
    let protocol = BackendProtocol {
        http2: true,
        tls: None,
        proxy_header: None,
    };
    let proxy = Proxy::start(&[Rule::new("/", &[address]).protocol(protocol)]);
    let address = proxy.address;
    for path in ["/cut", "/leave"] {
        let rest = tokio::task::spawn_blocking(move || {
            let mut peer = Peer::connect(address);
            peer.send(get(path));
            let head = peer.head().unwrap();
            let rest = (status(&head) == 200).then(|| peer.rest());
            (status(&head), rest)
        });
        // The reset may overtake the head.
        match rest.await.unwrap() {
            (502, None) => {}
            (200, Some(Ok(rest))) => assert!(!rest.ends_with(b"0\r\n\r\n"), "{path}: a clean end"),
            (200, Some(Err(_))) => {}
            (other, _) => panic!("{path}: {other}"),
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn over_tls_the_backend_chooses() {
    let authority = Authority::new("test");
    let pair = authority.sign(&["backend.test"]);
    let mut config = authority.server(&pair, false);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (address, _) = backend(Some(TlsAcceptor::from(Arc::new(config)))).await;
    let tls = Some(BackendTls {
        server_name: "backend.test".into(),
        verify: Verify::Authorities(vec![authority.der()]),
        certificate: None,
    });
    let rule = |path: &str, http2| {
        Rule::new(path, &[address]).protocol(BackendProtocol {
            http2,
            tls: tls.clone(),
            proxy_header: None,
        })
    };
    let proxy = Proxy::start(&[rule("/two", true), rule("/one", false)]);
    let answers = ask(&proxy, vec![get("/two")]).await;
    let body = String::from_utf8(answers[0].1.clone()).unwrap();
    assert!(
        body.starts_with("GET https://test.example/two HTTP/2.0"),
        "{body}"
    );
    // This backend takes nothing but HTTP/2.
    let answers = ask(&proxy, vec![get("/one")]).await;
    assert_eq!(
        (status(&answers[0].0), field(&answers[0].0, "holdfast-reason")),
        (502, Some("UpstreamTlsFailed"))
    );
    proxy.stop().await;
}
