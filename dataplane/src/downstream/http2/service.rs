//! One request of an HTTP/2 connection from its head to its answer; an extended CONNECT from its head to a
//! session (RFC 8441).

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use http::{Method, Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::head::{self, Asked};
use super::tasks::{StreamBody, Tasks};
use crate::downstream::pass::{Passed, pass};
use crate::error::Refusal;
use crate::http::body::ResponseBody;
use crate::http::forward;
use crate::http::forwarded::{self, Arrival};
use crate::http::header as fields;
use crate::http::io::Speech;
use crate::http::record::Record;
use crate::http::{respond, target};
use crate::local::{Carrier, Local};
use crate::tunnel::{Reins, Stream};
use crate::upgrade::handover::{self, Pending};
use crate::upgrade::handshake;
use crate::upstream::body::RequestBody;

/// Answers the requests of one connection.
#[derive(Clone)]
pub(super) struct Answerer {
    /// The worker.
    pub local: Rc<Local>,
    /// How it came in.
    pub arrival: Rc<Arrival>,
    /// The connection.
    pub carrier: Rc<Carrier>,
    /// Its tasks.
    pub tasks: Tasks,
    /// Records want to tell whose turn it is; here it is everybody's.
    pub speech: Rc<Speech>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<StreamBody>, Infallible>>>>;

impl Service<Request<Incoming>> for Answerer {
    type Response = Response<StreamBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let progress = self.tasks.request(self.carrier.carry());
        let uri = request.uri().clone();
        head::name_host(&uri, request.headers_mut());
        let client = forwarded::client(request.headers(), self.arrival.ends.0, &self.local.shared.trust);
        let record = Record::new(
            &self.local,
            &self.speech,
            client,
            self.arrival.secured.as_ref(),
            &request,
        );
        let connect = (request.method() == Method::CONNECT).then(|| hyper::upgrade::on(&mut request));
        let this = self.clone();
        Box::pin(async move {
            let mut response = this.answer(request, client, connect, record).await;
            // RFC 9113 section 8.2.2.
            fields::remove_hop_by_hop(response.headers_mut());
            *response.version_mut() = Version::HTTP_2;
            Ok(response.map(|body| StreamBody::new(body, progress)))
        })
    }
}

impl Answerer {
    async fn answer(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        connect: Option<OnUpgrade>,
        mut record: Record,
    ) -> Response<ResponseBody> {
        let request = request.map(RequestBody::of_stream);
        match (self.pass(request, client, &mut record).await, connect) {
            (Ok(Passed::Answered(response, lease)), _) => {
                let secured = self.arrival.secured.is_some();
                forward::answer(&self.local, response, lease, secured, record)
            }
            (Ok(Passed::Switched(mut response, pending)), Some(connect)) => {
                handshake::to_connected(&mut response);
                self.adopt(*pending, record, connect);
                response.map(|()| ResponseBody::none())
            }
            (Ok(Passed::Switched(..)), None) => {
                let refusal = Refusal::new(crate::error::Reason::Internal, "a session without a stream");
                respond::refuse(&self.local, &refusal, record, false)
            }
            (Err(refusal), _) => respond::refuse(&self.local, &refusal, record, false),
        }
    }

    /// Hands the session over as soon as hyper has sent the 200.
    fn adopt(&self, pending: Pending, record: Record, connect: OnUpgrade) {
        let reins = Rc::new(Reins::default());
        self.tasks.session(Rc::clone(&reins), self.carrier.carry());
        let (local, carried) = (Rc::clone(&self.local), self.carrier.carry());
        tokio::task::spawn_local(async move {
            match connect.await {
                Ok(stream) => {
                    let stream = Stream::new(TokioIo::new(stream), reins);
                    handover::adopt_stream(&local, pending, record, stream, carried);
                }
                Err(error) => tracing::debug!(%error, "the client left during its handshake"),
            }
        });
    }

    async fn pass(
        &self,
        request: Request<RequestBody>,
        client: SocketAddr,
        record: &mut Record,
    ) -> Result<Passed, Refusal> {
        let local = &self.local;
        let (mut parts, body) = request.into_parts();
        let asked = head::asked(&parts)?;
        head::translate(&mut parts)?;
        let offer = match asked {
            Asked::Answer => None,
            Asked::WebSocket => {
                record.set_upgrade();
                let nonce = local.draw(|rng| rng.u128(..)).to_ne_bytes();
                Some(handshake::from_connect(&mut parts, nonce)?)
            }
        };
        if body.is_end_stream() && asked == Asked::Answer {
            head::say_empty(&mut parts);
        }
        let request = Box::new(Request::from_parts(parts, body));
        let target = target::read(&request)?;
        pass(local, (&self.arrival, client), request, &target, offer, record).await
    }
}
