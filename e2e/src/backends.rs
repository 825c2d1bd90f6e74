//! What stands behind the proxy: echo servers of four independent libraries behind one face, a plain HTTP
//! server ([`web`]), and raw scripts that can do anything ([`script`]).

pub mod fast;
pub mod script;
pub mod tungstenite;
pub mod web;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clients::{Closing, Library};
use crate::deadline::{SOON, within};
use crate::foreign::Peer;

/// A port of the system's choice.
pub(crate) const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Values of a field, in the JSON in which a backend says what it saw.
pub fn fields<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let all = seen["headers"].as_array().into_iter().flatten();
    all.filter(|pair| pair[0] == name)
        .filter_map(|pair| pair[1].as_str())
        .collect()
}

/// What an echo server accepts in handshakes.
#[derive(Clone, Debug, Default)]
pub struct Accepts {
    /// Subprotocols.
    pub subprotocols: Vec<String>,
    /// permessage-deflate, by the libraries that know it.
    pub compress: bool,
}

/// A WebSocket echo server. Besides echoing it obeys the texts of `peers/README.md`.
#[derive(Debug)]
pub struct Echo {
    /// Where it listens.
    pub addr: SocketAddr,
    kind: EchoKind,
}

#[derive(Debug)]
enum EchoKind {
    Native {
        closed: mpsc::Receiver<Closing>,
        _server: Server,
    },
    Foreign(Box<Peer>),
}

impl Echo {
    /// Starts one on a library.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(library: Library, accepts: &Accepts) -> Result<Self> {
        Self::start_at(ANYWHERE, library, accepts).await
    }

    /// The same at an address; foreign libraries choose their own.
    ///
    /// # Errors
    /// As [`Echo::start`].
    pub async fn start_at(at: SocketAddr, library: Library, accepts: &Accepts) -> Result<Self> {
        // More closings than any test has sessions: a full queue would hold the session up.
        let (report, closed) = mpsc::channel(100_000);
        let accepts = accepts.clone();
        let server = match library {
            Library::Tungstenite => {
                Server::start_at(at, move |stream| {
                    tungstenite::session(stream, accepts.clone(), report.clone())
                })
                .await?
            }
            Library::Fastwebsockets => {
                Server::start_at(at, move |stream| {
                    fast::session(stream, accepts.clone(), report.clone())
                })
                .await?
            }
            Library::PythonWebsockets => return Self::foreign("server.py", &accepts).await,
            Library::NodeWs => return Self::foreign("server.cjs", &accepts).await,
        };
        Ok(Self {
            addr: server.addr,
            kind: EchoKind::Native {
                closed,
                _server: server,
            },
        })
    }

    /// Starts one on tokio-tungstenite that accepts nothing special.
    ///
    /// # Errors
    /// As [`Echo::start`].
    pub async fn plain() -> Result<Self> {
        Self::plain_at(ANYWHERE).await
    }

    /// The same at an address.
    ///
    /// # Errors
    /// As [`Echo::start`].
    pub async fn plain_at(at: SocketAddr) -> Result<Self> {
        Self::start_at(at, Library::Tungstenite, &Accepts::default()).await
    }

    async fn foreign(script: &str, accepts: &Accepts) -> Result<Self> {
        let mut peer = Peer::script(script)?;
        let arguments = json!({ "subprotocols": accepts.subprotocols, "compress": accepts.compress });
        let addr = peer.listen(arguments).await?;
        Ok(Self {
            addr,
            kind: EchoKind::Foreign(Box::new(peer)),
        })
    }

    /// How the next session ended, as the server saw it.
    ///
    /// # Errors
    /// When none ends.
    pub async fn closed(&mut self) -> Result<Closing> {
        match &mut self.kind {
            EchoKind::Native { closed, .. } => {
                within("a session's end at the backend", SOON, async {
                    closed.recv().await.context("no server")
                })
                .await
            }
            EchoKind::Foreign(peer) => Ok(Closing::from_json(&peer.event("closed").await?)),
        }
    }
}

/// An order that an echo server found in a text message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Info,
    Close(Closing),
    Ping(String),
    Send(crate::pattern::Pattern),
}

impl Order {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix('!')?.split(' ');
        match words.next()? {
            "info" => Some(Self::Info),
            "close" => {
                let code = words.next()?.parse().ok()?;
                Some(Self::Close(Closing {
                    code,
                    reason: words.collect::<Vec<_>>().join(" "),
                }))
            }
            "ping" => Some(Self::Ping(words.next()?.to_owned())),
            "send" => {
                let text = words.next()? == "text";
                let kind = if text {
                    crate::pattern::Kind::Text
                } else {
                    crate::pattern::Kind::Binary
                };
                Some(Self::Send(crate::pattern::Pattern {
                    kind,
                    size: words.next()?.parse().ok()?,
                    seed: words.next()?.parse().ok()?,
                    fragments: words.next()?.parse().ok()?,
                }))
            }
            _ => None,
        }
    }
}

/// The answer to `!info`.
pub(crate) fn info(path: &str, headers: &http::HeaderMap, subprotocol: &str) -> String {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    json!({ "path": path, "headers": headers, "subprotocol": subprotocol, "extensions": "" }).to_string()
}

/// The first of `offered` (a `Sec-WebSocket-Protocol` value) that is accepted; empty if none.
pub(crate) fn choose(offered: Option<&http::HeaderValue>, accepted: &[String]) -> String {
    let offered = offered.and_then(|value| value.to_str().ok()).unwrap_or_default();
    offered
        .split(',')
        .map(str::trim)
        .find(|name| accepted.iter().any(|a| a == name))
        .unwrap_or_default()
        .to_owned()
}

/// A listener whose connections and accepting end with it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Runs `session` for every connection to a port of the system's choice.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start<F, S>(session: F) -> Result<Self>
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = Result<()>> + Send + 'static,
    {
        Self::start_at(ANYWHERE, session).await
    }

    /// The same at an address.
    ///
    /// # Errors
    /// When it can't listen there.
    pub async fn start_at<F, S>(at: SocketAddr, session: F) -> Result<Self>
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(at).await?;
        let addr = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                sessions.spawn(session(stream));
                while sessions.try_join_next().is_some() {}
            }
        });
        Ok(Self { addr, accepting })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
