//! One request from its head to its answer: view, match, then refuse, forward or upgrade.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use routetable::matching::RequestView;

use super::body::ResponseBody;
use super::forward;
use super::io::Speech;
use super::record::Record;
use super::respond;
use super::target::{self, Target};
use crate::error::{Reason, Refusal};
use crate::snapshot::RouteEntry;
use crate::upstream::body::RequestBody;
use crate::worker::Local;

/// What the requests of one client connection share.
#[derive(Debug)]
pub struct Client {
    /// The client's address.
    pub peer: SocketAddr,
    /// The address it connected to.
    pub local: SocketAddr,
    /// Tells our answers from hyper's.
    pub speech: Rc<Speech>,
}

/// Answers the requests of one client connection.
#[derive(Clone, Debug)]
pub struct Answerer {
    /// The worker.
    pub local: Rc<Local>,
    /// The connection.
    pub client: Rc<Client>,
}

/// An answer under way; boxed because hyper must be able to move it.
type Answering = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>>>>;

impl Service<Request<Incoming>> for Answerer {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        self.client.speech.begin();
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

impl Answerer {
    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let local = &self.local;
        let mut record = Record::new(local, &self.client.speech, self.client.peer, &request);
        let (parts, incoming) = request.into_parts();
        let request = Request::from_parts(parts, RequestBody::new(incoming));
        let upload = request.body().upload();
        let forwarded = async {
            let target = target::read(&request)?;
            let route = self.route(&request, &target)?;
            record.set_route(&route);
            let (parts, body) = request.into_parts();
            let parts = forward::request_head(parts, &target, &self.client, &body);
            let request = Request::from_parts(parts, body);
            let answered = forward::forward(local, &route, request, &mut record).await?;
            Ok((answered, route))
        };
        let forwarded: Result<_, Refusal> = forwarded.await;
        match forwarded {
            Ok(((response, lease), route)) => forward::answer(local, response, lease, &route, record),
            Err(refusal) => respond::refuse(local, &refusal, record, !upload.done()),
        }
    }

    fn route<B>(&self, request: &Request<B>, target: &Target) -> Result<Arc<RouteEntry>, Refusal> {
        let view = RequestView {
            host: target.host(),
            path: target.path_and_query.path(),
            query: target.path_and_query.query(),
            headers: request.headers(),
        };
        let snapshot = self.local.shared.snapshot.load();
        let Some(route) = snapshot.find(&view) else {
            return Err(Refusal::new(Reason::NoRoute, "no route takes this host and path"));
        };
        if snapshot.is_ambiguous(&view) {
            let detail = "the path leads to another route once its dot segments are resolved";
            return Err(Refusal::new(Reason::BadRequest, detail));
        }
        Ok(Arc::clone(route))
    }
}
