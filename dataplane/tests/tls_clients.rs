//! TLS with clients, through a worker: who is answered with what, and what a route asks of a connection.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/pki.rs"]
mod pki;
#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pki::{Authority, exact, name, put_name};
use proxy::{Proxy, Rule};
use raw::{Backend, Peer, field, status};
use routetable::canonical::Op;
use routetable::{Certificate, HostPattern, InsecurePolicy, PrivateKey, RouteTls, ServerName, TlsVersion};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName as Name};
use rustls::{ClientConfig, HandshakeKind, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const PATIENCE: Duration = Duration::from_secs(10);

/// A TLS connection that asks for `name`.
async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let name = Name::try_from(name.to_owned()).unwrap();
    let connecting = TlsConnector::from(Arc::clone(config)).connect(name, socket);
    let mut stream = tokio::time::timeout(PATIENCE, connecting)
        .await
        .expect("a handshake in time")?;
    // TLS 1.3 tells of a refused client certificate only with the first read.
    stream.flush().await?;
    Ok(stream)
}

/// One request, and the answer's head and body.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut chunk))
            .await
            .expect("an answer in time")?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8(answer.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && field(head, "content-length").is_some_and(|len| body.len() == len.parse::<usize>().unwrap())
        {
            return Ok(text);
        }
    }
}

fn get(host: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

fn proxy() -> Proxy {
    Proxy::start(&[Rule::new("/", &[Backend::mirror().address])])
}

#[tokio::test]
async fn a_client_is_answered_by_the_name_it_asks_for() {
    let authority = Authority::new("test");
    let (one, any_label) = (
        authority.sign(&["test.example"]),
        authority.sign(&["*.wild.example"]),
    );
    let mut proxy = proxy();
    let wildcard = HostPattern::Wildcard("wild.example".into());
    let ops = [
        one.secret("one"),
        any_label.secret("wild"),
        put_name("test.example", &["one"]),
        Op::PutServerName(Arc::new(name(wildcard, &["wild"]))),
        put_name("bare.example", &[]),
    ];
    proxy.apply(&ops).await;
    let config = Arc::new(authority.client(None));
    for (asked, pair) in [
        ("test.example", &one),
        ("TEST.example", &one),
        ("a.wild.example", &any_label),
    ] {
        let mut stream = connect(proxy.secure_address, &config, asked).await.unwrap();
        assert_eq!(shown(&stream), pair.certificate, "{asked}");
        let answer = ask(&mut stream, &get("test.example")).await.unwrap();
        assert_eq!(status(&answer), 200);
        assert_eq!(field(&answer, "strict-transport-security"), Some("max-age=60"));
        let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(field(seen, "x-forwarded-proto"), Some("https"));
        assert_eq!(field(seen, "x-forwarded-port"), Some("443"));
        assert!(
            field(seen, "forwarded").unwrap().ends_with(";proto=https"),
            "{seen}"
        );
        // The connection goes on.
        assert_eq!(
            status(&ask(&mut stream, &get("test.example")).await.unwrap()),
            200
        );
    }
    // Two labels are not one; nobody trusts the certificate that stands in.
    for asked in ["a.b.wild.example", "other.example"] {
        let error = connect(proxy.secure_address, &config, asked).await.unwrap_err();
        assert!(error.to_string().contains("UnknownIssuer"), "{asked}: {error}");
    }
    // A name whose Secret is missing is refused rather than answered with somebody else's certificate.
    let error = connect(proxy.secure_address, &config, "bare.example")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_gets_the_certificate_that_it_can_check() {
    let authority = Authority::new("test");
    let (ecdsa, rsa) = (
        authority.sign(&["test.example"]),
        authority.sign_rsa(&["test.example"]),
    );
    let mut proxy = proxy();
    let ops = [
        ecdsa.secret("ecdsa"),
        rsa.secret("rsa"),
        put_name("test.example", &["ecdsa", "rsa"]),
    ];
    proxy.apply(&ops).await;
    let modern = authority.client(None);
    let mut old = modern.clone();
    old.dangerous().set_certificate_verifier(Arc::new(OnlyRsa));
    for (config, pair) in [(modern, ecdsa), (old, rsa)] {
        let stream = connect(proxy.secure_address, &Arc::new(config), "test.example")
            .await
            .unwrap();
        assert_eq!(shown(&stream), pair.certificate);
    }
    proxy.stop().await;
}

/// A client of times when there was only RSA.
#[derive(Debug)]
struct OnlyRsa;

impl rustls::client::danger::ServerCertVerifier for OnlyRsa {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &Name<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256]
    }
}

