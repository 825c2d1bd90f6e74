//! Where a request wants to go, read in exactly one way (RFC 9112 sections 3 and 6).
//!
//! Pure: takes a head, gives the host and path, or a refusal. Hyper has parsed the head by then; it
//! leaves to us what is checked here. What frames an HTTP/1.1 body was judged before by
//! [`framing`](crate::framing); here it is held against once more, whatever it came by.

use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Version};

use crate::error::{Reason, Refusal};

/// A request's destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host as the backend gets it: as the client sent it, or the absolute target's.
    pub host: HeaderValue,
    /// Path and query, verbatim.
    pub path_and_query: PathAndQuery,
}

impl Target {
    /// The host as text.
    pub fn host(&self) -> &str {
        // Checked when it was made.
        self.host.to_str().unwrap_or_default()
    }
}

/// Longest request target, in bytes.
pub const MAX_TARGET: usize = 16 << 10;

/// Reads the target, and checks the method and the framing.
///
/// # Errors
/// The refusal to answer with.
pub fn read<B>(request: &Request<B>) -> Result<Target, Refusal> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        let detail = format!("method '{}' is not served", request.method());
        return Err(Refusal::new(Reason::MethodNotAllowed, detail));
    }
    framing(request)?;
    expectation(request)?;
    let uri = request.uri();
    let path_and_query = match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('/') => path.clone(),
        // 'http://host' without a path, which Uri shows as none or empty.
        None if uri.scheme().is_some() => PathAndQuery::from_static("/"),
        _ => return Err(bad("the request target must be a path or an absolute URI")),
    };
    if path_and_query.as_str().len() > MAX_TARGET {
        let detail = format!("the request target must not exceed {MAX_TARGET} bytes");
        return Err(Refusal::new(Reason::UriTooLong, detail));
    }
    if path_and_query.path().contains('\\') {
        // Some backends take it for a slash, and so would leave the route that we chose. Browsers never send one.
        return Err(bad("the path must not have a backslash"));
    }
    Ok(Target {
        host: host(request)?,
        path_and_query,
    })
}

fn framing<B>(request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(encoding) = encodings.next() else {
        return Ok(());
    };
    if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(bad("`Transfer-Encoding` must be 'chunked', once"));
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(bad("`Content-Length` must not come with `Transfer-Encoding`"));
    }
    if request.version() != Version::HTTP_11 {
        return Err(bad("`Transfer-Encoding` needs HTTP/1.1"));
    }
    Ok(())
}

/// RFC 9110 section 10.1.1: there is one expectation. A backend that reads another one out of the field would wait
/// for what we don't hold back, or the other way round.
fn expectation<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut fields = request.headers().get_all(header::EXPECT).iter();
    let is_known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    // HTTP/1.0 knows none; the field ends here.
    if request.version() == Version::HTTP_10 || fields.next().is_none_or(is_known) && fields.next().is_none()
    {
        return Ok(());
    }
    let detail = "`Expect` must be '100-continue', once";
    Err(Refusal::new(Reason::ExpectationFailed, detail))
}

fn host<B>(request: &Request<B>) -> Result<HeaderValue, Refusal> {
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next().ok_or_else(|| bad("`Host` is missing"))?;
    if fields.next().is_some() {
        return Err(bad("`Host` must be sent once"));
    }
    if !valid_host(field.as_bytes()) {
        return Err(bad("`Host` must be a name or an address, and may have a port"));
    }
    let uri = request.uri();
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) => from_authority(authority),
        (None, None) => Ok(field.clone()),
        _ => Err(bad("the scheme of an absolute target must be 'http' or 'https'")),
    }
}

/// RFC 9112 section 3.2.2: the target's authority replaces Host.
fn from_authority(authority: &Authority) -> Result<HeaderValue, Refusal> {
    if !valid_host(authority.as_str().as_bytes()) {
        return Err(bad(
            "the authority of the target must be a name or an address, and may have a port",
        ));
    }
    HeaderValue::from_str(authority.as_str()).map_err(|_| bad("the authority of the target is not text"))
}

