//! An echo session on fastwebsockets, behind hyper.

use anyhow::Result;
use bytes::Bytes;
use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Accepts, Order, choose, info};
use crate::clients::Closing;
use crate::clients::fast::{Stream, closing, over, send};

pub(super) async fn session(
    stream: TcpStream,
    accepts: Accepts,
    report: mpsc::Sender<Closing>,
) -> Result<()> {
    let service = service_fn(move |request| {
        let accepts = accepts.clone();
        let report = report.clone();
        async move { handshake(request, &accepts, report) }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await?;
    Ok(())
}

fn handshake(
    mut request: Request<Incoming>,
    accepts: &Accepts,
    report: mpsc::Sender<Closing>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let chosen = choose(
        request.headers().get("sec-websocket-protocol"),
        &accepts.subprotocols,
    );
    let info = info(&request.uri().to_string(), request.headers(), &chosen);
    let (mut response, upgraded) = upgrade::upgrade(&mut request)?;
    if let Ok(value) = chosen.parse()
        && !chosen.is_empty()
    {
        response.headers_mut().insert("sec-websocket-protocol", value);
    }
    tokio::spawn(async move {
        let Ok(stream) = upgraded.await else { return };
        let mut stream = over(stream.into_inner(), Role::Server);
        let closing = echo(&mut stream, &info).await.unwrap_or(Closing::new(1006, ""));
        let _ = report.send(closing).await;
    });
    Ok(response)
}

async fn echo(stream: &mut Stream, info: &str) -> Result<Closing> {
    loop {
        let frame = stream.read_frame().await?;
        let (opcode, payload) = (frame.opcode, frame.payload.to_vec());
        match opcode {
            OpCode::Close => return Ok(closing(&payload)),
            OpCode::Text => {
                let text = String::from_utf8(payload)?;
                match Order::parse(&text) {
                    None => say(stream, &text).await?,
                    Some(Order::Info) => say(stream, info).await?,
                    Some(Order::Send(pattern)) => send(stream, pattern).await?,
                    Some(Order::Close(with)) => {
                        stream
                            .write_frame(Frame::close(with.code, with.reason.as_bytes()))
                            .await?;
                    }
                    Some(Order::Ping(text)) => {
                        let payload = Payload::Owned(text.into_bytes());
                        stream
                            .write_frame(Frame::new(true, OpCode::Ping, None, payload))
                            .await?;
                    }
                }
            }
            OpCode::Binary => stream.write_frame(Frame::binary(Payload::Owned(payload))).await?,
            OpCode::Pong => say(stream, &format!("pong {}", String::from_utf8_lossy(&payload))).await?,
            OpCode::Ping | OpCode::Continuation => {}
        }
    }
}

async fn say(stream: &mut Stream, text: &str) -> Result<(), WebSocketError> {
    stream
        .write_frame(Frame::text(Payload::Owned(text.as_bytes().to_vec())))
        .await
}
