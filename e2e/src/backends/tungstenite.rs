//! An echo session on tokio-tungstenite.

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Accepts, Order, choose, info};
use crate::clients::Closing;
use crate::clients::tungstenite::{closing, config, send};

/// Chooses the subprotocol and notes what `!info` answers.
struct Handshake<'a> {
    accepts: &'a Accepts,
    info: &'a mut String,
}

impl Callback for Handshake<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let chosen = choose(
            request.headers().get("sec-websocket-protocol"),
            &self.accepts.subprotocols,
        );
        *self.info = info(&request.uri().to_string(), request.headers(), &chosen);
        if let Ok(value) = chosen.parse()
            && !chosen.is_empty()
        {
            response.headers_mut().insert("sec-websocket-protocol", value);
        }
        Ok(response)
    }
}

pub(super) async fn session(
    stream: TcpStream,
    accepts: Accepts,
    report: mpsc::Sender<Closing>,
) -> Result<()> {
    let mut info = String::new();
    let handshake = Handshake {
        accepts: &accepts,
        info: &mut info,
    };
    let mut stream =
        tokio_tungstenite::accept_hdr_async_with_config(stream, handshake, Some(config())).await?;
    let closing = echo(&mut stream, &info).await.unwrap_or(Closing::new(1006, ""));
    let _ = report.send(closing).await;
    Ok(())
}

async fn echo(stream: &mut WebSocketStream<TcpStream>, info: &str) -> Result<Closing> {
    let mut end = Closing::new(1006, "");
    while let Some(message) = stream.next().await {
        let Ok(message) = message else { break };
        match message {
            Message::Text(text) => match Order::parse(&text) {
                None => stream.send(Message::Text(text)).await?,
                Some(Order::Info) => stream.send(Message::text(info)).await?,
                Some(Order::Ping(payload)) => stream.send(Message::Ping(payload.into())).await?,
                Some(Order::Send(pattern)) => send(stream, pattern).await?,
                Some(Order::Close(Closing { code, reason })) => {
                    let frame = CloseFrame {
                        code: CloseCode::from(code),
                        reason: reason.into(),
                    };
                    stream.send(Message::Close(Some(frame))).await?;
                }
            },
            Message::Pong(payload) => {
                let text = format!("pong {}", String::from_utf8_lossy(&payload));
                stream.send(Message::text(text)).await?;
            }
            Message::Binary(_) => stream.send(message).await?,
            Message::Close(frame) => end = closing(frame),
            Message::Ping(_) | Message::Frame(_) => {}
        }
    }
    Ok(end)
}
