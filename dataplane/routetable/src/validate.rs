//! What a resource must be to be served. The controller asks before it publishes and the index
//! before it takes a route, so both refuse the same.
//!
//! Looks at one resource alone; whether references resolve is the table's matter.

mod matches;
mod tls;

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use crate::encoding::append;
use crate::limits::*;
use crate::matching::{compiles, host};
use crate::model::{EndpointSet, HostPattern, Route};

pub use self::tls::{certificate, server_name};

/// Why a resource can't be served. `field` is its place in the resource, as `matches[1].headers`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Invalid {
    /// A list or text that must not be empty is.
    #[error("`{field}` must not be empty")]
    Empty {
        /// Where.
        field: String,
    },
    /// A list is too long.
    #[error("`{field}` must not have more than {limit} entries; it has {got}")]
    TooMany {
        /// Where.
        field: String,
        /// Most entries.
        limit: usize,
        /// Entries there are.
        got: usize,
    },
    /// A text is too long.
    #[error("`{field}` must not be longer than {limit} bytes; it has {got}")]
    TooLong {
        /// Where.
        field: String,
        /// Most bytes.
        limit: usize,
        /// Bytes there are.
        got: usize,
    },
    /// A list has something twice that must be in it once.
    #[error("`{field}` must not repeat '{name}'")]
    Repeated {
        /// Where.
        field: String,
        /// What.
        name: String,
    },
    /// A value is not held in the form that requests are compared in.
    #[error("`{field}` must be '{normal}'; it is '{written}'")]
    NotNormal {
        /// Where.
        field: String,
        /// As it is.
        written: String,
        /// As it must be.
        normal: String,
    },
    /// A time limit is zero or out of range.
    #[error("`{field}` must be more than zero and at most a century")]
    Timeout {
        /// Where.
        field: &'static str,
    },
    /// The resource as a whole is too large to be sent.
    #[error("it must not be larger than {MAX_RESOURCE_LEN} bytes; it has {got}")]
    TooLarge {
        /// Its encoded length in bytes.
        got: usize,
    },
    /// A regular expression does not compile or is too large.
    #[error("regular expression '{pattern}' is not usable: {reason}")]
    Regex {
        /// As written.
        pattern: String,
        /// The engine's words.
        reason: String,
    },
    /// A header condition names what can't be a header.
    #[error("'{name}' must be a header name such as 'x-canary'")]
    HeaderName {
        /// As written.
        name: String,
    },
}

/// Checks a route: bounds, normal forms, and that its regular expressions compile.
///
/// # Errors
/// The first thing that is wrong.
pub fn route(route: &Route) -> Result<(), Invalid> {
    route_bounds(route)?;
    encoded(route)?;
    route.matches.iter().try_for_each(compiles)
}

/// All of [`route`] but compiling.
pub(crate) fn route_bounds(route: &Route) -> Result<(), Invalid> {
    text("name", &route.source.name, MAX_NAME_LEN)?;
    text("namespace", &route.source.namespace, MAX_NAME_LEN)?;
    text("rule", &route.rule, MAX_NAME_LEN)?;
    count("hosts", &route.hosts, MAX_HOSTS)?;
    not_empty("hosts", route.hosts.is_empty())?;
    count("matches", &route.matches, MAX_MATCHES)?;
    not_empty("matches", route.matches.is_empty())?;
    count("backends", &route.backends, MAX_BACKENDS)?;
    for (at, pattern) in route.hosts.iter().enumerate() {
        host_bounds(at, pattern)?;
    }
    for (at, of) in route.matches.iter().enumerate() {
        matches::bounds(at, of)?;
    }
    for (at, backend) in route.backends.iter().enumerate() {
        tls::backend(at, backend)?;
    }
    tls::client("tls.client", route.tls.client.as_ref())?;
    let limits = &route.timeouts;
    timeout("timeouts.connect", Some(limits.connect))?;
    timeout("timeouts.handshake", Some(limits.handshake))?;
    timeout("timeouts.idle", limits.idle)?;
    timeout("timeouts.maxDuration", limits.max_duration)
}

/// Checks an endpoint set.
///
/// # Errors
/// The first thing that is wrong.
pub fn endpoint_set(set: &EndpointSet) -> Result<(), Invalid> {
    text("namespace", &set.namespace, MAX_NAME_LEN)?;
    text("service", &set.service, MAX_NAME_LEN)?;
    text("port", &set.port, MAX_NAME_LEN)?;
    count("endpoints", &set.endpoints, MAX_ENDPOINTS)?;
    // They are in order, so equal ones are neighbours; out of order counts as repeated too.
    let pairs = set.endpoints.iter().zip(set.endpoints.iter().skip(1));
    match pairs.into_iter().find(|(a, b)| a.address >= b.address) {
        Some((_, b)) => Err(repeated("endpoints", &b.address.to_string())),
        None => encoded(set),
    }
}

fn encoded(resource: &impl Serialize) -> Result<(), Invalid> {
    let mut buffer = Vec::with_capacity(512);
    // Can't fail, see `content_hash`; what has no encoding would be refused when it is sent.
    let _ = append(&mut buffer, resource);
    match buffer.len() {
        got if got > MAX_RESOURCE_LEN => Err(Invalid::TooLarge { got }),
        _ => Ok(()),
    }
}

fn host_bounds(at: usize, pattern: &HostPattern) -> Result<(), Invalid> {
    let name = match pattern {
        HostPattern::Any => return Ok(()),
        HostPattern::Exact(name) | HostPattern::Wildcard(name) => name,
    };
    let field = format!("hosts[{at}]");
    not_empty(&field, name.is_empty())?;
    text(&field, name, MAX_NAME_LEN)?;
    normal(&field, name, &host::normalize(name))
}

fn timeout(field: &'static str, limit: Option<Duration>) -> Result<(), Invalid> {
    match limit {
        Some(limit) if limit.is_zero() || limit > MAX_TIMEOUT => Err(Invalid::Timeout { field }),
        _ => Ok(()),
    }
}

fn not_empty(field: &str, empty: bool) -> Result<(), Invalid> {
    if empty {
        return Err(Invalid::Empty {
            field: field.to_owned(),
        });
    }
    Ok(())
}

fn count<T>(field: &str, list: &[T], limit: usize) -> Result<(), Invalid> {
    match list.len() {
        got if got > limit => Err(Invalid::TooMany {
            field: field.to_owned(),
            limit,
            got,
        }),
        _ => Ok(()),
    }
}

fn text(field: &str, text: &str, limit: usize) -> Result<(), Invalid> {
    match text.len() {
        got if got > limit => Err(Invalid::TooLong {
            field: field.to_owned(),
            limit,
            got,
        }),
        _ => Ok(()),
    }
}

fn normal(field: &str, written: &str, normal: &str) -> Result<(), Invalid> {
    if written == normal {
        return Ok(());
    }
    Err(Invalid::NotNormal {
        field: field.to_owned(),
        written: written.to_owned(),
        normal: normal.to_owned(),
    })
}

fn repeated(field: &str, name: &str) -> Invalid {
    Invalid::Repeated {
        field: field.to_owned(),
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
