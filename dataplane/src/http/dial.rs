//! From a route to a connected endpoint, by way of other endpoints when one can't be connected.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::forwarded::Ends;
use super::record::Record;
use crate::error::{Reason, Refusal, Side};
use crate::local::Local;
use crate::snapshot::{BackendEntry, Endpoint, EndpointGuard, EndpointSlot, Protocol, RouteEntry};
use crate::tls::stream::Stream;
use crate::upstream::balance;
use crate::upstream::connect::{self, Approach};
use crate::upstream::connection::Connection;
use crate::upstream::proxy_header;

/// Endpoints tried for one request. Nothing was sent to those that failed.
const ATTEMPTS: usize = 3;

/// An endpoint that was picked and can be spoken to.
#[derive(Debug)]
pub struct Dialed {
    /// The backend it belongs to.
    pub slot: Arc<EndpointSlot>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Counts the work at it.
    pub guard: EndpointGuard,
    /// The way to it.
    pub way: Way,
}

/// A way to an endpoint.
#[derive(Debug)]
pub enum Way {
    /// An idle connection from the pool.
    Idle(Connection),
    /// A fresh connection.
    Fresh(Stream),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A request; an idle connection serves as well.
    Request,
    /// A request that an idle connection has lost.
    Again,
    /// A session, on a connection of its own.
    Session,
    /// The same after an endpoint has said that it takes none over HTTP/2: over HTTP/1.1, whichever is picked.
    SessionOverHttp1,
}

/// What to connect, and until when.
pub struct Dial<'a> {
    /// The worker.
    pub local: &'a Rc<Local>,
    /// The route that took the request.
    pub route: &'a Arc<RouteEntry>,
    /// What for.
    pub purpose: Purpose,
    /// The client, and the address that it connected to.
    pub ends: Ends,
    /// When the request as a whole has waited long enough.
    pub deadline: Instant,
}

impl Dial<'_> {
    /// Picks an endpoint and connects it; `record` learns of each that is tried.
    ///
    /// # Errors
    /// The route has no endpoint that takes new work, or none of those tried could be connected.
    pub async fn dial(&self, record: &mut Record) -> Result<Dialed, Refusal> {
        let mut failed: Vec<SocketAddr> = Vec::new();
        let mut refusal = Refusal::new(
            Reason::NoReadyEndpoints,
            "no endpoint of this route takes new work",
        );
        for _ in 0..ATTEMPTS {
            let pick = self.local.draw(|rng| balance::pick(self.route, &failed, rng));
            let Some(pick) = pick else { break };
            let (slot, address) = (&pick.backend.slot, pick.endpoint.address);
            if refusal.reason.retryable() {
                self.local.shared.metrics.retried(slot, refusal.reason);
            }
            record.set_endpoint(slot, address);
            let protocol = self.protocol(pick.backend, &pick.endpoint);
            match self.reach(Arc::clone(slot), protocol, pick.endpoint).await {
                Err(next) if next.reason.side() == Side::Upstream => {
                    failed.push(address);
                    refusal = next;
                }
                reached => return reached,
            }
        }
        Err(refusal)
    }

    /// Connects an endpoint once more, to speak HTTP/1.1 with it.
    ///
    /// # Errors
    /// It could not be connected.
    pub async fn over_http1(
        &self,
        slot: Arc<EndpointSlot>,
        mut protocol: Protocol,
        endpoint: Arc<Endpoint>,
    ) -> Result<Dialed, Refusal> {
        protocol.http2 = false;
        self.reach(slot, protocol, endpoint).await
    }

    /// Connects an endpoint, which counts the attempt.
    async fn reach(
        &self,
        slot: Arc<EndpointSlot>,
        protocol: Protocol,
        endpoint: Arc<Endpoint>,
    ) -> Result<Dialed, Refusal> {
        let guard = EndpointGuard::new(&endpoint);
        let way = self.connect(&slot, &protocol, &endpoint).await?;
        Ok(Dialed {
            slot,
            protocol,
            endpoint,
            guard,
            way,
        })
    }

    /// How the endpoint is spoken to for this purpose.
    fn protocol(&self, backend: &BackendEntry, endpoint: &Endpoint) -> Protocol {
        let mut protocol = backend.protocol.clone();
        protocol.http2 &= match self.purpose {
            Purpose::Request | Purpose::Again => true,
            Purpose::Session => endpoint.extends_connect() != Some(false),
            Purpose::SessionOverHttp1 => false,
        };
        protocol
    }

    async fn connect(
        &self,
        slot: &EndpointSlot,
        protocol: &Protocol,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Way, Refusal> {
        // A connection that is kept was not begun with this client's PROXY header.
        if self.purpose == Purpose::Request
            && protocol.proxy_header.is_none()
            && let Some(connection) = self.local.pool.take(endpoint, protocol)
        {
            return Ok(Way::Idle(connection));
        }
        let begun = Instant::now();
        let timeouts = self.route.route.timeouts;
        let timeout = timeouts
            .connect
            .min(self.deadline.saturating_duration_since(begun));
        let silence = self.local.shared.limits.silence;
        let way = Approach {
            address: endpoint.address,
            header: protocol
                .proxy_header
                .map(|version| proxy_header::bytes(version, self.ends)),
            tls: protocol.tls.as_deref(),
            http2: protocol.http2,
            crowd: self.local.crowd,
        };
        // Most requests find an idle one; see also `downstream::pass`.
        let connected = Box::pin(connect::connect(way, timeout, silence)).await;
        let metrics = &self.local.shared.metrics;
        match connected {
            Ok(stream) => {
                metrics.upstream_connected(slot, begun.elapsed());
                Ok(Way::Fresh(stream))
            }
            Err(error) => {
                let reason = error.reason();
                tracing::debug!(address = %endpoint.address, %error, "endpoint not connected");
                if reason.side() == Side::Upstream {
                    metrics.upstream_failed(slot, reason);
                } else {
                    // For those who come next.
                    self.local.pool.clear();
                }
                Err(refuse(reason))
            }
        }
    }
}

/// Says nothing of names and addresses: the text goes to strangers.
fn refuse(reason: Reason) -> Refusal {
    let detail = match reason {
        Reason::ConnectTimeout => "the backend did not accept a connection in time",
        Reason::Overloaded => "this proxy has no room for another connection to a backend",
        Reason::UpstreamTlsFailed => "the backend could not be spoken to with TLS",
        _ => "the backend could not be connected",
    };
    Refusal::new(reason, detail)
}
