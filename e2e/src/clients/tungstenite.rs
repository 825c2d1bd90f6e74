//! A client on tokio-tungstenite.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Agreed, Closing, Offer, compare, over_http2};
use crate::deadline::{SOON, within};
use crate::pattern::{Kind, Pattern};
use crate::tls::{self, Stream};

/// A connected client.
#[derive(Debug)]
pub struct Client {
    /// The library's stream, for tests that need more of it.
    pub stream: WebSocketStream<Stream>,
}

/// Takes what the tests send, with small buffers: there may be many of them.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(8 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(64 << 20))
        .max_frame_size(Some(64 << 20))
}

/// What a Close frame of the library says.
pub(crate) fn closing(frame: Option<CloseFrame>) -> Closing {
    match frame {
        Some(frame) => Closing::new(frame.code.into(), &frame.reason),
        None => Closing::new(1005, ""),
    }
}

/// Sends a pattern in its fragments.
pub(crate) async fn send(
    stream: &mut WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
    message: Pattern,
) -> Result<()> {
    let parts = message.parts();
    let last = parts.len() - 1;
    for (index, part) in parts.into_iter().enumerate() {
        let data = match (index, message.kind) {
            (0, Kind::Text) => Data::Text,
            (0, Kind::Binary) => Data::Binary,
            _ => Data::Continue,
        };
        let frame = Frame::message(part, OpCode::Data(data), index == last);
        stream.send(Message::Frame(frame)).await?;
    }
    Ok(())
}

impl Client {
    /// Makes a handshake. Compression is not offered: the library has none.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(to: SocketAddr, host: &str, path: &str, offer: &Offer) -> Result<(Self, Agreed)> {
        if offer.http2 {
            let (socket, agreed) = over_http2(to, host, path, offer).await?;
            let stream = WebSocketStream::from_raw_socket(socket, Role::Client, Some(config())).await;
            return Ok((Self { stream }, agreed));
        }
        let mut request = format!("ws://{host}{path}").into_client_request()?;
        let headers = request.headers_mut();
        if !offer.subprotocols.is_empty() {
            headers.insert("sec-websocket-protocol", offer.subprotocols.join(", ").parse()?);
        }
        for (name, value) in &offer.headers {
            headers.append(http::HeaderName::try_from(name)?, value.parse()?);
        }
        let socket = tls::dial(to, host, offer.tls.as_ref()).await?;
        let handshake = client_async_with_config(request, socket, Some(config()));
        let (stream, response) = within("handshake", SOON, handshake).await?;
        Ok((Self { stream }, Agreed::by(response.headers())))
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn order(&mut self, text: &str) -> Result<()> {
        within("send", SOON, self.stream.send(Message::text(text))).await
    }

    /// The next message of any kind.
    ///
    /// # Errors
    /// When the stream ends.
    pub async fn next(&mut self) -> Result<Message> {
        let next = async {
            self.stream
                .next()
                .await
                .context("end of stream")
                .and_then(|next| Ok(next?))
        };
        within("receive", SOON * 2, next).await
    }

    /// See [`super::Client::ask`].
    ///
    /// # Errors
    /// When the next message is no text.
    pub async fn ask(&mut self, text: &str) -> Result<String> {
        self.order(text).await?;
        match self.data().await? {
            Message::Text(text) => Ok(text.to_string()),
            other => bail!("asked '{text}', got {other:?}"),
        }
    }

    pub(super) async fn echo(&mut self, message: Pattern) -> Result<()> {
        within("send", SOON * 2, send(&mut self.stream, message)).await?;
        let got = self.data().await?;
        compare(&message, &got.clone().into_data(), got.is_text())
    }

    pub(super) async fn ping(&mut self, payload: &str) -> Result<()> {
        self.stream.send(Message::Ping(payload.to_owned().into())).await?;
        match self.next().await? {
            Message::Pong(got) if got == payload.as_bytes() => Ok(()),
            other => bail!("sent a Ping with '{payload}', got {other:?}"),
        }
    }

    /// See [`super::Client::close`].
    ///
    /// # Errors
    /// When no Close frame comes back.
    pub async fn close(&mut self, with: &Closing) -> Result<Closing> {
        let frame = CloseFrame {
            code: CloseCode::from(with.code),
            reason: with.reason.clone().into(),
        };
        self.stream.send(Message::Close(Some(frame))).await?;
        self.closed().await
    }

    /// See [`super::Client::closed`].
    ///
    /// # Errors
    /// When the stream ends without a Close frame.
    pub async fn closed(&mut self) -> Result<Closing> {
        let closing = loop {
            if let Message::Close(frame) = self.next().await? {
                break closing(frame);
            }
        };
        // The library answers the Close on the next poll; it leaves ending the connection to its user.
        while let Some(Ok(_)) = tokio::time::timeout(SOON, self.stream.next()).await? {}
        let _ = self.stream.get_mut().shutdown().await;
        Ok(closing)
    }

    /// The next message that is neither Ping nor Pong.
    async fn data(&mut self) -> Result<Message> {
        loop {
            match self.next().await? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Ok(message),
            }
        }
    }
}
