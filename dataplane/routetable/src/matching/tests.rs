//! The index equals the naive search, on tables that collide and after any sequence of updates.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::RouteId;
use crate::model::{HostPattern, PathMatch, Route, RouteMatch, ValueMatch, ValuePattern};
use crate::testing;

#[derive(Clone, Debug)]
struct OwnedRequest {
    host: &'static str,
    path: String,
    query: Option<&'static str>,
    headers: HeaderMap,
}

impl OwnedRequest {
    fn view(&self) -> RequestView<'_> {
        RequestView {
            host: self.host,
            path: &self.path,
            query: self.query,
            headers: &self.headers,
        }
    }
}

fn requests() -> impl Strategy<Value = OwnedRequest> {
    let hosts = vec![
        "a.b.c", "A.b.c:80", "b.c", "x.c.", "x.b.c", "c", "", "other", "[::1]:80",
    ];
    let elements = vec![
        "a", "a", "b", "b", "c", "cc", "ab", "", "..", "g", "h", "%61", "..%2f",
    ];
    let path = vec(select(elements), 0..5).prop_map(|parts| format!("/{}", parts.join("/")));
    let field = select(vec![
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-b", "1"),
        ("cookie", "s=1; t=2"),
        ("cookie", "t=1"),
        ("sec-websocket-protocol", "chat"),
        ("sec-websocket-protocol", "x, graphql"),
    ]);
    let query = option::of(select(vec!["q=1", "q=2&r=%31", "r=1&q=3", "q"]));
    (select(hosts), path, query, vec(field, 0..4)).prop_map(|(host, path, query, fields)| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        OwnedRequest {
            host,
            path,
            query,
            headers,
        }
    })
}

fn agree(index: &Index<RouteId>, routes: &BTreeMap<RouteId, Route>, request: &OwnedRequest) {
    let found = index.find(&request.view()).copied();
    let naive = naive_find(routes.values(), &request.view()).map(|route| route.id);
    assert_eq!(found, naive, "{request:?}");
    let verdicts = explain(routes.values(), &request.view());
    let winners = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Wins);
    assert_eq!(
        winners.map(|verdict| verdict.route.id).collect::<Vec<_>>(),
        Vec::from_iter(found)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn indexed_equals_naive(
        routes in vec(testing::routes(), 0..40),
        requests in vec(requests(), 24),
    ) {
        let mut index = Index::default();
        let mut all = BTreeMap::new();
        for route in routes {
            index.insert(Arc::new(route.clone()), route.id).unwrap();
            all.insert(route.id, route);
        }
        for request in &requests {
            agree(&index, &all, request);
        }
    }

    #[test]
    fn updates_in_any_order_keep_them_equal(
        steps in vec((testing::routes(), any::<bool>(), any::<prop::sample::Index>()), 1..60),
        requests in vec(requests(), 12),
    ) {
        let mut index = Index::default();
        let mut all: BTreeMap<RouteId, Route> = BTreeMap::new();
        for (route, remove, victim) in steps {
            let snapshot = (index.clone(), all.clone());
            if remove && !all.is_empty() {
                let id = *victim.get(&all.keys().copied().collect::<Vec<_>>());
                prop_assert!(index.remove(id));
                prop_assert!(!index.remove(id));
                all.remove(&id);
            } else {
                index.insert(Arc::new(route.clone()), route.id).unwrap();
                all.insert(route.id, route);
            }
            // The clone taken before the step must not have moved.
            agree(&snapshot.0, &snapshot.1, &requests[0]);
        }
        for request in &requests {
            agree(&index, &all, request);
        }
        for id in all.keys() {
            prop_assert!(index.remove(*id));
        }
        for request in &requests {
            prop_assert_eq!(index.find(&request.view()), None);
        }
    }

    #[test]
    fn equal_keys_take_the_same_requests(
        of in testing::matches(),
        request in requests(),
    ) {
        let mut turned = of.clone();
        turned.headers.reverse();
        turned.query_params.reverse();
        turned.cookies.reverse();
        prop_assert_eq!(of.canonical_key(), turned.canonical_key());
        let route = |of| testing::route("a", HostPattern::Any, of);
        let takes = |of: RouteMatch| naive_find([&route(of)], &request.view()).is_some();
        prop_assert_eq!(takes(of), takes(turned));
    }
}

#[test]
fn keys_of_different_matches_differ() {
    let plain = RouteMatch::path(PathMatch::Prefix("/a".into()));
    let mut header = plain.clone();
    header.headers.push(ValueMatch {
        name: "x-a".into(),
        value: ValuePattern::Exact("1".into()),
    });
    let mut cookie = plain.clone();
    cookie.cookies = header.headers.clone();
    let exact = RouteMatch::path(PathMatch::Exact("/a".into()));
    let keys = [&plain, &header, &cookie, &exact].map(RouteMatch::canonical_key);
    for (at, key) in keys.iter().enumerate() {
        assert!(keys[..at].iter().all(|other| other != key));
    }
}

