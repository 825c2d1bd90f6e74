//! The account of one request: filled in on its way, written once when it is dropped.
//!
//! A request that becomes a session leaves its facts to it and writes nothing here.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::Version;
use hyper::{Method, Request};
use tokio::time::Instant;

use super::io::Speech;
use crate::access_log::{RequestFacts, RequestOutcome};
use crate::error::Reason;
use crate::local::{Local, Secured, Shared};
use crate::snapshot::{EndpointSlot, RouteEntry};
use crate::upstream::body::Upload;

/// Longest host in a record, in bytes.
const MAX_HOST: usize = 255;
/// Longest path in a record, in bytes.
const MAX_PATH: usize = 1024;
/// Status of a request whose client left before it was answered; nginx made it up.
const CLIENT_LEFT: u16 = 499;

/// What is known so far of one request.
#[derive(Debug)]
pub struct Record {
    shared: Arc<Shared>,
    speech: Rc<Speech>,
    facts: Option<RequestFacts>,
    started: Instant,
    upgrade: bool,
    upload: Option<Rc<Upload>>,
    status: u16,
    reason: Option<Reason>,
    bytes_to_client: u64,
}

impl Record {
    /// Opens the account of a request whose head has just been read.
    pub fn new<B>(
        local: &Local,
        speech: &Rc<Speech>,
        client: SocketAddr,
        secured: Option<&Secured>,
        request: &Request<B>,
    ) -> Self {
        let headers = request.headers();
        let host = headers
            .get(http::header::HOST)
            .map(|host| String::from_utf8_lossy(host.as_bytes()));
        let host = host.as_deref().unwrap_or_default();
        Self::with(
            local,
            speech,
            client,
            Some(request.method().clone()),
            host,
            request.uri().path(),
        )
        .of(request.version(), secured)
    }

    /// Opens the account of a request whose head can't be read.
    pub fn headless(local: &Local, speech: &Rc<Speech>, client: SocketAddr) -> Self {
        Self::with(local, speech, client, None, "", "")
    }

    fn of(mut self, version: Version, secured: Option<&Secured>) -> Self {
        if let Some(facts) = &mut self.facts {
            facts.version = Some(version);
            facts.tls = secured.map(|secured| secured.version);
        }
        self
    }

    fn with(
        local: &Local,
        speech: &Rc<Speech>,
        client: SocketAddr,
        method: Option<Method>,
        host: &str,
        path: &str,
    ) -> Self {
        Self {
            shared: Arc::clone(&local.shared),
            speech: Rc::clone(speech),
            facts: Some(RequestFacts {
                id: local.shared.next_id(),
                client,
                version: None,
                tls: None,
                method,
                host: cut(host, MAX_HOST).to_owned(),
                path: cut(path, MAX_PATH).to_owned(),
                route: None,
                slot: None,
                endpoint: None,
            }),
            started: Instant::now(),
            upgrade: false,
            upload: None,
            status: CLIENT_LEFT,
            reason: None,
            bytes_to_client: 0,
        }
    }

    /// When its head had been read.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// It asks for an upgrade.
    pub fn set_upgrade(&mut self) {
        self.upgrade = true;
    }

    /// Whether it asks for an upgrade.
    pub fn upgrade(&self) -> bool {
        self.upgrade
    }

    /// The route that takes it.
    pub fn set_route(&mut self, route: &Arc<RouteEntry>) {
        if let Some(facts) = &mut self.facts {
            facts.route = Some(Arc::clone(route));
        }
    }

    /// The route that took it.
    pub fn route(&self) -> Option<&Arc<RouteEntry>> {
        self.facts.as_ref().and_then(|facts| facts.route.as_ref())
    }

    /// The endpoint that gets it, or the last one that was tried.
    pub fn set_endpoint(&mut self, slot: &Arc<EndpointSlot>, endpoint: SocketAddr) {
        if let Some(facts) = &mut self.facts {
            facts.slot = Some(Arc::clone(slot));
            facts.endpoint = Some(endpoint);
        }
    }

    /// Its body, which is counted.
    pub fn set_upload(&mut self, upload: Rc<Upload>) {
        self.upload = Some(upload);
    }

    /// What the client is told, with a reason if we tell it.
    pub fn set_answer(&mut self, status: u16, reason: Option<Reason>) {
        self.status = status;
        self.reason = reason;
    }

    /// Body bytes went to the client.
    pub fn sent(&mut self, bytes: usize) {
        self.bytes_to_client += bytes as u64;
    }

    /// The request becomes a session, which keeps an account of its own. `None` if no route took it;
    /// then this account is written.
    pub fn into_session(mut self) -> Option<(RequestFacts, Arc<RouteEntry>)> {
        let route = Arc::clone(self.route()?);
        Some((self.facts.take()?, route))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.speech.end();
        let Some(facts) = self.facts.take() else {
            return;
        };
        let outcome = RequestOutcome {
            status: self.status,
            reason: self.reason,
            upgrade: self.upgrade,
            duration: self.started.elapsed(),
            bytes_to_upstream: self.upload.as_ref().map_or(0, |upload| upload.bytes()),
            bytes_to_client: self.bytes_to_client,
        };
        let (route, metrics) = (facts.route.as_deref(), &self.shared.metrics);
        if self.upgrade {
            metrics.handshake(route, outcome.status, outcome.reason, outcome.duration);
        } else {
            metrics.request(route, outcome.status, outcome.reason, outcome.duration);
        }
        self.shared.access_log.request(&facts, &outcome);
    }
}

/// The start of `text`, at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
