//! Who is asking: `X-Forwarded-*`, `X-Real-IP` and `Forwarded` (RFC 7239).
//!
//! Pure. What a stranger claims is overwritten; what a trusted proxy in front says is kept and gone on from.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::header::{X_FORWARDED, single};
use crate::local::{Secured, Trust};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Of which there is none: an address is a value, and so is a host.
const UNKNOWN: HeaderValue = HeaderValue::from_static("unknown");

/// A peer's address, and the one that it connected to.
pub type Ends = (SocketAddr, SocketAddr);

/// How a client came in.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// From where to where.
    pub ends: Ends,
    /// The port that it connected to, where a PROXY header told.
    pub port: Option<u16>,
    /// Its TLS handshake, if there was one.
    pub secured: Option<Secured>,
    /// The client's address, written once for all its requests.
    written: HeaderValue,
    /// For the host of the last request.
    told: RefCell<Option<Told>>,
}

/// What is said of a connection to all requests for one host.
#[derive(Clone, Debug)]
struct Told {
    host: HeaderValue,
    port: HeaderValue,
    element: HeaderValue,
}

impl Arrival {
    /// A connection.
    pub fn new(ends: Ends, port: Option<u16>, secured: Option<Secured>) -> Self {
        Self {
            ends,
            port,
            secured,
            written: text(ends.0.ip().to_canonical().to_string()),
            told: RefCell::default(),
        }
    }

    /// Most clients ask for the same host again.
    fn told(&self, host: &HeaderValue) -> Told {
        let mut last = self.told.borrow_mut();
        match &*last {
            Some(told) if told.host == host => told.clone(),
            _ => last.insert(self.tell(host)).clone(),
        }
    }

    fn tell(&self, host: &HeaderValue) -> Told {
        let (peer, scheme) = (self.ends.0.ip().to_canonical(), self.scheme());
        Told {
            // A copy: as it came, it keeps the whole head that it came in.
            host: HeaderValue::from_bytes(host.as_bytes()).unwrap_or(UNKNOWN),
            port: HeaderValue::from(self.port.unwrap_or_else(|| port(host, scheme))),
            element: element(&self.written, peer.is_ipv6(), host, scheme),
        }
    }

    /// The scheme on our own connection.
    pub fn scheme(&self) -> &'static str {
        match self.secured {
            Some(_) => "https",
            None => "http",
        }
    }

    /// Whether nobody on the way to us could listen, be it that a trusted proxy in front has ended TLS.
    pub fn is_secure(&self, headers: &HeaderMap, trust: &Trust) -> bool {
        // Said twice, it may be the client's word before that of a proxy that adds to it.
        let told = || single(headers, &PROTO).is_some_and(|value| value == "https");
        self.secured.is_some() || (trust.is_proxy(self.ends.0.ip()) && told())
    }
}

/// The client: the peer, or the last address before the trusted proxies of `X-Forwarded-For`. The port of
/// one that is only told of is 0.
pub fn client(headers: &HeaderMap, peer: SocketAddr, trust: &Trust) -> SocketAddr {
    let lines = headers.get_all(&FOR).iter().rev();
    // A line that is no text holds no address.
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    let mut client = peer;
    for entry in entries {
        if !trust.is_proxy(client.ip()) {
            break;
        }
        // What is no address ends what can be believed.
        let Some(ip) = address(entry.trim()) else { break };
        client = SocketAddr::new(ip, 0);
    }
    client
}

/// `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.unwrap_or(text).parse().ok();
    ip.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Writes who is asking. Of a stranger, every `X-Forwarded-*`, `X-Real-IP` and `Forwarded` goes
