//! WebSocket clients of four independent libraries behind one face; [`http`] for plain requests.
//! A client that must be able to misbehave is a [`crate::raw::Raw`].

pub mod fast;
pub mod http;
pub mod http2;
pub mod tungstenite;

use std::net::SocketAddr;

use ::http::HeaderMap;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::foreign::{Peer, target};
use crate::pattern::Pattern;
use crate::tls::{Stream, Trust};

/// The libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// tokio-tungstenite.
    Tungstenite,
    /// fastwebsockets.
    Fastwebsockets,
    /// Python `websockets`.
    PythonWebsockets,
    /// Node.js `ws`.
    NodeWs,
}

impl Library {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Tungstenite,
        Self::Fastwebsockets,
        Self::PythonWebsockets,
        Self::NodeWs,
    ];

    /// Those that speak over any pair of byte streams, also one of HTTP/2.
    pub const ANYWHERE: [Self; 2] = [Self::Tungstenite, Self::Fastwebsockets];

    /// Those that negotiate permessage-deflate.
    pub const DEFLATING: [Self; 2] = [Self::PythonWebsockets, Self::NodeWs];
}

/// What a client asks for in its handshake.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Subprotocols, the preferred first.
    pub subprotocols: Vec<String>,
    /// Offer permessage-deflate.
    pub compress: bool,
    /// More fields.
    pub headers: Vec<(String, String)>,
    /// With TLS, and whom to believe then.
    pub tls: Option<Trust>,
    /// Over HTTP/2, which needs TLS; only libraries of [`Library::ANYWHERE`] can.
    pub http2: bool,
}

/// What the handshake settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// Subprotocol; empty if none.
    pub subprotocol: String,
    /// `Sec-WebSocket-Extensions` of the 101; empty if none.
    pub extensions: String,
}

impl Agreed {
    fn by(answer: &HeaderMap) -> Self {
        let field = |name: &str| {
            let value = answer.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Self {
            subprotocol: field("sec-websocket-protocol"),
            extensions: field("sec-websocket-extensions"),
        }
    }
}

/// The code and the reason of a Close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The code; 1005 when the frame had none, 1006 when there was no frame.
    pub code: u16,
    /// The reason.
    pub reason: String,
}

impl Closing {
    /// A code with a reason.
    pub fn new(code: u16, reason: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let code = value["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        Self::new(code.unwrap_or(1006), value["reason"].as_str().unwrap_or_default())
    }
}

/// A connected client.
#[derive(Debug)]
pub enum Client {
    /// On tokio-tungstenite.
    Tungstenite(Box<tungstenite::Client>),
    /// On fastwebsockets.
    Fastwebsockets(Box<fast::Client>),
    /// In a process of its own.
    Foreign(Box<Peer>),
}

impl Client {
    /// Makes a handshake with `host` and `path` at `proxy`.
    ///
    /// # Errors
    /// When the handshake is refused.
    pub async fn connect(
        library: Library,
        proxy: SocketAddr,
        host: &str,
        path: &str,
        offer: &Offer,
    ) -> Result<(Self, Agreed)> {
        let script = match library {
            Library::Tungstenite => {
                let (client, agreed) = tungstenite::Client::connect(proxy, host, path, offer).await?;
                return Ok((Self::Tungstenite(Box::new(client)), agreed));
            }
            Library::Fastwebsockets => {
                let (client, agreed) = fast::Client::connect(proxy, host, path, offer).await?;
                return Ok((Self::Fastwebsockets(Box::new(client)), agreed));
            }
            Library::PythonWebsockets => "client.py",
            Library::NodeWs => "client.cjs",
        };
        foreign(Peer::script(script)?, proxy, host, path, offer).await
    }

    /// Makes another handshake with the same library; a foreign client stays in its process.
    ///
    /// # Errors
    /// When the handshake is refused.
    pub async fn reconnect(
        self,
        proxy: SocketAddr,
        host: &str,
        path: &str,
        offer: &Offer,
    ) -> Result<(Self, Agreed)> {
        match self {
            Self::Tungstenite(_) => Self::connect(Library::Tungstenite, proxy, host, path, offer).await,
            Self::Fastwebsockets(_) => Self::connect(Library::Fastwebsockets, proxy, host, path, offer).await,
            Self::Foreign(peer) => foreign(*peer, proxy, host, path, offer).await,
        }
    }

    /// Sends a message to an echo, and compares what comes back.
    ///
    /// # Errors
    /// When it differs, or nothing comes.
    pub async fn echo(&mut self, message: Pattern) -> Result<()> {
        match self {
            Self::Tungstenite(client) => client.echo(message).await,
            Self::Fastwebsockets(client) => client.echo(message).await,
            Self::Foreign(peer) => {
                let Pattern {
                    kind,
                    size,
                    seed,
                    fragments,
                } = message;
                let kind = kind.as_str();
                let arguments = json!({ "kind": kind, "size": size, "seed": seed, "fragments": fragments });
                peer.call("echo", arguments).await.map(drop)
            }
        }
    }

