//! The URL of a WebSocket (RFC 6455, section 3), as far as `connect` follows it.

use anyhow::{Context, bail};
use http::Uri;

/// Where to connect to and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Name or address, without brackets.
    pub(super) host: String,
    /// With TLS.
    pub(super) tls: bool,
    /// Port; 80 if not given, with TLS 443.
    pub(super) port: u16,
    /// What the Host field says.
    pub(super) authority: String,
    /// Path and query; begins with a slash.
    pub(super) target: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let uri: Uri = text
            .parse()
            .with_context(|| format!("'{text}' must be a URL such as 'ws://localhost:8080/echo'"))?;
        let tls = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => bail!("'{text}' must begin with 'ws://' or 'wss://', as in 'ws://localhost:8080/echo'"),
        };
        let Some(authority) = uri.authority() else {
            bail!("'{text}' names no host")
        };
        if authority.as_str().contains('@') {
            bail!("'{text}' must not hold a user name; send one with -H 'Authorization: …'");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            bail!("'{text}' names no host");
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") | None if tls => 443,
            Some("") | None => 80,
            Some(_) => authority
                .port_u16()
                .filter(|port| *port != 0)
                .context("the port must be 1 to 65535")?,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        Ok(Self {
            host: host.to_owned(),
            tls,
            port,
            authority: authority.to_string(),
            target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_browser_would() {
        let parsed = |text| {
            let url = Url::parse(text).expect(text);
            (url.host, url.port, url.authority, url.target)
        };
        let parts = |a: &str, b, c: &str, d: &str| (a.to_owned(), b, c.to_owned(), d.to_owned());
        assert_eq!(
            parsed("ws://localhost:8080/echo"),
            parts("localhost", 8080, "localhost:8080", "/echo")
        );
        assert_eq!(
            parsed("ws://chat.example.com"),
            parts("chat.example.com", 80, "chat.example.com", "/")
        );
        assert_eq!(
            parsed("http://[::1]:81/a?b=c"),
            parts("::1", 81, "[::1]:81", "/a?b=c")
        );
        assert_eq!(parsed("wss://h/"), parts("h", 443, "h", "/"));
        assert!(Url::parse("https://h:8443/").expect("url").tls);
        assert_eq!(parsed("ws://h?b=c#gone"), parts("h", 80, "h", "/?b=c"));
    }

    #[test]
    fn says_what_to_write_instead() {
        for (text, says) in [
            ("localhost:8080", "must begin with 'ws://'"),
            ("/echo", "must begin with 'ws://'"),
            ("ftp://a/", "must begin with 'ws://'"),
            ("ws://me:secret@a/", "must not hold a user name"),
            ("ws://a:0/", "the port must be 1 to 65535"),
            ("ws://a:99999/", "must be"),
            ("ws://", "must be a URL"),
            ("", "must be a URL"),
        ] {
            let error = format!("{:#}", Url::parse(text).expect_err(text));
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
