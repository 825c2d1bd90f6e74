//! One client connection: a [`connection`] carries requests of HTTP/1.1, [`http2`] those of HTTP/2; a `service`
//! of either takes each from its head to a refusal, a forwarded answer or an upgrade.

pub mod connection;
pub mod http2;
mod preface;
mod service;

use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::http::forwarded::Ends;
use crate::local::Local;
use crate::tls::stream::Stream;

/// Serves a client of the plain port: HTTP/1.1, or HTTP/2 if that is taken there and the client begins with it.
pub async fn serve_plain(
    local: Rc<Local>,
    stream: TcpStream,
    ends: Ends,
    mut leaving: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    let limits = &local.shared.limits;
    let is_http2 = limits.h2c
        && tokio::select! {
            announced = preface::announces_http2(&stream, limits.header_timeout) => match announced {
                Some(is_http2) => is_http2,
                None => return,
            },
            _ = leaving.wait_for(|leaving| *leaving) => false,
        };
    let stream = Stream::Plain(stream);
    if is_http2 {
        http2::serve(local, stream, ends, leaving, permit).await;
    } else {
        connection::serve(local, stream, ends, leaving, permit).await;
    }
}
