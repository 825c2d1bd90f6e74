//! The request that `holdfast explain` asks about.

use std::fmt;

use anyhow::{Context, bail};
use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use routetable::matching::RequestView;

/// A request as far as routing looks at it.
#[derive(Debug)]
pub(super) struct Question {
    is_secure: bool,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Question {
    /// A URL with or without a scheme; without one a WebSocket with TLS is meant, which every policy lets in.
    pub(super) fn new(url: &str, fields: &[String], subprotocols: &[String]) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("wss", url));
        if !["ws", "wss", "http", "https"].contains(&scheme) {
            bail!("'{url}' must begin with 'wss://', 'ws://', 'https://' or 'http://'");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        if host.is_empty() {
            bail!("'{url}' names no host; write it as in 'ws://chat.example.com/ws'");
        }
        let mut question = Self {
            is_secure: matches!(scheme, "wss" | "https"),
            host: host.to_owned(),
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                path.to_owned()
            },
            query,
            headers: HeaderMap::new(),
        };
        if scheme.starts_with("ws") {
            question
                .headers
                .insert(UPGRADE, HeaderValue::from_static("websocket"));
            question
                .headers
                .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            question
                .headers
                .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        for field in fields {
            question.add(field)?;
        }
        for subprotocol in subprotocols {
            let value = HeaderValue::from_str(subprotocol);
            let value = value.with_context(|| format!("'{subprotocol}' must be a subprotocol's name"))?;
            question.headers.append(SEC_WEBSOCKET_PROTOCOL, value);
        }
        Ok(question)
    }

    fn add(&mut self, field: &str) -> anyhow::Result<()> {
        let form = || format!("'{field}' must be 'name: value', as in 'X-Canary: always'");
        let (name, value) = field.split_once(':').with_context(form)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).with_context(form)?;
        let value = HeaderValue::from_str(value.trim()).with_context(form)?;
        if name == HOST {
            self.host = value.to_str().with_context(form)?.to_owned();
        }
        self.headers.append(name, value);
        Ok(())
    }

    pub(super) fn view(&self) -> RequestView<'_> {
        let Self {
            host,
            path,
            query,
            headers,
            ..
        } = self;
        RequestView {
            host,
            path,
            query: query.as_deref(),
            headers,
        }
    }

    /// The host, without its port.
    pub(super) fn host(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.host,
        }
    }

    /// True with TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// True for a WebSocket handshake, false for a plain request.
    pub(super) fn is_handshake(&self) -> bool {
        self.headers.contains_key(UPGRADE)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_handshake() {
            "WebSocket handshake"
        } else {
            "plain request"
        };
        write!(f, "{kind}: host {}, path {}", self.host, self.path)?;
        self.query
            .iter()
            .try_for_each(|query| write!(f, ", query {query}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(url: &str) -> Question {
        Question::new(url, &[], &[]).expect(url)
    }

    #[test]
    fn takes_urls_with_and_without_a_scheme() {
        assert_eq!(
            question("chat.example.com").to_string(),
            "WebSocket handshake: host chat.example.com, path /"
        );
        assert_eq!(
            question("wss://a:1/b?c=d#e").to_string(),
            "WebSocket handshake: host a:1, path /b, query c=d"
        );
        assert_eq!(
            question("http://a?c").to_string(),
            "plain request: host a, path /, query c"
        );
        for wrong in ["", "ws://", "/path", "ftp://a/"] {
            assert!(Question::new(wrong, &[], &[]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn fields_and_subprotocols_reach_the_view() {
        let fields = ["X-Canary: always".to_owned(), "Host: other".to_owned()];
        let question = Question::new("a/", &fields, &["v1".to_owned(), "v2".to_owned()]).expect("question");
        let view = question.view();
        assert_eq!(
            (view.host, &view.headers["x-canary"]),
            ("other", &HeaderValue::from_static("always"))
        );
        assert_eq!(view.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().count(), 2);
        assert!(Question::new("a/", &["no colon".to_owned()], &[]).is_err());
    }
}
