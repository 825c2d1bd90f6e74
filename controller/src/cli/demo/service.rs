//! What the demo's endpoints answer: the page, who they are, and two WebSockets.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::chat::{self, Room};
use super::page;
use crate::cli::backend::websocket::{ECHO_MOST, echo, upgrade};
use crate::cli::backend::{Answer, Place, head, plain, typed};

/// Answers one request.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    endpoint: &'static str,
    room: Arc<Room>,
    place: Place,
) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => typed(
            StatusCode::OK,
            "text/html; charset=utf-8",
            Bytes::from_static(page::HTML.as_bytes()),
        ),
        "/whoami" => plain(
            StatusCode::OK,
            format!("endpoint: {endpoint}\n{}", head(&request)),
        ),
        "/echo" => upgrade(&mut request, ECHO_MOST, place, |mut socket| async move {
            echo(&mut socket).await;
        })
        .unwrap_or_else(no_handshake),
        "/chat" => {
            let join = async move |socket| room.join(socket, endpoint).await;
            upgrade(&mut request, chat::MESSAGE_MOST, place, join).unwrap_or_else(no_handshake)
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "the demo has /, /whoami, /chat and /echo\n".to_owned(),
        ),
    }
}

fn no_handshake() -> Answer {
    plain(
        StatusCode::UPGRADE_REQUIRED,
        "a WebSocket lives here; try 'holdfast connect'\n".to_owned(),
    )
}