#[tokio::test]
async fn a_rotation_is_seen_at_once_and_a_broken_one_changes_nothing() {
    let authority = Authority::new("test");
    let (old, new) = (
        authority.sign(&["test.example"]),
        authority.sign(&["test.example"]),
    );
    let mut proxy = proxy();
    proxy
        .apply(&[old.secret("one"), put_name("test.example", &["one"])])
        .await;
    let config = Arc::new(authority.client(None));
    let mut standing = connect(proxy.secure_address, &config, "test.example")
        .await
        .unwrap();
    assert_eq!(shown(&standing), old.certificate);

    proxy.apply(&[new.secret("one")]).await;
    let stream = connect(
        proxy.secure_address,
        &Arc::new(authority.client(None)),
        "test.example",
    )
    .await
    .unwrap();
    assert_eq!(shown(&stream), new.certificate);
    assert_eq!(
        status(&ask(&mut standing, &get("test.example")).await.unwrap()),
        200
    );

    let Op::PutCertificate(good) = new.secret("one") else {
        unreachable!()
    };
    let broken = [
        Certificate {
            key: PrivateKey(old.key.clone()),
            ..Certificate::clone(&good)
        },
        Certificate {
            key: PrivateKey(vec![1, 2, 3]),
            ..Certificate::clone(&good)
        },
        Certificate {
            chain: vec![],
            ..Certificate::clone(&good)
        },
    ];
    for broken in broken {
        proxy.apply(&[Op::PutCertificate(Arc::new(broken))]).await;
        assert_eq!(proxy.failing().len(), 1);
        let config = Arc::new(authority.client(None));
        let stream = connect(proxy.secure_address, &config, "test.example")
            .await
            .unwrap();
        assert_eq!(shown(&stream), new.certificate);
    }
    proxy.apply(&[old.secret("one")]).await;
    assert_eq!(proxy.failing(), [""; 0]);
    proxy.stop().await;
}

#[tokio::test]
async fn sessions_of_tls_are_resumed_and_old_versions_refused() {
    let authority = Authority::new("test");
    let pair = authority.sign(&["test.example", "new.example"]);
    let mut proxy = proxy();
    let new = ServerName {
        min_version: TlsVersion::V13,
        ..name(exact("new.example"), &["one"])
    };
    let ops = [
        pair.secret("one"),
        put_name("test.example", &["one"]),
        Op::PutServerName(Arc::new(new)),
    ];
    proxy.apply(&ops).await;
    let config = Arc::new(authority.client(None));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = connect(proxy.secure_address, &config, "test.example")
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected));
        // The ticket comes with the answer.
        ask(&mut stream, &get("test.example")).await.unwrap();
        assert_eq!(proxy.record()["tls"], "TLSv1.3");
    }
    let old = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OnlyRsa))
        .with_no_client_auth();
    let mut old = old;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().into()).unwrap();
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(aws_lc_rs::default_provider()),
    );
    old.dangerous()
        .set_certificate_verifier(verifier.build().unwrap());
    let old = Arc::new(old);
    let mut stream = connect(proxy.secure_address, &old, "test.example").await.unwrap();
    ask(&mut stream, &get("test.example")).await.unwrap();
    assert_eq!(proxy.record()["tls"], "TLSv1.2");
    let error = connect(proxy.secure_address, &old, "new.example")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    proxy.stop().await;
}

