//! The condition that a request misses, in words.

use std::borrow::Cow;
use std::fmt;

use http::HeaderName;

use super::super::condition::{Miss, cookie, header, offered, query_param};
use super::super::naive::MatchMiss;
use super::super::request::Request;
use crate::model::{PathMatch, RouteMatch, ValuePattern};

/// Most characters of a request's value that are shown.
const SHOWN: usize = 120;

/// A condition that does not hold, and what the request has instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The path is another.
    Path {
        /// The condition.
        wanted: PathMatch,
        /// The request's path in normal form.
        got: String,
    },
    /// A named value is absent or another.
    Value {
        /// Where it is looked for.
        place: Place,
        /// Its name.
        name: String,
        /// What it must be.
        wanted: ValuePattern,
        /// What it is, decoded as the condition sees it.
        got: Option<String>,
    },
    /// None of the subprotocols is offered.
    Subprotocol {
        /// Any of these would do.
        wanted: Vec<String>,
        /// What the client offers.
        got: Vec<String>,
    },
}

/// Where a request keeps named values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Header fields.
    Header,
    /// The query.
    QueryParam,
    /// Cookies.
    Cookie,
}

impl Missed {
    pub(super) fn new(of: &RouteMatch, miss: MatchMiss, request: &Request<'_>) -> Self {
        let (place, condition) = match miss {
            MatchMiss::Path => {
                return Self::Path {
                    wanted: of.path.clone(),
                    got: shown(request.path.as_bytes()),
                };
            }
            MatchMiss::Condition(Miss::Subprotocol) => {
                return Self::Subprotocol {
                    wanted: of.subprotocols.clone(),
                    got: offered(request.headers).map(shown).collect(),
                };
            }
            MatchMiss::Condition(Miss::Header(at)) => (Place::Header, &of.headers[at]),
            MatchMiss::Condition(Miss::QueryParam(at)) => (Place::QueryParam, &of.query_params[at]),
            MatchMiss::Condition(Miss::Cookie(at)) => (Place::Cookie, &of.cookies[at]),
        };
        let name = condition.name.as_str();
        let got = match place {
            Place::Header => HeaderName::from_bytes(name.as_bytes())
                .ok()
                .and_then(|name| header(request.headers, &name)),
            Place::QueryParam => query_param(request.query, name),
            Place::Cookie => cookie(request.headers, name).map(Cow::Borrowed),
        };
        Self::Value {
            place,
            name: name.to_owned(),
            wanted: condition.value.clone(),
            got: got.as_deref().map(shown),
        }
    }
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(SHOWN).collect()
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path {
                wanted: PathMatch::Exact(path),
                got,
            } => {
                write!(f, "the path must be '{path}'; it is '{got}'")
            }
            Self::Path {
                wanted: PathMatch::Prefix(prefix),
                got,
            } => {
                write!(f, "the path must be '{prefix}' or below; it is '{got}'")
            }
            Self::Path {
                wanted: PathMatch::Regex(pattern),
                got,
            } => {
                write!(f, "the path must match '{pattern}' as a whole; it is '{got}'")
            }
            Self::Value {
                place,
                name,
                wanted,
                got,
            } => {
                let place = place.as_str();
                match wanted {
                    ValuePattern::Exact(text) => write!(f, "{place} '{name}' must be '{text}'")?,
                    ValuePattern::Regex(pattern) => {
                        write!(f, "{place} '{name}' must match '{pattern}' as a whole")?;
                    }
                }
                match got {
                    Some(got) => write!(f, "; it is '{got}'"),
                    None => f.write_str("; the request has none"),
                }
            }
            Self::Subprotocol { wanted, got } => {
                write!(
                    f,
                    "the client must offer the subprotocol {}",
                    list(wanted, " or ")
                )?;
                if got.is_empty() {
                    f.write_str("; the request offers none")
                } else {
                    write!(f, "; the request offers {}", list(got, ", "))
                }
            }
        }
    }
}

fn list(tokens: &[String], between: &str) -> String {
    let quoted: Vec<String> = tokens.iter().map(|token| format!("'{token}'")).collect();
    quoted.join(between)
}

impl Place {
    fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::QueryParam => "query parameter",
            Self::Cookie => "cookie",
        }
    }
}
