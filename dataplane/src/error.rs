//! Why a request is refused: one type, from which status, metric label and log token follow.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderValue, StatusCode};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The backend's.
    Upstream,
    /// Configuration, capacity or a defect of ours.
    Internal,
}

/// The cause of a refusal. Its name is the `Holdfast-Reason` field, the token in the access record
/// and the metric label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No route matches.
    NoRoute,
    /// The request can't be read in exactly one way, or may not be forwarded.
    BadRequest,
    /// A WebSocket handshake that breaks RFC 6455 section 4.
    BadHandshake,
    /// `Sec-WebSocket-Version` is not 13.
    UpgradeRequired,
    /// CONNECT, TRACE.
    MethodNotAllowed,
    /// A transfer coding that we don't know.
    NotImplemented,
    /// A version of HTTP that we don't speak.
    VersionNotSupported,
    /// `Expect` asks for something other than '100-continue'.
    ExpectationFailed,
    /// An extended CONNECT (RFC 8441) for another protocol than 'websocket'.
    UnknownProtocol,
    /// The client did not send its head or body in time.
    RequestTimeout,
    /// The body is larger than we take.
    BodyTooLarge,
    /// The head is larger than we read.
    HeadTooLarge,
    /// The request target is longer than we read.
    UriTooLong,
    /// The route has no endpoint that takes new work.
    NoReadyEndpoints,
    /// This process is shutting down.
    Draining,
    /// As many handshakes are under way as this worker takes at a time.
    HandshakeLimit,
    /// This process has hardly any descriptors left.
    Overloaded,
    /// No endpoint could be connected.
    ConnectFailed,
    /// Connecting took longer than `timeouts.connect`.
    ConnectTimeout,
    /// The backend's 101 is not one, or its answer is not HTTP.
    BadUpstreamHandshake,
    /// The backend's answer to a plain request is not HTTP, or it broke off before the head.
    BadUpstreamResponse,
    /// No answer within `timeouts.handshake`.
    HandshakeTimeout,
    /// The backend does not prove who it is, or does not speak TLS.
    UpstreamTlsFailed,
    /// The request is for another name than its connection.
    Misdirected,
    /// The route is served with TLS only.
    TlsRequired,
    /// The route is served with TLS, to which the client is sent.
    TlsRedirect,
    /// A defect of ours.
    Internal,
}

impl Reason {
    /// The token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRoute => "NoRoute",
            Self::BadRequest => "BadRequest",
            Self::BadHandshake => "BadHandshake",
            Self::UpgradeRequired => "UpgradeRequired",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotImplemented => "NotImplemented",
            Self::VersionNotSupported => "VersionNotSupported",
            Self::ExpectationFailed => "ExpectationFailed",
            Self::UnknownProtocol => "UnknownProtocol",
            Self::RequestTimeout => "RequestTimeout",
            Self::BodyTooLarge => "BodyTooLarge",
            Self::HeadTooLarge => "HeadTooLarge",
            Self::UriTooLong => "UriTooLong",
            Self::NoReadyEndpoints => "NoReadyEndpoints",
            Self::Draining => "Draining",
            Self::HandshakeLimit => "HandshakeLimit",
            Self::Overloaded => "Overloaded",
            Self::ConnectFailed => "ConnectFailed",
            Self::ConnectTimeout => "ConnectTimeout",
            Self::BadUpstreamHandshake => "BadUpstreamHandshake",
            Self::BadUpstreamResponse => "BadUpstreamResponse",
            Self::HandshakeTimeout => "HandshakeTimeout",
            Self::UpstreamTlsFailed => "UpstreamTlsFailed",
            Self::Misdirected => "Misdirected",
            Self::TlsRequired => "TlsRequired",
            Self::TlsRedirect => "TlsRedirect",
            Self::Internal => "Internal",
        }
    }

    /// The status that answers it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BadRequest | Self::BadHandshake => StatusCode::BAD_REQUEST,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::VersionNotSupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            // RFC 9220 section 3 says so for HTTP/3.
            Self::UnknownProtocol => StatusCode::NOT_IMPLEMENTED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::NoReadyEndpoints | Self::Draining | Self::HandshakeLimit | Self::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectFailed
            | Self::UpstreamTlsFailed
            | Self::BadUpstreamHandshake
            | Self::BadUpstreamResponse => StatusCode::BAD_GATEWAY,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::TlsRequired => StatusCode::FORBIDDEN,
            Self::TlsRedirect => StatusCode::PERMANENT_REDIRECT,
            Self::ConnectTimeout | Self::HandshakeTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The request is well formed, and what follows it can be read: the connection may go on.
    pub fn leaves_no_doubt(self) -> bool {
        self.side() != Side::Downstream
            || matches!(
                self,
                Self::NoRoute | Self::Misdirected | Self::TlsRequired | Self::TlsRedirect
            )
    }

    /// Whose fault it is.
    pub fn side(self) -> Side {
        match self {
            Self::NoRoute
            | Self::BadRequest
            | Self::BadHandshake
            | Self::UpgradeRequired
            | Self::MethodNotAllowed
            | Self::NotImplemented
            | Self::VersionNotSupported
            | Self::ExpectationFailed
            | Self::UnknownProtocol
            | Self::RequestTimeout
            | Self::BodyTooLarge
            | Self::HeadTooLarge
            | Self::UriTooLong
            | Self::Misdirected
            | Self::TlsRequired
            | Self::TlsRedirect => Side::Downstream,
            Self::NoReadyEndpoints
            | Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::UpstreamTlsFailed
            | Self::BadUpstreamHandshake
            | Self::BadUpstreamResponse
            | Self::HandshakeTimeout => Side::Upstream,
            Self::Draining | Self::HandshakeLimit | Self::Overloaded | Self::Internal => Side::Internal,
        }
    }

    /// Nothing of the request has reached a backend, so another endpoint may be tried.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::ConnectFailed | Self::ConnectTimeout | Self::UpstreamTlsFailed
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that is answered by us instead of a backend.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The cause.
    pub reason: Reason,
    /// One sentence for the body and the access record; names nothing secret.
    pub detail: Cow<'static, str>,
    /// Where else to ask.
    pub location: Option<HeaderValue>,
}

impl Refusal {
    /// Makes one.
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            location: None,
        }
    }

    /// The same with the place where to ask instead.
    #[must_use]
    pub fn with_location(mut self, location: HeaderValue) -> Self {
        self.location = Some(location);
        self
    }
}