    /// Sends a text, yields the next text.
    ///
    /// # Errors
    /// When none comes.
    pub async fn ask(&mut self, text: &str) -> Result<String> {
        match self {
            Self::Tungstenite(client) => client.ask(text).await,
            Self::Fastwebsockets(client) => client.ask(text).await,
            Self::Foreign(peer) => {
                let reply = peer.call("ask", json!({ "text": text })).await?;
                Ok(reply["text"].as_str().unwrap_or_default().to_owned())
            }
        }
    }

    /// Sends a Ping, awaits its Pong.
    ///
    /// # Errors
    /// When none comes.
    pub async fn ping(&mut self, payload: &str) -> Result<()> {
        match self {
            Self::Tungstenite(client) => client.ping(payload).await,
            Self::Fastwebsockets(client) => client.ping(payload).await,
            Self::Foreign(peer) => peer.call("ping", json!({ "payload": payload })).await.map(drop),
        }
    }

    /// Starts the closing handshake; yields what the other side's Close frame said.
    ///
    /// # Errors
    /// When none comes.
    pub async fn close(&mut self, closing: &Closing) -> Result<Closing> {
        match self {
            Self::Tungstenite(client) => client.close(closing).await,
            Self::Fastwebsockets(client) => client.close(closing).await,
            Self::Foreign(peer) => {
                let arguments = json!({ "code": closing.code, "reason": closing.reason });
                Ok(Closing::from_json(&peer.call("close", arguments).await?))
            }
        }
    }

    /// Awaits the other side's Close frame, and answers it.
    ///
    /// # Errors
    /// When none comes.
    pub async fn closed(&mut self) -> Result<Closing> {
        match self {
            Self::Tungstenite(client) => client.closed().await,
            Self::Fastwebsockets(client) => client.closed().await,
            Self::Foreign(peer) => Ok(Closing::from_json(&peer.call("closed", json!({})).await?)),
        }
    }

    /// Asks an echo server to close with a code and a reason; yields what arrived.
    ///
    /// # Errors
    /// When no Close frame comes.
    pub async fn ask_to_close(&mut self, closing: &Closing) -> Result<Closing> {
        let order = format!("!close {} {}", closing.code, closing.reason);
        match self {
            Self::Tungstenite(client) => client.order(&order).await?,
            Self::Fastwebsockets(client) => client.order(&order).await?,
            Self::Foreign(peer) => peer.call("order", json!({ "text": order })).await.map(drop)?,
        }
        self.closed().await
    }

    /// What the echo server saw of the handshake.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn info(&mut self) -> Result<Value> {
        Ok(serde_json::from_str(&self.ask("!info").await?)?)
    }
}

/// A stream of a new HTTP/2 connection.
async fn over_http2(to: SocketAddr, host: &str, path: &str, offer: &Offer) -> Result<(Stream, Agreed)> {
    let trust = offer.tls.as_ref().context("HTTP/2 is offered over TLS")?;
    // Boxed: few clients come this way, and all would be as large as it.
    let connection = Box::pin(http2::Connection::open(to, host, trust)).await?;
    connection.websocket(host, path, offer).await
}

async fn foreign(
    mut peer: Peer,
    proxy: SocketAddr,
    host: &str,
    path: &str,
    offer: &Offer,
) -> Result<(Client, Agreed)> {
    ensure!(!offer.http2, "this library has no WebSocket over HTTP/2");
    let mut arguments = target(proxy, host, path);
    arguments["subprotocols"] = json!(offer.subprotocols);
    arguments["compress"] = json!(offer.compress);
    arguments["ca"] = json!(offer.tls.as_ref().map(|trust| &trust.pem));
    arguments["headers"] = offer.headers.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    let reply = peer.call("connect", arguments).await?;
    let text = |key: &str| reply[key].as_str().unwrap_or_default().to_owned();
    let agreed = Agreed {
        subprotocol: text("subprotocol"),
        extensions: text("extensions"),
    };
    Ok((Client::Foreign(Box::new(peer)), agreed))
}

/// Compares an echoed payload with what was sent.
pub(crate) fn compare(message: &Pattern, got: &[u8], text: bool) -> Result<()> {
    let kind = if text {
        crate::pattern::Kind::Text
    } else {
        crate::pattern::Kind::Binary
    };
    ensure!(kind == message.kind, "sent {message:?}, got {kind:?}");
    ensure!(
        got == message.payload(),
        "sent {message:?}, got {} other bytes",
        got.len()
    );
    Ok(())
}
