//! Host names as routing compares them.

use std::borrow::Cow;

use crate::model::HostPattern;

/// The host of a `Host` field, authority or configured name, in the form that patterns are held
/// in: lower case, no port, no trailing dot. An IPv6 literal keeps its brackets.
///
/// Borrows when nothing has to change in case. Says nothing about validity: a malformed `Host` is
/// refused before routing (RFC 9112 section 3.2), and whatever is left of one here matches no
/// exact or wildcard pattern.
pub fn normalize(host: &str) -> Cow<'_, str> {
    let bare = without_port(host);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    if bare.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(bare.to_ascii_lowercase())
    } else {
        Cow::Borrowed(bare)
    }
}

/// Cuts `:port`; the port may be empty (RFC 3986 section 3.2.3).
fn without_port(host: &str) -> &str {
    // Colons inside an IPv6 literal are not in front of a port.
    let from = match host.strip_prefix('[').map(|literal| literal.find(']')) {
        None => 0,
        Some(Some(end)) => end + 1,
        Some(None) => return host,
    };
    match host[from..].rfind(':') {
        Some(at) if host[from + at + 1..].bytes().all(|b| b.is_ascii_digit()) => &host[..from + at],
        _ => host,
    }
}

/// The part of a normalised host behind its first label: what a wildcard is held as.
pub(crate) fn wildcard_suffix(host: &str) -> Option<&str> {
    match host.split_once('.') {
        Some((label, suffix)) if !label.is_empty() && !suffix.is_empty() => Some(suffix),
        _ => None,
    }
}

impl HostPattern {
    /// Whether the pattern takes `host`, which must be [normalised](normalize).
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Wildcard(suffix) => wildcard_suffix(host) == Some(suffix),
            Self::Exact(name) => name == host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form() {
        for (written, normal) in [
            ("chat.example.com", "chat.example.com"),
            ("Chat.EXAMPLE.com:8080", "chat.example.com"),
            ("chat.example.com.", "chat.example.com"),
            ("chat.example.com.:443", "chat.example.com"),
            ("chat.example.com:", "chat.example.com"),
            ("[2001:DB8::1]:8080", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
            ("[::1", "[::1"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("host:port", "host:port"),
            (":80", ""),
            ("", ""),
        ] {
            assert_eq!(normalize(written), normal, "{written}");
        }
    }

    #[test]
    fn only_upper_case_costs_an_allocation() {
        assert!(matches!(normalize("a.example:80"), Cow::Borrowed(_)));
        assert!(matches!(normalize("A.example:80"), Cow::Owned(_)));
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        let pattern = HostPattern::Wildcard("foo.com".into());
        assert!(pattern.covers("bar.foo.com"));
        for other in ["foo.com", "baz.bar.foo.com", ".foo.com", "barfoo.com", ""] {
            assert!(!pattern.covers(other), "{other}");
        }
    }
}
