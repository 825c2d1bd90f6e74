//! Which route takes a request.
//!
//! Precedence (highest first): exact host, wildcard host, any host; Exact path, longest Prefix,
//! Regex; more header matches, then query, cookie and subprotocol conditions; the older object,
//! then namespace/name, then the earlier rule. A fallback route comes after all others.
//!
//! One order, [`Rank`], decides everywhere: in the index, in the naive search that checks it, and
//! in `explain`. Hosts fall through: a request whose exact host has no match that holds may still
//! be taken by a wildcard host, then by any host. (ingress-nginx stops at the most specific server
//! block and answers from its default backend.)
//!
//! Requests are matched on their normalised host and path ([`host::normalize`],
//! [`path::normalize`]); the search does that itself, so nobody can forget it.

mod condition;
mod explain;
pub mod host;
mod index;
mod key;
mod naive;
pub mod path;
mod rank;
mod request;
mod shards;
mod table;

pub(crate) use condition::compiles;
pub use explain::{Missed, Outcome, Place, Verdict, explain};
pub use index::Index;
pub use key::MatchKey;
pub use naive::naive_find;
pub use rank::{Rank, Step};

use http::HeaderMap;

/// The parts of a request that routing may look at.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// Host as the client wrote it: any case, with or without port or trailing dot.
    pub host: &'a str,
    /// Path without the query, as the client wrote it.
    pub path: &'a str,
    /// Query without the `?`, if any.
    pub query: Option<&'a str>,
    /// Header fields.
    pub headers: &'a HeaderMap,
}

#[cfg(test)]
mod tests;
