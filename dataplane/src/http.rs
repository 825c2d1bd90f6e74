//! What a request needs on its way, in the form of HTTP/1.1 whatever either side speaks. It is read strictly
//! ([`target`], [`header`]), gets a connection ([`dial`]), is forwarded ([`forward`]) or refused
//! ([`respond`]), and its [`record`] is written.
//!
//! Others parse and frame: hyper towards clients, `upstream` towards endpoints. This module does what a proxy must add
//! (RFC 9110 section 7, RFC 9112).

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
