//! Whether a request may go the way that its route leads, on the connection that it came on.

use http::{HeaderValue, Request};
use routetable::InsecurePolicy;
use routetable::matching::host;

use crate::error::{Reason, Refusal};
use crate::http::forwarded::Arrival;
use crate::http::target::Target;
use crate::local::{Local, Secured};
use crate::snapshot::RouteEntry;

/// Checks what the route asks of a connection.
///
/// # Errors
/// The refusal to answer with, be it a redirect.
pub(super) fn check<B>(
    local: &Local,
    arrival: &Arrival,
    request: &Request<B>,
    target: &Target,
    route: &RouteEntry,
    is_handshake: bool,
) -> Result<(), Refusal> {
    let wanted = &route.route.tls;
    let secured = arrival.secured.as_ref();
    let proven = |client| secured.is_some_and(|secured| secured.entry.client() == Some(client));
    if secured.is_some_and(|secured| is_misdirected(local, secured, target)) {
        return Err(misdirected());
    }
    if wanted.client.as_ref().is_some_and(|client| !proven(client)) {
        return Err(match secured {
            Some(_) => misdirected(),
            None => insecure("clients must show a certificate here; use TLS"),
        });
    }
    if arrival.is_secure(request.headers(), &local.shared.trust) {
        return Ok(());
    }
    match wanted.insecure {
        InsecurePolicy::Allow => Ok(()),
        InsecurePolicy::Reject => Err(insecure("this is served with TLS only; write https:// or wss://")),
        InsecurePolicy::Redirect => Err(redirect(local, target, is_handshake)),
    }
}

fn misdirected() -> Refusal {
    let detail = "this connection was made for another name; ask again on one of its own";
    Refusal::new(Reason::Misdirected, detail)
}

fn insecure(detail: &'static str) -> Refusal {
    Refusal::new(Reason::TlsRequired, detail)
}

/// RFC 9110 section 7.4: the name of the handshake does not speak for the request's host. With HTTP/1.1 only where
/// that would get around what the host asks of its clients; a client of HTTP/2 shares its connections by itself.
fn is_misdirected(local: &Local, secured: &Secured, target: &Target) -> bool {
    let snapshot = local.shared.snapshot.load();
    let host = host::normalize(target.host());
    let Some(other) = snapshot.server_name(Some(&host)) else {
        return false;
    };
    let own = &secured.entry;
    if secured.http2 {
        !own.speaks_for(other)
    } else {
        !own.is_as_strict_as(other)
    }
}

/// The same address with TLS.
fn redirect(local: &Local, target: &Target, is_handshake: bool) -> Refusal {
    let host = host::normalize(target.host());
    let port = match local.shared.secure.redirect_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let scheme = if is_handshake { "wss" } else { "https" };
    let location = format!("{scheme}://{host}{port}{}", target.path_and_query);
    let refusal = Refusal::new(Reason::TlsRedirect, "this is served with TLS");
    match HeaderValue::try_from(location) {
        Ok(location) => refusal.with_location(location),
        Err(_) => insecure("this is served with TLS only; write https:// or wss://"),
    }
}
