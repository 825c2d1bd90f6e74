//! Proxies in front of ours: what they say of the client is believed of them, and of nobody else.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/handshake.rs"]
mod handshake;
#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use dataplane::local::Trust;
use proxy::{Proxy, Rule};
use raw::{Backend, Peer, field, status};
use routetable::{BackendProtocol, ProxyVersion};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: test.example\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n\
                       X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\r\n";

fn trust(network: &str, proxy_protocol: bool) -> Trust {
    Trust {
        proxies: vec![network.parse().unwrap()],
        proxy_protocol,
    }
}

/// What the backend is told, and the client of the access record.
fn told(trust: Trust, before: &[u8]) -> (String, String) {
    let backend = Backend::mirror();
    let proxy = Proxy::trusting(&[Rule::new("/", &[backend.address])], trust);
    let mut client = Peer::connect(proxy.address);
    client.send(before);
    client.send(REQUEST);
    let (head, seen) = client.answer();
    assert_eq!(status(&head), 200, "{head}");
    let record = proxy.record();
    (seen, record["client"].as_str().unwrap().to_owned())
}

#[test]
fn a_strangers_claims_are_overwritten() {
    let (seen, client) = told(trust("10.0.0.0/8", false), b"");
    assert_eq!(field(&seen, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(field(&seen, "x-forwarded-proto"), Some("http"));
    assert!(client.starts_with("127.0.0.1:"), "{client}");
}

#[test]
fn a_trusted_proxy_is_believed() {
    let (seen, client) = told(trust("127.0.0.0/8", false), b"");
    assert_eq!(
        field(&seen, "x-forwarded-for"),
        Some("6.6.6.6, 192.0.2.7, 127.0.0.1")
    );
    assert_eq!(field(&seen, "x-forwarded-proto"), Some("https"));
    assert_eq!(field(&seen, "x-forwarded-port"), Some("443"));
    assert_eq!(field(&seen, "x-real-ip"), Some("192.0.2.7"));
    assert_eq!(client, "192.0.2.7:0");
}

#[test]
fn a_proxy_header_names_the_client() {
    // Whom it names is a stranger: the fields that follow are the client's own claims.
    let header = b"PROXY TCP4 192.0.2.9 192.0.2.1 4711 8443\r\n";
    let (seen, client) = told(trust("127.0.0.0/8", true), header);
    assert_eq!(field(&seen, "x-forwarded-for"), Some("192.0.2.9"));
    assert_eq!(field(&seen, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&seen, "x-forwarded-port"), Some("8443"));
    assert_eq!(client, "192.0.2.9:4711");
    // A health check speaks for itself.
    let (seen, client) = told(trust("127.0.0.0/8", true), b"PROXY UNKNOWN\r\n");
    assert_eq!(field(&seen, "x-real-ip"), Some("192.0.2.7"));
    assert_eq!(client, "192.0.2.7:0");
}

#[test]
fn without_the_header_a_trusted_proxy_gets_nothing() {
    let backend = Backend::mirror();
    let proxy = Proxy::trusting(&[Rule::new("/", &[backend.address])], trust("127.0.0.0/8", true));
    let mut client = Peer::connect(proxy.address);
    client.send(REQUEST);
    // A FIN or a reset, and not a byte before it.
    assert!(client.rest().map_or(true, |answer| answer.is_empty()));
}

#[test]
fn a_strangers_header_is_no_request() {
    let backend = Backend::mirror();
    let proxy = Proxy::trusting(&[Rule::new("/", &[backend.address])], trust("10.0.0.0/8", true));
    let mut client = Peer::connect(proxy.address);
    client.send("PROXY TCP4 192.0.2.9 192.0.2.1 4711 80\r\n");
    client.send(REQUEST);
    let (head, _) = client.answer();
    assert_eq!(status(&head), 400, "{head}");
}

#[test]
fn a_session_has_the_client_of_its_proxy_header() {
    let backend = Backend::start(|_, mut peer| {
        let head = peer.head().unwrap();
        assert_eq!(field(&head, "x-forwarded-for"), Some("2001:db8::7"), "{head}");
        peer.send(handshake::agree(""));
        // Along with the 101 goes what the client sent behind its request.
        let frame = handshake::masked_text("early");
        assert_eq!(peer.take(frame.len()), frame);
        peer.send(handshake::text("heard"));
    });
    let proxy = Proxy::trusting(&[Rule::new("/", &[backend.address])], trust("127.0.0.0/8", true));
    let mut client = Peer::connect(proxy.address);
    client.send("PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n");
    client.send(handshake::ask("/", ""));
    client.send(handshake::masked_text("early"));
    let head = client.head().unwrap();
    assert_eq!(status(&head), 101, "{head}");
    let heard = handshake::text("heard");
    assert_eq!(client.take(heard.len()), heard);
    drop(client);
    assert_eq!(proxy.record()["client"], "[2001:db8::7]:4711");
}

#[test]
fn a_backend_is_told_who_the_client_is() {
    // Answers with the header that came first, however it came.
    let backend = Backend::start(|_, mut peer| {
        let mut first = peer.take(12);
        if first.starts_with(b"GET /plain") {
            peer.head();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            // Whoever is next on this connection gets an answer that is not theirs.
            peer.head();
            return peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nreused");
        }
        let rest = if first.starts_with(b"PROXY ") {
            while !first.ends_with(b"\r\n") {
                first.extend(peer.take(1));
            }
            String::from_utf8(first).unwrap().trim_end().to_owned()
        } else {
            format!("{:?}", peer.take(16))
        };
        while let Some(head) = peer.head() {
            if head.contains("Sec-WebSocket-Key") {
                peer.send(handshake::agree(""));
                peer.send(handshake::text(&rest));
                continue;
            }
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{rest}",
                rest.len()
            ));
        }
    });
    let rule = |path: &str, version| {
        Rule::new(path, &[backend.address]).protocol(BackendProtocol {
            http2: false,
            tls: None,
            proxy_header: Some(version),
        })
    };
    let proxy = Proxy::trusting(
        &[
            rule("/text", ProxyVersion::V1),
            rule("/binary", ProxyVersion::V2),
            Rule::new("/plain", &[backend.address]),
        ],
        Trust {
            proxies: vec!["127.0.0.0/8".parse().unwrap()],
            proxy_protocol: true,
        },
    );
    let mut client = Peer::connect(proxy.address);
    client.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n");
    // Nor does one that was opened without.
    client.send("GET /plain HTTP/1.1\r\nHost: test.example\r\n\r\n");
    assert_eq!(client.answer().1, "");
    for _ in 0..2 {
        client.send("GET /text HTTP/1.1\r\nHost: test.example\r\n\r\n");
        assert_eq!(client.answer().1, "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443");
    }
    client.send("GET /binary HTTP/1.1\r\nHost: test.example\r\n\r\n");
    assert_eq!(
        client.answer().1,
        "[33, 17, 0, 12, 192, 0, 2, 7, 192, 0, 2, 1, 18, 103, 1, 187]"
    );
    // A connection that was opened in one client's name serves no other.
    let mut other = Peer::connect(proxy.address);
    other.send("PROXY TCP4 192.0.2.8 192.0.2.1 4712 443\r\n");
    other.send(handshake::ask("/text", ""));
    assert_eq!(status(&other.head().unwrap()), 101);
    let text = handshake::text("PROXY TCP4 192.0.2.8 192.0.2.1 4712 443");
    assert_eq!(other.take(text.len()), text);
    assert_eq!(backend.connections(), 5);
}