#[test]
fn a_route_that_does_not_compile_leaves_the_old_one() {
    let mut index = Index::default();
    let good = testing::route(
        "a",
        HostPattern::Any,
        RouteMatch::path(PathMatch::Prefix(String::new())),
    );
    let mut bad = good.clone();
    bad.matches.push(RouteMatch::path(PathMatch::Regex("(".into())));
    index.insert(Arc::new(good), "good").unwrap();
    let error = index.insert(Arc::new(bad), "bad").unwrap_err();
    assert!(matches!(error, crate::Invalid::Regex { pattern, .. } if pattern == "("));
    let headers = HeaderMap::new();
    let view = RequestView {
        host: "h",
        path: "/",
        query: None,
        headers: &headers,
    };
    assert_eq!(index.find(&view), Some(&"good"));
}

#[test]
fn hosts_fall_through_and_fallbacks_come_last() {
    let prefix = |path: &str| RouteMatch::path(PathMatch::Prefix(path.into()));
    let mut index = Index::default();
    let mut add = |name, host, path, fallback| {
        let mut route = testing::route(name, host, prefix(path));
        route.fallback = fallback;
        index.insert(Arc::new(route), name).unwrap();
    };
    add("exact", HostPattern::Exact("a.b".into()), "/only", false);
    add("wildcard", HostPattern::Wildcard("b".into()), "/some", false);
    add("any", HostPattern::Any, "/any", false);
    add("default", HostPattern::Exact("a.b".into()), "", true);
    let headers = HeaderMap::new();
    for (host, path, wins) in [
        ("a.b", "/only/x", Some("exact")),
        ("a.b", "/some", Some("wildcard")),
        ("a.b", "/any", Some("any")),
        ("a.b", "/else", Some("default")),
        ("x.b", "/only", None),
        ("x.b", "/some", Some("wildcard")),
        ("x.y.b", "/some", None),
    ] {
        let view = RequestView {
            host,
            path,
            query: None,
            headers: &headers,
        };
        assert_eq!(index.find(&view).copied(), wins, "{host}{path}");
    }
}

#[test]
fn paths_that_others_may_read_otherwise_are_ambiguous() {
    let mut index = Index::default();
    for (name, path) in [("public", "/public"), ("admin", "/admin"), ("rest", "")] {
        let of = RouteMatch::path(PathMatch::Prefix(path.into()));
        index
            .insert(Arc::new(testing::route(name, HostPattern::Any, of)), name)
            .unwrap();
    }
    let headers = HeaderMap::new();
    let ambiguous = |path| {
        index.is_ambiguous(&RequestView {
            host: "h",
            path,
            query: None,
            headers: &headers,
        })
    };
    for path in [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public//../admin",
        "/public/.%2E/admin/x",
        "/public/..%2fadmin",
        "/public/..;a=b/admin",
        "/public/..\\admin",
        "/public/..",
        "/..",
        "/x/../../y",
    ] {
        assert!(ambiguous(path), "{path}");
    }
    for path in [
        "/public/a/../b",
        "/public/a//b",
        "/x/../y",
        "/public/a%2fb",
        "/public/%252e%252e/admin",
        "/public/v1..2",
        "/",
    ] {
        assert!(!ambiguous(path), "{path}");
    }
}

#[test]
fn a_plain_look_up_does_not_allocate() {
    let mut index = Index::default();
    for n in 0..40 {
        let mut of = RouteMatch::path(PathMatch::Prefix(format!("/room-{n}")));
        let value = ValueMatch {
            name: "x-a".into(),
            value: ValuePattern::Exact("1".into()),
        };
        of.headers = vec![value.clone()];
        of.cookies = vec![value.clone()];
        of.query_params = vec![value];
        of.subprotocols = vec!["chat".into()];
        let host = HostPattern::Exact(format!("h{}.example.com", n % 3));
        index
            .insert(Arc::new(testing::route(&format!("a{n}"), host, of)), n)
            .unwrap();
    }
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-a"), HeaderValue::from_static("1")),
        (
            HeaderName::from_static("cookie"),
            HeaderValue::from_static("s=2; x-a=1"),
        ),
        (
            HeaderName::from_static("sec-websocket-protocol"),
            HeaderValue::from_static("a, chat"),
        ),
    ]);
    let query = Some("s=2&x-a=1");
    let view = RequestView {
        host: "h1.example.com:8080",
        path: "/room-7/socket%20x/",
        query,
        headers: &headers,
    };
    let mut found = None;
    let info = allocation_counter::measure(|| {
        found = index.find(&view).copied();
        assert!(!index.is_ambiguous(&RequestView {
            path: "/room-7/socket",
            ..view
        }));
    });
    assert_eq!((found, info.count_total), (Some(7), 0));
}
