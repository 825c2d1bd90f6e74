//! TLS with backends, through a worker: nothing is sent to one that does not prove what it must.
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

use futures_util::{SinkExt, StreamExt};
use pki::{Authority, put_name};
use proxy::{Proxy, Rule};
use raw::{Peer, field, status};
use routetable::{BackendProtocol, BackendTls, Verify};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

/// A backend that answers every request over TLS; counts its handshakes and its requests.
async fn backend(config: ServerConfig) -> (SocketAddr, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&counts);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else {
                    return;
                };
                counted[0].fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                while let Ok(1..) = stream.read(&mut request).await {
                    counted[1].fetch_add(1, Ordering::SeqCst);
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        .await
                        .unwrap();
                }
            });
        }
    });
    (address, counts)
}

fn over_tls(server_name: &str, verify: Verify, certificate: Option<&str>) -> BackendProtocol {
    BackendProtocol {
        http2: false,
        proxy_header: None,
        tls: Some(BackendTls {
            server_name: server_name.into(),
            verify,
            certificate: certificate.map(pki::secret_id),
        }),
    }
}

async fn ask(proxy: &Proxy, path: &str) -> (u16, Option<String>) {
    let (address, path) = (proxy.address, path.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let mut peer = Peer::connect(address);
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n"));
        let (head, _) = peer.answer();
        (status(&head), field(&head, "holdfast-reason").map(str::to_owned))
    });
    asked.await.unwrap()
}

#[tokio::test]
async fn a_backend_proves_who_it_is() {
    let (authority, stranger) = (Authority::new("test"), Authority::new("stranger"));
    let pair = authority.sign(&["backend.test"]);
    let (address, counts) = backend(authority.server(&pair, false)).await;
    let by = |authority: &Authority| Verify::Authorities(vec![authority.der()]);
    let rule = |path: &str, protocol| Rule::new(path, &[address]).protocol(protocol);
    let rules = [
        rule("/right", over_tls("backend.test", by(&authority), None)),
        rule("/name", over_tls("other.test", by(&authority), None)),
        rule("/authority", over_tls("backend.test", by(&stranger), None)),
        rule("/system", over_tls("backend.test", Verify::System, None)),
        rule("/nothing", over_tls("", Verify::Nothing, None)),
    ];
    let proxy = Proxy::start(&rules);
    let failed = || (502, Some("UpstreamTlsFailed".to_owned()));
    for (path, expected) in [
        ("/right", (200, None)),
        ("/right", (200, None)),
        ("/name", failed()),
        ("/authority", failed()),
        ("/system", failed()),
        ("/nothing", (200, None)),
        // Not on the connection of the one before, which had proven nothing.
        ("/right", (200, None)),
        ("/authority", failed()),
    ] {
        assert_eq!(ask(&proxy, path).await, expected, "{path}");
    }
    // One connection for '/right', one for '/nothing'; nothing was sent to those that failed. (A handshake that the
    // proxy refuses is over on the backend's side before the alert comes.)
    assert_eq!(counts[1].load(Ordering::SeqCst), 4);
    proxy.stop().await;
}

#[tokio::test]
async fn a_backend_is_shown_a_certificate_that_may_change() {
    let authority = Authority::new("test");
    let pair = authority.sign(&["backend.test"]);
    let (address, _) = backend(authority.server(&pair, true)).await;
    let verify = || Verify::Authorities(vec![authority.der()]);
    let mut proxy = Proxy::start(&[]);
    let silent = Rule::new("/silent", &[address]).protocol(over_tls("backend.test", verify(), None));
    let shown = Rule::new("/shown", &[address]).protocol(over_tls("backend.test", verify(), Some("own")));
    proxy
        .apply(&[Authority::new("stranger").sign(&["proxy"]).secret("own")])
        .await;
    proxy.put(&silent).await;
    proxy.put(&shown).await;
    assert_eq!(ask(&proxy, "/silent").await.0, 502);
    assert_eq!(ask(&proxy, "/shown").await.0, 502);
    proxy.apply(&[authority.sign(&["proxy"]).secret("own")]).await;
    assert_eq!(ask(&proxy, "/shown").await, (200, None));
    assert_eq!(ask(&proxy, "/silent").await.0, 502);
    proxy.stop().await;
}

#[tokio::test]
async fn a_session_runs_over_tls_on_both_sides() {
    let authority = Authority::new("test");
    let pair = authority.sign(&["test.example", "backend.test"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&pair, false)));
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(acceptor.accept(socket).await.unwrap())
            .await
            .unwrap();
        socket.send(Message::text("first")).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let verify = Verify::Authorities(vec![authority.der()]);
    let mut proxy =
        Proxy::start(&[Rule::new("/", &[address]).protocol(over_tls("backend.test", verify, None))]);
    proxy
        .apply(&[pair.secret("one"), put_name("test.example", &["one"])])
        .await;

    let connector = TlsConnector::from(Arc::new(authority.client(None)));
    let socket = TcpStream::connect(proxy.secure_address).await.unwrap();
    let stream = connector
        .connect("test.example".try_into().unwrap(), socket)
        .await
        .unwrap();
    let (mut socket, _) = client_async("wss://test.example/x", stream).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("first"));
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 5 << 20] {
        let message = Message::binary(vec![7; size]);
        let (mut sink, mut source) = (&mut socket).split();
        let (sent, back) = tokio::join!(sink.send(message.clone()), source.next());
        sent.unwrap();
        assert!(back.unwrap().unwrap() == message, "{size}");
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    let record = tokio::task::spawn_blocking(move || (proxy.record(), proxy))
        .await
        .unwrap();
    let (record, proxy) = record;
    assert_eq!(
        (&record["kind"], &record["outcome"]),
        (&"session".into(), &"closed".into())
    );
    assert_eq!(
        (&record["messages_to_upstream"], &record["messages_to_client"]),
        (&8.into(), &9.into())
    );
    assert_eq!(record["ended_by"], "client", "{record}");
    proxy.stop().await;
}