/// `name`, `1.2.3.4` or `[::1]`, and perhaps `:port`. Stricter than RFC 3986, which also allows
/// percent-encoding and sub-delimiters that no Kubernetes host can have.
fn valid_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().rposition(|&b| b == b':') {
        Some(colon) if host.last() != Some(&b']') => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    };
    let port_is_valid = port.is_none_or(|port| {
        let text = std::str::from_utf8(port).unwrap_or("x");
        port.iter().all(u8::is_ascii_digit) && text.parse::<u16>().is_ok()
    });
    let name_is_valid = match name {
        [b'[', address @ .., b']'] => {
            std::str::from_utf8(address).is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
        }
        [] => false,
        name => {
            name.len() <= 255
                && name[0] != b'.'
                && name
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    name_is_valid && port_is_valid
}

fn bad(detail: &'static str) -> Refusal {
    Refusal::new(Reason::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri(target);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn host_is_one_and_valid() {
        for good in [
            "a",
            "a.example",
            "A.example.:80",
            "1.2.3.4:65535",
            "[::1]:80",
            "[::1]",
            "under_score",
        ] {
            let target = read(&request("/", &[("host", good)])).unwrap();
            assert_eq!(target.host(), good);
        }
        for bad in [
            "", ":80", "a b", "a/b", "a:b", "a:", "a:70000", "u@a", "[::1", "[x]", ".a", "a,b", "a:80:80",
            "::1",
        ] {
            let refusal = read(&request("/", &[("host", bad)])).unwrap_err();
            assert_eq!(refusal.reason, Reason::BadRequest, "{bad}");
        }
        assert!(read(&request("/", &[])).is_err());
        assert!(read(&request("/", &[("host", "a"), ("host", "a")])).is_err());
    }

    #[test]
    fn an_absolute_target_wins_over_host() {
        let target = read(&request("http://b.example:81/x?y", &[("host", "a")])).unwrap();
        assert_eq!(target.host(), "b.example:81");
        assert_eq!(target.path_and_query.as_str(), "/x?y");
        let target = read(&request("http://b.example", &[("host", "a")])).unwrap();
        assert_eq!(target.path_and_query.as_str(), "/");
        for bad in ["ftp://b/", "http://u:p@b/"] {
            assert!(read(&request(bad, &[("host", "a")])).is_err(), "{bad}");
        }
        assert!(
            read(&request("http://b/", &[])).is_err(),
            "Host must come all the same"
        );
    }

    #[test]
    fn transfer_encoding_is_chunked_or_refused() {
        let te = |value| ("transfer-encoding", value);
        assert!(read(&request("/", &[("host", "a"), te("Chunked")])).is_ok());
        for bad in [
            &[te("gzip, chunked")][..],
            &[te("chunked"), te("chunked")],
            &[te(",chunked")],
        ] {
            let fields: Vec<_> = [("host", "a")].iter().chain(bad).copied().collect();
            assert!(read(&request("/", &fields)).is_err(), "{bad:?}");
        }
        let both = [("host", "a"), te("chunked"), ("content-length", "1")];
        assert!(read(&request("/", &both)).is_err());
    }

    #[test]
    fn there_is_one_expectation() {
        let expect = |value| ("expect", value);
        assert!(read(&request("/", &[("host", "a"), expect("100-Continue")])).is_ok());
        for bad in [
            &[expect("y 100-continue")][..],
            &[expect("100-continue"), expect("100-continue")],
            &[expect("")],
        ] {
            let fields: Vec<_> = [("host", "a")].iter().chain(bad).copied().collect();
            let refusal = read(&request("/", &fields)).unwrap_err();
            assert_eq!(refusal.reason, Reason::ExpectationFailed, "{bad:?}");
        }
    }

    #[test]
    fn odd_methods_and_targets_are_refused() {
        for method in [Method::CONNECT, Method::TRACE] {
            let mut request = request("/", &[("host", "a")]);
            *request.method_mut() = method;
            assert_eq!(read(&request).unwrap_err().reason, Reason::MethodNotAllowed);
        }
        assert_eq!(
            read(&request("*", &[("host", "a")])).unwrap_err().reason,
            Reason::BadRequest
        );
        assert!(read(&request("/a\\..\\b", &[("host", "a")])).is_err());
        assert!(read(&request("/a?b=\\c", &[("host", "a")])).is_ok());
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        assert_eq!(
            read(&request(&long, &[("host", "a")])).unwrap_err().reason,
            Reason::UriTooLong
        );
    }
}
