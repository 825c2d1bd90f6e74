//! The server's side of a handshake (RFC 6455, section 4.2), and the echo.

use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::{Answer, Place};

/// One message of the echo; the proxy itself has no such bound.
pub(in crate::cli) const ECHO_MOST: usize = 16 << 20;

/// An open WebSocket.
pub(in crate::cli) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers a handshake and hands the socket to `then`; `None` when the request is none.
/// Messages are at most `most` bytes long.
pub(in crate::cli) fn upgrade<F>(
    request: &mut Request<Incoming>,
    most: usize,
    place: Place,
    then: impl FnOnce(Socket) -> F + Send + 'static,
) -> Option<Answer>
where
    F: Future<Output = ()> + Send,
{
    let accept = accept_key(request.headers())?;
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let limits = WebSocketConfig::default()
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let io = TokioIo::new(upgraded);
        then(WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await).await;
        drop(place);
    });
    Some(switching(&accept))
}

/// Sends every message back.
pub(in crate::cli) async fn echo(socket: &mut Socket) {
    while let Some(Ok(message)) = socket.next().await {
        // Pings and Closes are answered by the library.
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Sends every message back until `ending` says so; then says goodbye (1001), as a server should that goes
/// away.
pub(in crate::cli) async fn echo_until(mut socket: Socket, mut ending: watch::Receiver<bool>) {
    let is_ending = ending.wait_for(|ending| *ending);
    let over = {
        let echo = echo(&mut socket);
        tokio::select! {
            () = echo => true,
            _ = is_ending => false,
        }
    };
    if over {
        return;
    }
    let goodbye = CloseFrame {
        code: CloseCode::Away,
        reason: "the server goes away".into(),
    };
    if socket.close(Some(goodbye)).await.is_ok() {
        // Until the other side has said goodbye, too.
        while let Some(Ok(_)) = socket.next().await {}
    }
}

/// The Sec-WebSocket-Accept for a handshake; `None` for any other request.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let upgrade = headers.get(UPGRADE)?.to_str().ok()?;
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return None;
    }
    Some(derive_accept_key(headers.get(SEC_WEBSOCKET_KEY)?.as_bytes()))
}

fn switching(accept: &str) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
