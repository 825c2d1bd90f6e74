//! HTTP/1.1 between clients and endpoints: what a request needs on its way. It is read strictly
//! ([`target`], [`header`]), gets a connection ([`dial`]), is forwarded ([`forward`]) or refused
//! ([`respond`]), and its [`record`] is written.
//!
//! Hyper parses and frames; this module does what a proxy must add (RFC 9110 section 7, RFC 9112).

pub mod body;
pub mod dial;
pub mod forward;
pub mod forwarded;
pub mod header;
pub mod io;
pub mod patience;
pub mod record;
pub mod respond;
mod spelled;
pub mod target;
