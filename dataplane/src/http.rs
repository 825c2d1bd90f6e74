//! HTTP/1.1 between clients and endpoints: one [`connection`] carries requests, a [`service`] takes
//! each from its head to a refusal, a forwarded answer or an upgrade.
//!
//! Hyper parses and frames; this module does what a proxy must add (RFC 9110 section 7, RFC 9112).

pub mod body;
pub mod dial;
pub mod forward;
pub mod header;
pub mod io;
pub mod patience;
pub mod record;
pub mod respond;
pub mod target;
