//! Which route takes a request.
//!
//! Precedence (highest first): exact host, wildcard host, any host; Exact path, longest Prefix,
//! Regex; more header matches, then query, cookie and subprotocol conditions; the older object,
//! then namespace/name, then the earlier rule. A fallback route comes after all others.

mod index;

pub use index::{Index, MatchError};

use http::HeaderMap;

/// The parts of a request that routing may look at.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// Host as the client wrote it: any case, with or without port or trailing dot.
    pub host: &'a str,
    /// Path without the query.
    pub path: &'a str,
    /// Query without the `?`, if any.
    pub query: Option<&'a str>,
    /// Header fields.
    pub headers: &'a HeaderMap,
}