/// (ingress-nginx lets unknown `X-Forwarded-*` pass); to those of a trusted proxy the peer is appended.
pub fn set(
    headers: &mut HeaderMap,
    arrival: &Arrival,
    client: SocketAddr,
    host: &HeaderValue,
    trust: &Trust,
) {
    let (peer, written) = (arrival.ends.0, arrival.written.clone());
    let Told { host, port, element } = arrival.told(host);
    let proto = HeaderValue::from_static(arrival.scheme());
    let real = match client == peer {
        true => written.clone(),
        false => text(client.ip().to_canonical().to_string()),
    };
    headers.insert(REAL_IP, real);
    if trust.is_proxy(peer.ip()) {
        append(headers, &header::FORWARDED, element);
        append(headers, &FOR, written);
        keep_one(headers, &PROTO, proto, |value| {
            matches!(value, b"http" | b"https")
        });
        keep_one(headers, &HOST, host, |_| true);
        keep_one(headers, &PORT, port, |value| {
            value.len() <= 5 && value.iter().all(u8::is_ascii_digit)
        });
        return;
    }
    let is_claim = |name: &&HeaderName| name.as_str().starts_with(X_FORWARDED);
    let claims: Vec<HeaderName> = headers.keys().filter(is_claim).cloned().collect();
    for name in &claims {
        headers.remove(name);
    }
    for (name, value) in [
        (header::FORWARDED, element),
        (FOR, written),
        (PROTO, proto),
        (HOST, host),
        (PORT, port),
    ] {
        headers.insert(name, value);
    }
}

/// The port that the client connected to, as far as it knows: a load balancer in front may have another than we.
fn port(host: &HeaderValue, scheme: &str) -> u16 {
    let written = host.to_str().ok().and_then(|host| host.rsplit_once(':'));
    // An address in brackets has colons too.
    let written = written.and_then(|(_, port)| port.parse().ok());
    written.unwrap_or(if scheme == "https" { 443 } else { 80 })
}

/// Adds to a list, of all whose lines one becomes.
fn append(headers: &mut HeaderMap, name: &HeaderName, entry: HeaderValue) {
    let lines = headers.get_all(name).iter().filter(|line| !line.is_empty());
    let mut list: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    let list = match list.is_empty() {
        true => entry,
        false => {
            list.push(entry.as_bytes());
            // What was made of values is a value.
            HeaderValue::from_bytes(&list.join(&b", "[..])).unwrap_or(entry)
        }
    };
    headers.insert(name, list);
}

/// Leaves what was said if it was said once and is right, else says it ourselves.
fn keep_one(headers: &mut HeaderMap, name: &HeaderName, own: HeaderValue, is_right: impl Fn(&[u8]) -> bool) {
    if !single(headers, name).is_some_and(|value| !value.is_empty() && is_right(value.as_bytes())) {
        headers.insert(name, own);
    }
}

