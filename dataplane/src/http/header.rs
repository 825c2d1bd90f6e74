//! Header fields that end at a proxy, and those that nobody may hide or imitate (RFC 9110 section 7.6).
//!
//! Pure. How names were spelled is kept beside the map: [`Spelling`](crate::framing::Spelling).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Whether a field concerns one connection only (RFC 9110 section 7.6.1), or is one of those that proxies made up
/// beside them. `Trailer` and `TE` go because trailers end here.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Prefix of the forwarding fields, which only we and proxies that are trusted write.
pub(super) const X_FORWARDED: &str = "x-forwarded-";

/// Whether any of the comma-separated tokens of `name` is `token`, in any case.
pub fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|t| t.eq_ignore_ascii_case(token))
}

/// The comma-separated tokens of all fields `name`. Values that are not text have none.
pub fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// The value of a field that comes exactly once.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Removes what concerns this connection only, and what `Connection` names, except fields that
/// a client must not be able to hide: Host, framing, forwarding and the handshake's own.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !protected(name.as_str()))
        .collect();
    // Most heads have few fields, and none of these: looking at all is cheaper than looking up each.
    let ends_here = |name: &&HeaderName| is_hop_by_hop(name.as_str());
    let ending: Vec<HeaderName> = headers.keys().filter(ends_here).cloned().collect();
    // Of those that `Connection` names there may be thousands.
    for name in ending.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Leaves one `Content-Length` of those that agree, be they repeated as fields or within one (RFC 9110
/// section 8.6): not every client reads them as the same. False if they don't agree or are no number.
pub fn unite_content_length(headers: &mut HeaderMap) -> bool {
    let Some(first) = headers.get(header::CONTENT_LENGTH) else {
        return true;
    };
    if is_canonical(first.as_bytes()) && single(headers, &header::CONTENT_LENGTH).is_some() {
        return true;
    }
    let first = first.as_bytes().split(|&b| b == b',').next().unwrap_or_default();
    let Ok(number) = HeaderValue::from_bytes(first.trim_ascii()) else {
        return false;
    };
    let agrees = |part: &[u8]| part.trim_ascii() == number.as_bytes();
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let agree = values.all(|value| value.as_bytes().split(|&b| b == b',').all(agrees));
    if number.is_empty() || !number.as_bytes().iter().all(u8::is_ascii_digit) || !agree {
        return false;
    }
    // Without leading zeros, which some take for octal.
    let number = number.to_str().ok().and_then(|number| number.parse().ok());
    number.map(|number: u64| headers.insert(header::CONTENT_LENGTH, HeaderValue::from(number)));
    number.is_some()
}

/// A number as everybody writes and reads it, short enough for 64 bits.
fn is_canonical(number: &[u8]) -> bool {
    number.iter().all(u8::is_ascii_digit)
        && (1..20).contains(&number.len())
        && (number[0] != b'0' || number.len() == 1)
}

/// Fields that `Connection` can't remove and that have no look-alikes.
fn protected(name: &str) -> bool {
    matches!(
        name,
        "host" | "content-length" | "content-type" | "expect" | "forwarded" | "x-real-ip"
    ) || name.starts_with(X_FORWARDED)
        || name.starts_with("sec-websocket-")
}

/// Removes fields that some backends would read as one of framing or forwarding because they take
/// `_` for `-` (CGI and its heirs do).
pub fn remove_lookalikes(headers: &mut HeaderMap) {
    let lookalikes: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().contains('_'))
        .filter(|name| {
            let dashed = name.as_str().replace('_', "-");
            protected(&dashed) || is_hop_by_hop(&dashed)
        })
        .cloned()
        .collect();
    for name in &lookalikes {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn connection_removes_what_it_names_but_not_what_others_rely_on() {
        let mut headers = map(&[
            ("connection", "close, X-Hop , host"),
            ("connection", "content-length,x-forwarded-for,sec-websocket-key"),
            ("x-hop", "1"),
            ("host", "a"),
            ("content-length", "0"),
            ("x-forwarded-for", "1.2.3.4"),
            ("sec-websocket-key", "k"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("x-end", "stays"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(
            names(&headers),
            [
                "content-length",
                "host",
                "sec-websocket-key",
                "x-end",
                "x-forwarded-for"
            ]
        );
    }

    #[test]
    fn lengths_that_agree_become_one() {
        for same in [&["5"][..], &["5", "5"], &["5 ,5"], &["5,5", "5"], &["005"]] {
            let fields: Vec<_> = same.iter().map(|value| ("content-length", *value)).collect();
            let mut headers = map(&fields);
            assert!(unite_content_length(&mut headers), "{same:?}");
            assert_eq!(headers, map(&[("content-length", "5")]));
        }
        for bad in [
            &["5", "6"][..],
            &["5,6"],
            &[""],
            &["5,"],
            &["+5"],
            &["5", "x"],
            &["5 5"],
        ] {
            let fields: Vec<_> = bad.iter().map(|value| ("content-length", *value)).collect();
            assert!(!unite_content_length(&mut map(&fields)), "{bad:?}");
        }
        assert!(unite_content_length(&mut HeaderMap::new()));
    }

    #[test]
    fn lookalikes_go_and_other_underscores_stay() {
        let mut headers = map(&[
            ("content_length", "5"),
            ("Transfer_Encoding", "chunked"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-forwarded_proto", "https"),
            ("x_real_ip", "1.2.3.4"),
            ("my_field", "stays"),
        ]);
        remove_lookalikes(&mut headers);
        assert_eq!(names(&headers), ["my_field"]);
    }

    #[test]
    fn tokens_are_found_in_any_case_list_and_line() {
        let headers = map(&[("connection", "keep-alive"), ("connection", "foo,  UPGRADE")]);
        assert!(has_token(&headers, &header::CONNECTION, "upgrade"));
        assert!(!has_token(&headers, &header::CONNECTION, "up"));
    }
}
