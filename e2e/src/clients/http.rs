//! Plain HTTP requests, one connection each.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::deadline::{SOON, within};

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Fields.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Why the proxy answered; `None` when the backend did.
    pub fn reason(&self) -> Option<&str> {
        self.field("holdfast-reason")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("{} {}", self.status, self.text()))
    }
}

/// GET.
///
/// # Errors
/// When there is no answer.
pub async fn get(to: SocketAddr, host: &str, path: &str) -> Result<Answer> {
    let request = http::Request::get(path)
        .header("host", host)
        .body(Full::default())?;
    send(to, request).await
}

/// Any request; it must have a `host` field.
///
/// # Errors
/// When there is no answer.
pub async fn send(to: SocketAddr, request: http::Request<Full<Bytes>>) -> Result<Answer> {
    let what = format!("{} {} at {to}", request.method(), request.uri());
    let work = async {
        let stream = TcpStream::connect(to).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        driver.abort();
        anyhow::Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    };
    within(&what, SOON, work).await
}
