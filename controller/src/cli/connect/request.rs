//! The handshake's request: the fields of RFC 6455, section 4.1, and whatever the caller adds.

use anyhow::bail;
use http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use super::Args;
use super::url::Url;

/// A field as the caller wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    name: String,
    value: String,
}

/// Reads `name: value` as given with `-H`.
pub(super) fn header(text: &str) -> Result<Header, String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err("must be 'name: value', as in 'Origin: https://example.com'".into());
    };
    let value = value.trim();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("'{name}' must be a header name"));
    }
    if HeaderValue::from_str(value).is_err() {
        return Err(format!("the value of '{name}' must not hold control characters"));
    }
    Ok(Header {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

/// The request's head, line by line.
#[derive(Debug)]
pub(super) struct Request {
    head: Vec<String>,
    /// The Sec-WebSocket-Key that was sent.
    pub(super) key: String,
    /// The subprotocols that were offered.
    pub(super) offered: Vec<String>,
    /// Whether any extension was offered, which only `-H` does.
    pub(super) extensions: bool,
}

impl Request {
    pub(super) fn new(url: &Url, args: &Args) -> anyhow::Result<Self> {
        let mut fields = vec![
            own("Host", args.host.as_deref().unwrap_or(&url.authority))?,
            own("Upgrade", "websocket")?,
            own("Connection", "Upgrade")?,
            own("Sec-WebSocket-Version", "13")?,
            own("Sec-WebSocket-Key", &generate_key())?,
            own("User-Agent", concat!("holdfast/", env!("CARGO_PKG_VERSION")))?,
        ];
        if !args.subprotocol.is_empty() {
            fields.push(own("Sec-WebSocket-Protocol", &args.subprotocol.join(", "))?);
        }
        let given = |field: &Header| {
            args.header
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&field.name))
        };
        fields.retain(|field| !given(field));
        fields.extend(args.header.iter().cloned());

        let all = |name: &str| {
            let same = fields
                .iter()
                .filter(|field| field.name.eq_ignore_ascii_case(name));
            same.map(|field| field.value.as_str())
                .collect::<Vec<_>>()
                .join(",")
        };
        let key = all("sec-websocket-key");
        let offered = all("sec-websocket-protocol")
            .split(',')
            .map(|protocol| protocol.trim().to_owned())
            .filter(|protocol| !protocol.is_empty())
            .collect();
        let extensions = !all("sec-websocket-extensions").is_empty();
        let mut head = vec![format!("GET {} HTTP/1.1", url.target)];
        head.extend(
            fields
                .iter()
                .map(|field| format!("{}: {}", field.name, field.value)),
        );
        Ok(Self {
            head,
            key,
            offered,
            extensions,
        })
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.head.iter().map(String::as_str)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        format!("{}\r\n\r\n", self.head.join("\r\n")).into_bytes()
    }
}

fn own(name: &str, value: &str) -> anyhow::Result<Header> {
    match header(&format!("{name}: {value}")) {
        Ok(header) => Ok(header),
        Err(wrong) => bail!(wrong),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn request(arguments: &[&str]) -> Request {
        let words = ["connect", "ws://h:81/p?q"].iter().chain(arguments);
        let args = Command::try_parse_from(words).expect("arguments").args;
        Request::new(&Url::parse("ws://h:81/p?q").expect("url"), &args).expect("request")
    }

    #[test]
    fn a_plain_request_has_what_the_rfc_asks_for() {
        let request = request(&[]);
        let text = String::from_utf8(request.bytes()).expect("text");
        assert!(
            text.starts_with("GET /p?q HTTP/1.1\r\nHost: h:81\r\nUpgrade: websocket\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("\r\n\r\n") && text.contains(&format!("Sec-WebSocket-Key: {}\r\n", request.key))
        );
        assert!(!text.contains("Sec-WebSocket-Protocol"));
    }

    #[test]
    fn given_fields_replace_ours() {
        let request = request(&[
            "--host",
            "chat.example.com",
            "--subprotocol",
            "a",
            "--subprotocol",
            "b",
        ]);
        assert_eq!(request.offered, ["a", "b"]);
        assert!(request.lines().any(|line| line == "Host: chat.example.com"));
        let request = self::request(&[
            "-H",
            "sec-websocket-key: x",
            "-H",
            "Cookie: a=b",
            "-H",
            "cookie: c=d",
        ]);
        assert_eq!(request.key, "x");
        let text = String::from_utf8(request.bytes()).expect("text");
        assert!(
            !text.contains("Sec-WebSocket-Key") && text.contains("Cookie: a=b\r\ncookie: c=d\r\n"),
            "{text}"
        );
    }

    #[test]
    fn no_field_smuggles_another() {
        assert_eq!(
            header("A:b").expect("valid"),
            Header {
                name: "A".into(),
                value: "b".into()
            }
        );
        for wrong in ["A", "", ": b", "a b: c", "a: b\r\nc: d", "a: \u{1}"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }
}
