//! A request on its way, by whichever protocol it came: find its route, check what that asks for, then forward or
//! upgrade.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};
use routetable::matching::RequestView;

use super::admit;
use crate::error::{Reason, Refusal};
use crate::http::forward;
use crate::http::forwarded::Arrival;
use crate::http::record::Record;
use crate::http::target::Target;
use crate::local::Local;
use crate::snapshot::RouteEntry;
use crate::upgrade::exchange::{self, Answer};
use crate::upgrade::handover::Pending;
use crate::upgrade::handshake::Offer;
use crate::upstream::body::RequestBody;
use crate::upstream::lease::Lease;

/// What came of a request that was passed on.
pub(super) enum Passed {
    /// An answer of its endpoint.
    Answered(Response<()>, Lease),
    /// A session, once the client has its answer.
    Switched(Response<()>, Box<Pending>),
}

/// Passes on a request of `client`, in a box because it goes through many hands: as a handshake if there is an `offer`.
///
/// # Errors
/// The refusal to answer with.
pub(super) async fn pass(
    local: &Rc<Local>,
    (arrival, client): (&Arrival, SocketAddr),
    mut request: Box<Request<RequestBody>>,
    target: &Target,
    offer: Option<Offer>,
    record: &mut Record,
) -> Result<Passed, Refusal> {
    let route = route(local, &request, target)?;
    record.set_route(&route);
    admit::check(local, arrival, &request, target, &route, offer.is_some())?;
    forward::rewrite(&mut request, target, arrival, client, &local.shared.trust);
    let ends = (client, arrival.ends.1);
    let Some(offer) = offer else {
        let (response, lease) = forward::forward(local, &route, request, ends, record).await?;
        return Ok(Passed::Answered(response, lease));
    };
    // Rare beside requests, whose future would be several times as large with all of this in it.
    let asked = exchange::request_websocket(local, &route, &offer, request, ends, record);
    Ok(match Box::pin(asked).await? {
        Answer::Switched(response, pending) => Passed::Switched(response, pending),
        Answer::Declined(response, lease) => Passed::Answered(forward::check(response)?, lease),
    })
}

/// The route that takes a request.
fn route<B>(local: &Local, request: &Request<B>, target: &Target) -> Result<Arc<RouteEntry>, Refusal> {
    let view = RequestView {
        host: target.host(),
        path: target.path_and_query.path(),
        query: target.path_and_query.query(),
        headers: request.headers(),
    };
    let snapshot = local.shared.snapshot.load();
    let Some(route) = snapshot.find(&view) else {
        return Err(Refusal::new(Reason::NoRoute, "no route takes this host and path"));
    };
    if snapshot.is_ambiguous(&view) {
        let detail = "the path leads to another route once its dot segments are resolved";
        return Err(Refusal::new(Reason::BadRequest, detail));
    }
    Ok(Arc::clone(route))
}
