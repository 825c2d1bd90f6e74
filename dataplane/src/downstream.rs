//! One client connection: a [`connection`] carries requests of HTTP/1.1, [`http2`] those of HTTP/2; a `service`
//! of either takes each from its head to a refusal, a forwarded answer or an upgrade.

mod admit;
pub mod connection;
pub mod http2;
mod pass;
mod preface;
mod service;

use std::rc::Rc;

use tokio::sync::watch;

use crate::http::forwarded::Arrival;
use crate::local::{Local, Seat};
use crate::tls::stream::Stream;

/// Serves a client: HTTP/1.1, or HTTP/2 if TLS agreed on it, or if it is taken without TLS and the client begins with
/// it.
pub async fn serve(
    local: Rc<Local>,
    stream: Stream,
    arrival: Arrival,
    mut leaving: watch::Receiver<bool>,
    seat: Seat,
) {
    let limits = &local.shared.limits;
    let is_http2 = match (&stream, &arrival.secured) {
        (Stream::Plain(socket), _) if limits.h2c => tokio::select! {
            announced = preface::announces_http2(socket, limits.header_timeout) => match announced {
                Some(is_http2) => is_http2,
                None => return,
            },
            _ = leaving.wait_for(|leaving| *leaving) => false,
        },
        (_, secured) => secured.as_ref().is_some_and(|secured| secured.http2),
    };
    if is_http2 {
        http2::serve(local, stream, arrival, leaving, seat).await;
    } else {
        connection::serve(local, stream, arrival, leaving, seat).await;
    }
}
