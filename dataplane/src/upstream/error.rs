//! Why an endpoint gave no answer, or not all of it.

use std::io;

use http::Request;
use thiserror::Error;

use super::body::RequestBody;
use crate::framing::Fault;

/// Why an answer did not come, or not to its end.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// The socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// The connection ended.
    #[error("the connection ended")]
    BrokeOff,
    /// It is not HTTP/1.1 as we read it.
    #[error("{}", .0.detail())]
    Malformed(Fault),
    /// The connection or the stream of HTTP/2 failed.
    #[error("{0}")]
    Http2(#[from] hyper::Error),
    /// The stream was reset, as if nothing had been wrong.
    #[error("the stream was reset before its end")]
    Reset,
    /// The request's body broke off.
    #[error("the request's body broke off")]
    Request,
}

impl From<Fault> for AnswerError {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault)
    }
}

/// Why a request was not answered.
#[derive(Debug)]
pub enum SendError {
    /// The connection ended before the head of an answer. Here is the request if it may be sent again.
    Lost(Option<Box<Request<RequestBody>>>),
    /// What came is no answer.
    Malformed,
    /// It wants to be asked over HTTP/1.1 (RFC 9113 section 7).
    WantsHttp1,
}
