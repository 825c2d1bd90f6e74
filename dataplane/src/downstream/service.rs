//! One request of an HTTP/1.1 connection from its head to its answer.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use http::{Request, Response, Version};
use hyper::body::{Body, Incoming};
use hyper::service::Service;

use super::pass::{Passed, pass};
use crate::error::Refusal;
use crate::framing::Spelling;
use crate::http::body::ResponseBody;
use crate::http::forward;
use crate::http::forwarded::{self, Arrival};
use crate::http::io::Speech;
use crate::http::record::Record;
use crate::http::respond;
use crate::http::target;
use crate::local::Local;
use crate::upgrade::handover::Pending;
use crate::upgrade::handshake;
use crate::upstream::body::RequestBody;

/// What the requests of one client connection share.
#[derive(Debug)]
pub(super) struct Client {
    /// How it came in.
    pub arrival: Arrival,
    /// Its present request is HTTP/1.0, so that only the connection's end tells the answer's.
    pub unframed: Cell<bool>,
    /// Its present request asks for an upgrade, so that the connection ends with it anyway.
    pub upgrading: Cell<bool>,
    /// What its socket tells, and is told.
    pub speech: Rc<Speech>,
    /// The session that begins once the 101 has been sent.
    pub switching: RefCell<Option<(Box<Pending>, Record)>>,
}

/// Answers the requests of one client connection.
#[derive(Clone)]
pub(super) struct Answerer {
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

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        self.client.speech.begin();
        let spelling = self.client.speech.take_request_spelling();
        if !spelling.is_plain() {
            request.extensions_mut().insert(spelling);
        }
        self.client.unframed.set(request.version() == Version::HTTP_10);
        // Now, because a client that has left already takes the future with it unpolled.
        let client = forwarded::client(
            request.headers(),
            self.client.arrival.ends.0,
            &self.local.shared.trust,
        );
        let record = Record::new(
            &self.local,
            &self.client.speech,
            client,
            self.client.arrival.secured.as_ref(),
            &request,
        );
        let request = Box::new(request.map(RequestBody::new));
        let this = self.clone();
        Box::pin(async move {
            let mut response = this.answer(request, client, record).await;
            if let Some(spelling) = response.extensions_mut().remove::<Spelling>() {
                this.client.speech.spell_answer(spelling);
            }
            Ok(response)
        })
    }
}

impl Answerer {
    async fn answer(
        &self,
        request: Box<Request<RequestBody>>,
        client: SocketAddr,
        mut record: Record,
    ) -> Response<ResponseBody> {
        let upload = request.body().upload();
        match self.pass(request, client, &mut record).await {
            Ok(Passed::Answered(response, lease)) => {
                let secured = self.client.arrival.secured.is_some();
                forward::answer(&self.local, response, lease, secured, record)
            }
            Ok(Passed::Switched(response, pending)) => {
                self.client.switching.replace(Some((pending, record)));
                response.map(|()| ResponseBody::none())
            }
            // What an upgrading client sent early must not be read as its next request.
            Err(refusal) => {
                let close = record.upgrade() || !upload.done();
                respond::refuse(&self.local, &refusal, record, close)
            }
        }
    }

    async fn pass(
        &self,
        request: Box<Request<RequestBody>>,
        client: SocketAddr,
        record: &mut Record,
    ) -> Result<Passed, Refusal> {
        let target = target::read(&request)?;
        let offer = handshake::read(&request, !request.body().is_end_stream());
        if !matches!(offer, Ok(None)) {
            record.set_upgrade();
            self.client.upgrading.set(true);
        }
        let from = (&self.client.arrival, client);
        pass(&self.local, from, request, &target, offer?, record).await
    }
}
