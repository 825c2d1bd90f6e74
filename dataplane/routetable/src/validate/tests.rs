use proptest::prelude::*;

use super::*;
use crate::id::EndpointSetId;
use crate::model::{Endpoint, EndpointState, PathMatch, RouteMatch, ValueMatch, ValuePattern};
use crate::testing;

fn refusal(change: impl FnOnce(&mut Route)) -> String {
    let of = RouteMatch::path(PathMatch::Prefix("/chat".into()));
    let mut subject = testing::route("chat", HostPattern::Any, of);
    route(&subject).unwrap();
    change(&mut subject);
    route(&subject).unwrap_err().to_string()
}

fn header(name: &str, value: ValuePattern) -> ValueMatch {
    ValueMatch {
        name: name.into(),
        value,
    }
}

#[test]
fn refusals_name_the_field_and_the_remedy() {
    assert_eq!(refusal(|r| r.hosts.clear()), "`hosts` must not be empty");
    assert_eq!(refusal(|r| r.matches.clear()), "`matches` must not be empty");
    assert_eq!(
        refusal(|r| r.hosts = vec![HostPattern::Any; 65]),
        "`hosts` must not have more than 64 entries; it has 65"
    );
    assert_eq!(
        refusal(|r| r.hosts.push(HostPattern::Exact("Chat.example.com".into()))),
        "`hosts[1]` must be 'chat.example.com'; it is 'Chat.example.com'"
    );
    assert_eq!(
        refusal(|r| r.hosts[0] = HostPattern::Wildcard(String::new())),
        "`hosts[0]` must not be empty"
    );
    assert_eq!(
        refusal(|r| r.rule = "r".repeat(254)),
        "`rule` must not be longer than 253 bytes; it has 254"
    );
    assert_eq!(
        refusal(|r| {
            let value = |n: u32| header(&format!("x-{n}"), ValuePattern::Exact("v".repeat(4096)));
            r.matches[0].headers = (0..32).map(value).collect();
            r.matches = vec![r.matches[0].clone(); 40];
        }),
        "it must not be larger than 4194304 bytes; it has 5253206"
    );
    assert_eq!(
        refusal(|r| r.timeouts.connect = Duration::ZERO),
        "`timeouts.connect` must be more than zero and at most a century"
    );
    assert_eq!(
        refusal(|r| r.timeouts.idle = Some(Duration::MAX)),
        "`timeouts.idle` must be more than zero and at most a century"
    );
}

#[test]
fn matches_are_held_in_the_form_that_requests_have() {
    let path = |path: PathMatch| refusal(|r| r.matches[0].path = path);
    assert_eq!(
        path(PathMatch::Prefix("/chat/".into())),
        "`matches[0].path` must be '/chat'; it is '/chat/'"
    );
    assert_eq!(
        path(PathMatch::Prefix("/".into())),
        "`matches[0].path` must be ''; it is '/'"
    );
    assert_eq!(
        path(PathMatch::Exact("caf%c3%a9".into())),
        "`matches[0].path` must be '/caf%C3%A9'; it is 'caf%c3%a9'"
    );
    assert_eq!(
        path(PathMatch::Regex("a".repeat(1025))),
        "`matches[0].path` must not be longer than 1024 bytes; it has 1025"
    );
    let headers = |headers| refusal(|r| r.matches[0].headers = headers);
    let exact = || ValuePattern::Exact("1".into());
    assert_eq!(
        headers(vec![header("X-A", exact())]),
        "`matches[0].headers` must be 'x-a'; it is 'X-A'"
    );
    assert_eq!(
        headers(vec![header("x-a", exact()), header("x-a", exact())]),
        "`matches[0].headers` must not repeat 'x-a'"
    );
    assert_eq!(
        headers(vec![header("x a", exact())]),
        "'x a' must be a header name such as 'x-canary'"
    );
    assert_eq!(
        headers(vec![header("x-a", ValuePattern::Regex("(".into()))]),
        "regular expression '(' is not usable: unclosed group"
    );
    assert_eq!(
        refusal(|r| r.matches[0].subprotocols = vec!["chat".into(), "chat".into()]),
        "`matches[0].subprotocols` must not repeat 'chat'"
    );
}

#[test]
fn endpoints_are_in_order_and_each_is_there_once() {
    let endpoint = |last| Endpoint {
        address: ([10, 0, 0, last], 80).into(),
        state: EndpointState::Ready,
    };
    let set = |endpoints| EndpointSet {
        id: EndpointSetId(1),
        namespace: "prod".into(),
        service: "chat".into(),
        port: "80".into(),
        endpoints,
    };
    endpoint_set(&set(vec![endpoint(1), endpoint(2)])).unwrap();
    let error = endpoint_set(&set(vec![endpoint(1), endpoint(1)])).unwrap_err();
    assert_eq!(error.to_string(), "`endpoints` must not repeat '10.0.0.1:80'");
    assert!(endpoint_set(&set(vec![endpoint(2), endpoint(1)])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn generated_routes_are_valid(subject in testing::routes()) {
        prop_assert_eq!(route(&subject), Ok(()));
    }
}
