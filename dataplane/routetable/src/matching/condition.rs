//! Conditions beside host and path: headers, query parameters, cookies, subprotocols.
//!
//! Compiled once when a route is indexed. What a condition looks at:
//! - header: the field's value; of a repeated field the values joined by `, ` (RFC 9110 section
//!   5.3), which is what the backend may make of them;
//! - query parameter: the first of its name, form-decoded (`+` and escapes);
//! - cookie: the first of its name over all `Cookie` fields, as it stands (quotes included);
//! - subprotocol: one of the wanted tokens is in `Sec-WebSocket-Protocol`, case counts.

mod pattern;
mod value;

use http::HeaderName;

use super::request::Request;
use crate::model::{PathMatch, RouteMatch, ValueMatch};
use crate::validate::Invalid;

pub(crate) use pattern::{Pattern, whole_path};
pub(crate) use value::{cookie, header, offered, query_param};

/// The conditions of one match, ready to check.
#[derive(Debug)]
pub(crate) struct Conditions {
    headers: Vec<(HeaderName, Pattern)>,
    query_params: Vec<(String, Pattern)>,
    cookies: Vec<(String, Pattern)>,
    subprotocols: Vec<String>,
}

/// The condition that a request misses: its kind and its place in the match's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    Header(usize),
    QueryParam(usize),
    Cookie(usize),
    Subprotocol,
}

/// Whether the regular expressions and names of a match compile.
pub(crate) fn compiles(of: &RouteMatch) -> Result<(), Invalid> {
    if let PathMatch::Regex(pattern) = &of.path {
        whole_path(pattern)?;
    }
    Conditions::compile(of).map(drop)
}

impl Conditions {
    /// Compiles the conditions of a match.
    pub(crate) fn compile(of: &RouteMatch) -> Result<Self, Invalid> {
        let header = |condition: &ValueMatch| {
            let name =
                HeaderName::from_bytes(condition.name.as_bytes()).map_err(|_| Invalid::HeaderName {
                    name: condition.name.clone(),
                })?;
            Ok((name, Pattern::compile(&condition.value)?))
        };
        let named =
            |condition: &ValueMatch| Ok((condition.name.clone(), Pattern::compile(&condition.value)?));
        Ok(Self {
            headers: of.headers.iter().map(header).collect::<Result<_, _>>()?,
            query_params: of.query_params.iter().map(named).collect::<Result<_, _>>()?,
            cookies: of.cookies.iter().map(named).collect::<Result<_, _>>()?,
            subprotocols: of.subprotocols.clone(),
        })
    }

    /// True when there is nothing to check.
    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_empty()
            && self.query_params.is_empty()
            && self.cookies.is_empty()
            && self.subprotocols.is_empty()
    }

    /// The first condition that does not hold.
    pub(crate) fn miss(&self, request: &Request<'_>) -> Option<Miss> {
        let fails = |pattern: &Pattern, value: Option<&[u8]>| !value.is_some_and(|v| pattern.takes(v));
        for (at, (name, pattern)) in self.headers.iter().enumerate() {
            if fails(pattern, header(request.headers, name).as_deref()) {
                return Some(Miss::Header(at));
            }
        }
        for (at, (name, pattern)) in self.query_params.iter().enumerate() {
            if fails(pattern, query_param(request.query, name).as_deref()) {
                return Some(Miss::QueryParam(at));
            }
        }
        for (at, (name, pattern)) in self.cookies.iter().enumerate() {
            if fails(pattern, cookie(request.headers, name)) {
                return Some(Miss::Cookie(at));
            }
        }
        let wanted = |token: &[u8]| self.subprotocols.iter().any(|wanted| wanted.as_bytes() == token);
        if !self.subprotocols.is_empty() && !offered(request.headers).any(wanted) {
            return Some(Miss::Subprotocol);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::RequestView;
    use super::*;
    use crate::model::{PathMatch, ValuePattern};

    fn value(name: &str, pattern: ValuePattern) -> ValueMatch {
        ValueMatch {
            name: name.into(),
            value: pattern,
        }
    }

    fn exact(name: &str, text: &str) -> ValueMatch {
        value(name, ValuePattern::Exact(text.into()))
    }

    fn check(of: &RouteMatch, query: Option<&str>, fields: &[(&str, &str)]) -> Option<Miss> {
        let headers = fields
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let view = RequestView {
            host: "h",
            path: "/",
            query,
            headers: &headers,
        };
        Conditions::compile(of).unwrap().miss(&Request::new(&view))
    }

    #[test]
    fn headers() {
        let mut of = RouteMatch::path(PathMatch::Prefix(String::new()));
        of.headers = vec![
            exact("x-canary", "always"),
            value("x-id", ValuePattern::Regex("[0-9]+|x".into())),
        ];
        assert_eq!(check(&of, None, &[]), Some(Miss::Header(0)));
        assert_eq!(check(&of, None, &[("X-Canary", "always")]), Some(Miss::Header(1)));
        assert_eq!(check(&of, None, &[("x-canary", "always"), ("x-id", "17")]), None);
        assert_eq!(
            check(&of, None, &[("x-canary", "always"), ("x-id", "17x")]),
            Some(Miss::Header(1))
        );
        assert_eq!(
            check(
                &of,
                None,
                &[("x-canary", "always"), ("x-canary", "always"), ("x-id", "1")]
            ),
            Some(Miss::Header(0))
        );
    }

    #[test]
    fn query_parameters() {
        let mut of = RouteMatch::path(PathMatch::Prefix(String::new()));
        of.query_params = vec![exact("room name", "a+b c")];
        assert_eq!(check(&of, None, &[]), Some(Miss::QueryParam(0)));
        assert_eq!(check(&of, Some("room%20name=a%2bb+c"), &[]), None);
        assert_eq!(check(&of, Some("x&room+name=a%2Bb%20c&room+name=z"), &[]), None);
        assert_eq!(
            check(&of, Some("room+name=z&room+name=a%2Bb+c"), &[]),
            Some(Miss::QueryParam(0))
        );
        of.query_params = vec![exact("flag", "")];
        assert_eq!(check(&of, Some("a=1&flag"), &[]), None);
    }

    #[test]
    fn cookies_and_subprotocols() {
        let mut of = RouteMatch::path(PathMatch::Prefix(String::new()));
        of.cookies = vec![exact("canary", "always")];
        of.subprotocols = vec!["graphql-transport-ws".into(), "chat".into()];
        let cookie = ("cookie", "a=canary; canary=always");
        assert_eq!(
            check(&of, None, &[("cookie", "xcanary=always")]),
            Some(Miss::Cookie(0))
        );
        assert_eq!(check(&of, None, &[cookie]), Some(Miss::Subprotocol));
        let offer = |tokens| ("sec-websocket-protocol", tokens);
        assert_eq!(
            check(&of, None, &[cookie, offer("superchat, Chat")]),
            Some(Miss::Subprotocol)
        );
        assert_eq!(check(&of, None, &[cookie, offer("superchat ,\tchat")]), None);
        assert_eq!(
            check(&of, None, &[("cookie", "a=b"), cookie, offer("x"), offer("chat")]),
            None
        );
    }

    #[test]
    fn names_that_are_no_header() {
        let mut of = RouteMatch::path(PathMatch::Prefix(String::new()));
        of.headers = vec![exact("x canary", "always")];
        let error = Conditions::compile(&of).unwrap_err();
        assert_eq!(
            error.to_string(),
            "'x canary' must be a header name such as 'x-canary'"
        );
    }
}