#[tokio::test]
async fn clients_prove_themselves_where_a_route_asks_for_it() {
    let (authority, stranger) = (Authority::new("test"), Authority::new("stranger"));
    let pair = authority.sign(&["test.example", "open.example"]);
    let validation = authority.validation(false);
    let guarded = Rule::new("/", &[Backend::mirror().address]).tls(RouteTls {
        insecure: InsecurePolicy::Allow,
        client: Some(validation.clone()),
    });
    let mut proxy = Proxy::start(&[guarded]);
    let test = ServerName {
        client: Some(validation),
        ..name(exact("test.example"), &["one"])
    };
    let ops = [
        pair.secret("one"),
        Op::PutServerName(Arc::new(test)),
        put_name("open.example", &["one"]),
    ];
    proxy.apply(&ops).await;

    let known = Arc::new(authority.client(Some(&authority.sign(&["client"]))));
    let mut stream = connect(proxy.secure_address, &known, "test.example")
        .await
        .unwrap();
    assert_eq!(
        status(&ask(&mut stream, &get("test.example")).await.unwrap()),
        200
    );

    for own in [None, Some(stranger.sign(&["client"]))] {
        let config = Arc::new(authority.client(own.as_ref()));
        let refused = async {
            let mut stream = connect(proxy.secure_address, &config, "test.example").await?;
            ask(&mut stream, &get("test.example")).await
        };
        assert!(refused.await.is_err(), "shown: {}", own.is_some());
        // The way around: another name, which asks for nothing.
        let mut stream = connect(proxy.secure_address, &config, "open.example")
            .await
            .unwrap();
        let answer = ask(&mut stream, &get("test.example")).await.unwrap();
        assert_eq!(
            (status(&answer), field(&answer, "holdfast-reason")),
            (421, Some("Misdirected"))
        );
    }
    // And without TLS.
    let mut peer = Peer::connect(proxy.address);
    peer.send(get("test.example"));
    let (head, _) = peer.answer();
    assert_eq!(
        (status(&head), field(&head, "holdfast-reason")),
        (403, Some("TlsRequired"))
    );
    proxy.stop().await;
}

#[tokio::test]
async fn what_comes_without_tls_is_redirected_or_refused() {
    let policy = |path: &str, insecure| {
        let rule = Rule::new(path, &[Backend::mirror().address]);
        rule.tls(RouteTls {
            insecure,
            client: None,
        })
    };
    let rules = [
        policy("/redirect", InsecurePolicy::Redirect),
        policy("/reject", InsecurePolicy::Reject),
        policy("/allow", InsecurePolicy::Allow),
    ];
    let proxy = Proxy::start(&rules);
    let mut peer = Peer::connect(proxy.address);
    let port = proxy.secure_address.port();
    for (path, code, location) in [
        (
            "/redirect/a%20b?c=d",
            308,
            Some(format!("https://test.example:{port}/redirect/a%20b?c=d")),
        ),
        ("/reject", 403, None),
        ("/allow", 200, None),
    ] {
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: Test.Example:8080\r\n\r\n"));
        // On one connection: none of these answers ends it.
        let (head, _) = peer.answer();
        assert_eq!(status(&head), code, "{path}");
        assert_eq!(field(&head, "location"), location.as_deref(), "{path}");
        assert_eq!(field(&head, "strict-transport-security"), None);
    }
    let handshake = "GET /redirect HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    peer.send(handshake);
    let (head, _) = peer.answer();
    assert_eq!(status(&head), 308);
    let location = format!("wss://test.example:{port}/redirect");
    assert_eq!(field(&head, "location"), Some(location.as_str()));
    proxy.stop().await;
}

#[tokio::test]
async fn who_does_not_speak_tls_hears_so() {
    let proxy = proxy();
    let mut peer = Peer::connect(proxy.secure_address);
    peer.send(get("test.example"));
    let (head, body) = peer.answer();
    assert_eq!(
        (status(&head), field(&head, "holdfast-reason")),
        (400, Some("NotTls"))
    );
    assert!(body.contains("https://"), "{body}");
    // Neither garbage nor silence holds anything up.
    for garbage in [
        [22, 3, 1, 0, 4, 1, 0, 0, 0],
        [0; 9],
        [22, 9, 9, 255, 255, 0, 0, 0, 0],
    ] {
        let mut peer = Peer::connect(proxy.secure_address);
        peer.send(garbage);
        let alert = peer.rest().unwrap();
        assert_eq!(alert.first(), Some(&21), "{garbage:?}");
    }
    drop(Peer::connect(proxy.secure_address));
    proxy.stop().await;
}
