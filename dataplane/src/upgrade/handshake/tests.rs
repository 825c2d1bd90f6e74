//! Heads, one change at a time.

use http::header::HeaderName;

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// `base` without the fields that `change` names, and with those of it that have a value.
fn changed(base: &[(&str, &str)], change: &[(&str, &str)]) -> HeaderMap {
    let kept = base
        .iter()
        .filter(|(name, _)| change.iter().all(|(c, _)| c != name));
    let set = change.iter().filter(|(_, value)| !value.is_empty());
    map(&kept.chain(set).copied().collect::<Vec<_>>())
}

fn asked(change: &[(&str, &str)]) -> Request<()> {
    let base = [
        ("host", "a"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, superchat"),
    ];
    let mut request = Request::new(());
    *request.headers_mut() = changed(&base, change);
    request
}

#[test]
fn a_websocket_is_recognised_in_any_case_and_list() {
    for change in [
        &[][..],
        &[("connection", "keep-alive, UPGRADE")],
        &[("upgrade", "WebSocket")],
        &[("upgrade", "h2c, websocket")],
        &[("connection", "keep-alive"), ("connection", "upgrade")],
        &[("sec-websocket-protocol", "")],
    ] {
        assert!(matches!(read(&asked(change), false), Ok(Some(_))), "{change:?}");
    }
}

#[test]
fn other_upgrades_are_plain_requests() {
    for change in [
        ("upgrade", "h2c"),
        ("upgrade", "TLS/1.2, SPDY/3.1"),
        ("upgrade", "websocket2"),
        ("upgrade", ""),
        ("connection", "keep-alive"),
        ("connection", ""),
    ] {
        assert!(matches!(read(&asked(&[change]), false), Ok(None)), "{change:?}");
    }
    let mut post = asked(&[]);
    *post.method_mut() = Method::POST;
    assert!(matches!(read(&post, false), Ok(None)));
    let mut old = asked(&[]);
    *old.version_mut() = Version::HTTP_10;
    assert!(matches!(read(&old, false), Ok(None)));
}

#[test]
fn broken_handshakes_are_refused() {
    for (change, reason) in [
        (&[("sec-websocket-version", "12")][..], Reason::UpgradeRequired),
        (&[("sec-websocket-version", "13, 8")], Reason::UpgradeRequired),
        (&[("sec-websocket-version", "")], Reason::BadHandshake),
        (
            &[("sec-websocket-version", "13"), ("sec-websocket-version", "13")],
            Reason::BadHandshake,
        ),
        (&[("sec-websocket-key", "")], Reason::BadHandshake),
        (&[("sec-websocket-key", "dGhlIHNhbXBsZQ==")], Reason::BadHandshake),
        (
            &[("sec-websocket-key", "not base64 at all!!!!!!!")],
            Reason::BadHandshake,
        ),
        (
            &[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)],
            Reason::BadHandshake,
        ),
    ] {
        assert_eq!(
            read(&asked(change), false).unwrap_err().reason,
            reason,
            "{change:?}"
        );
    }
    assert_eq!(read(&asked(&[]), true).unwrap_err().reason, Reason::BadHandshake);
}

#[test]
fn a_101_counts_only_when_it_answers_this_request() {
    let offer = read(&asked(&[]), false).unwrap().unwrap();
    let base = [
        ("connection", "upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-accept", ACCEPT),
    ];
    let judge = |change: &[(&str, &str)]| judge_switched(&offer, &changed(&base, change));
    assert_eq!(judge(&[]), Ok(Agreement { extensions: false }));
    assert_eq!(
        judge(&[("sec-websocket-protocol", "superchat")]),
        Ok(Agreement { extensions: false })
    );
    let deflate = [("sec-websocket-extensions", "permessage-deflate")];
    assert_eq!(judge(&deflate), Ok(Agreement { extensions: true }));
    for bad in [
        &[("upgrade", "")][..],
        &[("upgrade", "h2c")],
        &[("upgrade", "websocket, h2c")],
        &[("connection", "")],
        &[("connection", "close")],
        &[("sec-websocket-accept", "")],
        &[("sec-websocket-accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")],
        &[("sec-websocket-accept", ACCEPT), ("sec-websocket-accept", ACCEPT)],
        &[("sec-websocket-protocol", "other")],
        &[("sec-websocket-protocol", "Chat")],
        &[("sec-websocket-protocol", "chat, superchat")],
        &[
            ("sec-websocket-protocol", "chat"),
            ("sec-websocket-protocol", "chat"),
        ],
    ] {
        assert!(judge(bad).is_err(), "{bad:?}");
    }
    let none = read(&asked(&[("sec-websocket-protocol", "")]), false)
        .unwrap()
        .unwrap();
    let chosen = changed(&base, &[("sec-websocket-protocol", "chat")]);
    assert!(judge_switched(&none, &chosen).is_err());
}

#[test]
fn a_handshake_and_its_answer_cross_to_http2_and_back() {
    let mut request = asked(&[("content-length", "0")]);
    let offer = read(&request, false).unwrap().unwrap();
    to_connect(&mut request);
    assert!(!request.headers().contains_key("content-length"));
    assert_eq!(request.method(), Method::CONNECT);
    let protocol = request.extensions().get::<Protocol>();
    assert_eq!(protocol.map(Protocol::as_str), Some("websocket"));
    assert!(!request.headers().contains_key("sec-websocket-key"));
    assert_eq!(request.headers()["sec-websocket-version"], "13");

    let connected = map(&[("sec-websocket-protocol", "chat"), ("sec-websocket-accept", "x")]);
    let agreed = judge_connected(&offer, &connected);
    assert_eq!(agreed, Ok(Agreement { extensions: false }));
    let other = map(&[("sec-websocket-protocol", "other")]);
    assert!(judge_connected(&offer, &other).is_err());
    let mut response = Response::new(());
    *response.headers_mut() = connected;
    to_switched(&offer, &mut response);
    set_upgrade(response.headers_mut());
    assert_eq!(response.status(), 101);
    let agreed = judge_switched(&offer, response.headers());
    assert_eq!(agreed, Ok(Agreement { extensions: false }));
}
