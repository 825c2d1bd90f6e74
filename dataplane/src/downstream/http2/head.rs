//! The head of an HTTP/2 request, read in exactly one way and turned into that of HTTP/1.1 (RFC 9113 section
//! 8), so that from here on both are one.
//!
//! Pure. h2 has refused by then, with a stream error: pseudo-fields that are missing, repeated, unknown or late;
//! names in capitals; fields that concern a connection; TE other than 'trailers'; a body that does not have the
//! length it says. The rest is here.

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::Uri;
use http::{Method, Version};

use crate::error::{Reason, Refusal};
use crate::framing;
use crate::http::header as fields;

/// The only protocol that an extended CONNECT may ask for.
const WEBSOCKET: &str = "websocket";

/// Names the host in the field that HTTP/1.1 has for it, unless the client did.
pub(super) fn name_host(uri: &Uri, headers: &mut HeaderMap) {
    if !headers.contains_key(header::HOST)
        && let Some(authority) = uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An answer.
    Answer,
    /// A WebSocket (RFC 8441).
    WebSocket,
}

/// Reads `:method` and `:protocol`.
///
/// # Errors
/// It asks for a tunnel that we don't make.
pub(super) fn asked(parts: &Parts) -> Result<Asked, Refusal> {
    match parts.extensions.get::<hyper::ext::Protocol>() {
        Some(protocol) if protocol.as_str() == WEBSOCKET => Ok(Asked::WebSocket),
        Some(_) => {
            let detail = "`:protocol` must be 'websocket'";
            Err(Refusal::new(Reason::UnknownProtocol, detail))
        }
        // `target` refuses CONNECT as such.
        None => Ok(Asked::Answer),
    }
}

/// Brings the head into the form of HTTP/1.1. [`name_host`] was called before.
///
/// # Errors
/// It can be read in two ways, or is malformed.
pub(super) fn translate(parts: &mut Parts) -> Result<(), Refusal> {
    let headers = &mut parts.headers;
    if let Some(authority) = parts.uri.authority() {
        let agrees = |host: &HeaderValue| {
            host.as_bytes()
                .eq_ignore_ascii_case(authority.as_str().as_bytes())
        };
        // RFC 9113 section 8.3.1.
        if !headers.get_all(header::HOST).iter().all(agrees) {
            return Err(bad("`Host` must be the same as `:authority`"));
        }
        if !matches!(parts.uri.scheme_str(), None | Some("http" | "https")) {
            return Err(bad("`:scheme` must be 'http' or 'https'"));
        }
    }
    // RFC 9113 section 8.2.1.
    if headers.values().any(is_padded) {
        return Err(bad("a field's value must not begin or end with white space"));
    }
    if !fields::unite_content_length(headers) {
        return Err(bad("`Content-Length` must be one number"));
    }
    join_cookies(headers);
    if let Some(path_and_query) = parts.uri.path_and_query() {
        // As of a request target in HTTP/1.1 (RFC 9112 section 3.2), which this becomes.
        if !framing::is_target(path_and_query.as_str().as_bytes()) {
            return Err(bad("`:path` must be of visible ASCII; percent-encode the rest"));
        }
        parts.uri = Uri::from(path_and_query.clone());
    }
    parts.version = Version::HTTP_11;
    Ok(())
}

/// Says of a request that could have a body that it has none (RFC 9110 section 8.6); the end of the stream did.
pub(super) fn say_empty(parts: &mut Parts) {
    if [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method) {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

fn is_padded(value: &HeaderValue) -> bool {
    let white = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    white(value.as_bytes().first()) || white(value.as_bytes().last())
}

/// Cookies may come in crumbs, but HTTP/1.1 has one field for all (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.nth(1).is_none() {
        return;
    }
    let crumbs = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let crumbs: Vec<&[u8]> = crumbs.filter(|crumb| !crumb.is_empty()).collect();
    // What was made of values is a value.
    if let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        joined.set_sensitive(true);
        headers.insert(header::COOKIE, joined);
    }
}

fn bad(detail: &'static str) -> Refusal {
    Refusal::new(Reason::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().uri(uri).version(Version::HTTP_2);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        name_host(&parts.uri, &mut parts.headers);
        parts
    }

    #[test]
    fn a_head_becomes_one_of_http1() {
        let mut head = parts(
            "https://Chat.example:8443/a%2Fb?c",
            &[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "")],
        );
        translate(&mut head).unwrap();
        assert_eq!(head.uri, "/a%2Fb?c");
        assert_eq!(head.version, Version::HTTP_11);
        assert_eq!(head.headers["host"], "Chat.example:8443");
        let cookies: Vec<_> = head.headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn authority_and_host_must_agree() {
        assert!(translate(&mut parts("http://a.example/", &[("host", "A.example")])).is_ok());
        for host in ["b.example", "a.example:80", ""] {
            let mut head = parts("http://a.example/", &[("host", host)]);
            assert_eq!(translate(&mut head).unwrap_err().reason, Reason::BadRequest);
        }
        let mut head = parts(
            "http://a.example/",
            &[("host", "a.example"), ("host", "b.example")],
        );
        assert!(translate(&mut head).is_err());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (uri, fields) in [
            ("ftp://a.example/", &[][..]),
            ("http://a.example/", &[("x", "a ")]),
            ("http://a.example/", &[("x", "\ta")]),
            (
                "http://a.example/",
                &[("content-length", "1"), ("content-length", "2")],
            ),
        ] {
            assert!(translate(&mut parts(uri, fields)).is_err(), "{uri} {fields:?}");
        }
    }
}