/// An element of `Forwarded`. A host never has a quote in it: [`target`](super::target) saw to that.
fn element(peer: &HeaderValue, is_ipv6: bool, host: &HeaderValue, scheme: &str) -> HeaderValue {
    let (before, after) = if is_ipv6 { ("for=\"[", "]\"") } else { ("for=", "") };
    let parts: [&[u8]; 7] = [
        before.as_bytes(),
        peer.as_bytes(),
        after.as_bytes(),
        b";host=\"",
        host.as_bytes(),
        b"\";proto=",
        scheme.as_bytes(),
    ];
    HeaderValue::from_maybe_shared(Bytes::from(parts.concat())).unwrap_or(UNKNOWN)
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }

    fn trust() -> Trust {
        Trust {
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            proxy_protocol: false,
        }
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn who_ends_tls_in_front_says_so_once() {
        const HTTPS: (&str, &str) = ("x-forwarded-proto", "https");
        const HTTP: (&str, &str) = ("x-forwarded-proto", "http");
        for (peer, fields, expected) in [
            ("10.0.0.9:1", &[HTTPS][..], true),
            ("10.0.0.9:1", &[HTTP], false),
            ("10.0.0.9:1", &[], false),
            // A client's word before that of a proxy that adds to it.
            ("10.0.0.9:1", &[HTTPS, HTTP], false),
            ("192.0.2.7:1", &[HTTPS], false),
        ] {
            let arrival = Arrival::new((at(peer), at("10.0.0.1:8080")), None, None);
            assert_eq!(
                arrival.is_secure(&map(fields), &trust()),
                expected,
                "{peer} {fields:?}"
            );
        }
    }

    fn written(fields: &[(&str, &str)], peer: &str) -> HeaderMap {
        let mut headers = map(fields);
        let client = client(&headers, at(peer), &trust());
        let host = HeaderValue::from_static("chat.example:8080");
        let arrival = Arrival::new((at(peer), at("10.0.0.1:8080")), None, None);
        set(&mut headers, &arrival, client, &host, &trust());
        headers
    }

    #[test]
    fn what_a_stranger_claims_is_overwritten() {
        let headers = written(
            &[
                ("x-forwarded-for", "6.6.6.6"),
                ("x-forwarded-for", "7.7.7.7"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-prefix", "/evil"),
                ("forwarded", "for=6.6.6.6"),
                ("x-real-ip", "6.6.6.6"),
            ],
            "[::ffff:192.0.2.7]:4711",
        );
        let expected = map(&[
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "chat.example:8080"),
            ("x-forwarded-port", "8080"),
            ("x-real-ip", "192.0.2.7"),
            ("forwarded", "for=192.0.2.7;host=\"chat.example:8080\";proto=http"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn what_a_trusted_proxy_says_is_gone_on_from() {
        let headers = written(
            &[
                ("x-forwarded-for", "6.6.6.6, 192.0.2.7"),
                ("x-forwarded-for", "10.0.0.9"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "outer.example"),
                ("x-forwarded-port", "443"),
                ("x-forwarded-prefix", "/kept"),
                ("forwarded", "for=192.0.2.7;proto=https"),
                ("x-real-ip", "6.6.6.6"),
            ],
            "10.0.0.7:4711",
        );
        let expected = map(&[
            ("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.9, 10.0.0.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outer.example"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-prefix", "/kept"),
            ("x-real-ip", "192.0.2.7"),
            (
                "forwarded",
                "for=192.0.2.7;proto=https, for=10.0.0.7;host=\"chat.example:8080\";proto=http",
            ),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn nonsense_of_a_trusted_proxy_is_not_repeated() {
        let headers = written(
            &[
                ("x-forwarded-proto", "gopher"),
                ("x-forwarded-host", "a.example"),
                ("x-forwarded-host", "b.example"),
                ("x-forwarded-port", "443x"),
            ],
            "10.0.0.7:4711",
        );
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "chat.example:8080");
        assert_eq!(headers["x-forwarded-port"], "8080");
        assert_eq!(headers["x-forwarded-for"], "10.0.0.7");
    }

    #[test]
    fn the_client_is_the_last_that_nobody_vouches_for() {
        for (peer, said, expected) in [
            // A stranger is the client, whatever it says.
            ("192.0.2.7:4711", &["6.6.6.6"][..], "192.0.2.7:4711"),
            ("10.0.0.7:4711", &["6.6.6.6, 192.0.2.7"], "192.0.2.7:0"),
            ("10.0.0.7:4711", &["6.6.6.6", "10.1.1.1,10.2.2.2"], "6.6.6.6:0"),
            (
                "10.0.0.7:4711",
                &["[2001:db8::7]:99, 10.1.1.1"],
                "[2001:db8::7]:0",
            ),
            ("10.0.0.7:4711", &["192.0.2.7:99"], "192.0.2.7:0"),
            ("10.0.0.7:4711", &["[2001:db8::7]"], "[2001:db8::7]:0"),
            // Nothing, or nothing that can be read, leaves the nearest that is known.
            ("10.0.0.7:4711", &[], "10.0.0.7:4711"),
            ("10.0.0.7:4711", &["6.6.6.6, unknown, 10.1.1.1"], "10.1.1.1:0"),
            ("10.0.0.7:4711", &["10.1.1.1"], "10.1.1.1:0"),
        ] {
            let fields: Vec<_> = said.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(
                client(&map(&fields), at(peer), &trust()),
                at(expected),
                "{peer} {said:?}"
            );
        }
    }
}
