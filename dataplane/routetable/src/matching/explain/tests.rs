use http::{HeaderMap, HeaderValue};

use super::*;
use crate::model::{PathMatch, ValueMatch, ValuePattern};
use crate::testing::route;

fn exact(name: &str, value: &str) -> ValueMatch {
    ValueMatch {
        name: name.into(),
        value: ValuePattern::Exact(value.into()),
    }
}

fn lines(routes: &[Route], path: &str, query: Option<&str>, headers: &HeaderMap) -> Vec<String> {
    let view = RequestView {
        host: "Live.example.com:443",
        path,
        query,
        headers,
    };
    let line = |v: &Verdict<'_>| format!("{}[{}] {}", v.route.source.name, v.position, v.outcome);
    explain(routes, &view).iter().map(line).collect()
}

fn prefix(path: &str) -> RouteMatch {
    RouteMatch::path(PathMatch::Prefix(path.into()))
}

fn host() -> HostPattern {
    HostPattern::Exact("live.example.com".into())
}

#[test]
fn every_kind_of_miss_has_its_sentence() {
    let mut header = prefix("");
    header.headers = vec![exact("x-canary", "always")];
    let mut param = prefix("");
    param.query_params = vec![ValueMatch {
        name: "room".into(),
        value: ValuePattern::Regex("[0-9]+".into()),
    }];
    let mut cookie = prefix("");
    cookie.cookies = vec![exact("canary", "always")];
    let mut protocol = prefix("");
    protocol.subprotocols = vec!["chat.v1".into(), "chat.v2".into()];
    let mut live = route("live", host(), prefix("/api"));
    live.matches.extend([header, param, cookie, protocol]);
    live.matches
        .push(RouteMatch::path(PathMatch::Exact("/socket".into())));
    live.matches
        .push(RouteMatch::path(PathMatch::Regex("/v[0-9]".into())));
    let mut headers = HeaderMap::new();
    headers.insert("cookie", HeaderValue::from_static("canary=never"));
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("chat.v3"));
    assert_eq!(
        lines(&[live], "/Chat", Some("room=lo%62by"), &headers),
        [
            "live[5] does not match: the path must be '/socket'; it is '/Chat'",
            "live[0] does not match: the path must be '/api' or below; it is '/Chat'",
            "live[1] does not match: header 'x-canary' must be 'always'; the request has none",
            "live[2] does not match: query parameter 'room' must match '[0-9]+' as a whole; it is 'lobby'",
            "live[3] does not match: cookie 'canary' must be 'always'; it is 'never'",
            "live[4] does not match: the client must offer the subprotocol 'chat.v1' or 'chat.v2'; \
             the request offers 'chat.v3'",
            "live[6] does not match: the path must match '/v[0-9]' as a whole; it is '/Chat'",
        ]
    );
}

#[test]
fn losers_are_told_the_step_that_decided() {
    let winner = || {
        let mut of = RouteMatch::path(PathMatch::Prefix("/chat".into()));
        of.headers = vec![exact("x-a", "1")];
        let mut route = route("winner", host(), of);
        route.created = 100;
        route
    };
    let check = |change: &dyn Fn(&mut Route), step: Step| {
        let mut loser = winner();
        loser.id.0 ^= 1;
        loser.source.name = "winner2".into();
        change(&mut loser);
        let headers = HeaderMap::from_iter([("x-a".parse().unwrap(), HeaderValue::from_static("1"))]);
        let view = RequestView {
            host: "live.example.com",
            path: "/chat",
            query: None,
            headers: &headers,
        };
        let routes = [loser, winner()];
        let verdicts = explain(&routes, &view);
        assert_eq!(verdicts[0].outcome, Outcome::Wins);
        assert_eq!(verdicts[0].route.source.name, "winner");
        assert_eq!(verdicts[1].outcome, Outcome::Loses(step));
        assert!(!step.to_string().is_empty());
    };
    check(&|route| route.fallback = true, Step::Fallback);
    check(
        &|route| route.hosts = vec![HostPattern::Wildcard("example.com".into())],
        Step::Host,
    );
    check(&|route| route.hosts = vec![HostPattern::Any], Step::Host);
    check(
        &|route| route.matches[0].path = PathMatch::Regex(".*".into()),
        Step::PathKind,
    );
    check(
        &|route| route.matches[0].path = PathMatch::Prefix(String::new()),
        Step::LongerPrefix,
    );
    check(&|route| route.matches[0].headers.clear(), Step::Headers);
    check(&|route| route.created = 101, Step::Age);
    check(&|_| {}, Step::Name);
    check(
        &|route| (route.source.name, route.order) = ("winner".into(), 1),
        Step::Order,
    );
}

#[test]
fn other_hosts_are_left_out_and_broken_routes_are_not() {
    let elsewhere = route(
        "elsewhere",
        HostPattern::Exact("other.example.com".into()),
        prefix(""),
    );
    let broken = route(
        "broken",
        HostPattern::Any,
        RouteMatch::path(PathMatch::Regex("(".into())),
    );
    let live = route("live", host(), prefix(""));
    assert_eq!(
        lines(&[elsewhere, broken, live], "/", None, &HeaderMap::new()),
        [
            "live[0] takes the request",
            "broken[0] is not served: regular expression '(' is not usable: unclosed group",
        ]
    );
}
