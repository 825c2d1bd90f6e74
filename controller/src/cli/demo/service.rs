//! What the demo's endpoints answer: the page, who they are, and two WebSockets.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::chat::{self, Room};
use super::page;

/// One message of the echo; the proxy itself has no such bound.
const ECHO_MOST: usize = 16 << 20;

/// Answers one request. A WebSocket keeps `permit` until it ends.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    endpoint: &'static str,
    room: Arc<Room>,
    permit: Arc<OwnedSemaphorePermit>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    Ok(match request.uri().path() {
        "/" => typed(
            StatusCode::OK,
            "text/html; charset=utf-8",
            Bytes::from_static(page::HTML.as_bytes()),
        ),
        "/whoami" => plain(StatusCode::OK, whoami(&request, endpoint)),
        path @ ("/chat" | "/echo") => {
            let to_echo = path == "/echo";
            let Some(accept) = accept_key(request.headers()) else {
                return Ok(plain(
                    StatusCode::UPGRADE_REQUIRED,
                    "a WebSocket lives here; try 'holdfast connect'\n".to_owned(),
                ));
            };
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let limit = if to_echo { ECHO_MOST } else { chat::MESSAGE_MOST };
                let limits = WebSocketConfig::default()
                    .max_message_size(Some(limit))
                    .max_frame_size(Some(limit));
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await;
                if to_echo {
                    echo(socket).await
                } else {
                    room.join(socket, endpoint).await
                }
                drop(permit);
            });
            switching(&accept)
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "the demo has /, /whoami, /chat and /echo\n".to_owned(),
        ),
    })
}

/// The Sec-WebSocket-Accept for a handshake; `None` for any other request.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let upgrade = headers.get(UPGRADE)?.to_str().ok()?;
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return None;
    }
    Some(derive_accept_key(headers.get(SEC_WEBSOCKET_KEY)?.as_bytes()))
}

fn switching(accept: &str) -> Response<Full<Bytes>> {
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

async fn echo(mut socket: WebSocketStream<TokioIo<Upgraded>>) {
    use futures_util::{SinkExt, StreamExt};
    while let Some(Ok(message)) = socket.next().await {
        // Pings and Closes are answered by the library.
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// The endpoint, and what of the request shows the proxy's work.
fn whoami(request: &Request<Incoming>, endpoint: &str) -> String {
    let mut text = format!("endpoint: {endpoint}\n{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!(
            "{}: {}\n",
            HeaderName::as_str(name),
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    text
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", text.into())
}

fn typed(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
