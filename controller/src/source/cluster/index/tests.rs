use serde_json::json;

use super::*;
use crate::source::cluster::feed::FeedId;

const CLASSES: FeedId = FeedId::for_test(0);
const SECRETS: FeedId = FeedId::for_test(1);
const SERVICES: FeedId = FeedId::for_test(2);
const INGRESSES: FeedId = FeedId::for_test(3);
const OTHERS: FeedId = FeedId::for_test(4);

fn index() -> Index {
    index_with(None)
}

fn index_with(default_certificate: Option<Name>) -> Index {
    let mut index = Index::new(Board::default(), default_certificate);
    index.expect(CLASSES, Kind::IngressClass, None);
    index.expect(SECRETS, Kind::Secret, Some("shop"));
    index.expect(SERVICES, Kind::Service, Some("shop"));
    index.expect(INGRESSES, Kind::Ingress, Some("shop"));
    index
}

fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: "shop".into(),
        name: name.into(),
    }
}

fn service(name: &str) -> Tidings {
    let service: k8s_openapi::api::core::v1::Service =
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}))
            .unwrap();
    Tidings::Object(key(Kind::Service, name), Item::Readable(service.into(), None))
}

fn ingress(name: &str, secret: &str) -> Tidings {
    let ingress: k8s_openapi::api::networking::v1::Ingress = serde_json::from_value(
        json!({"metadata": {"name": name}, "spec": {"tls": [{"secretName": secret}]}}),
    )
    .unwrap();
    Tidings::Object(key(Kind::Ingress, name), Item::Readable(ingress.into(), None))
}

fn secret() -> Object {
    let secret: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls"})).unwrap();
    secret.into()
}

fn names(index: &Index) -> Vec<String> {
    index
        .world()
        .services
        .keys()
        .map(|name| name.name.clone())
        .collect()
}

#[test]
fn nothing_is_complete_before_every_kind_was_listed() {
    let mut index = index();
    for feed in [CLASSES, SECRETS, SERVICES] {
        index.take(feed, Tidings::Done);
        assert!(!index.is_complete(true));
    }
    index.take(INGRESSES, Tidings::Done);
    assert!(index.is_complete(false));
}

#[test]
fn a_list_replaces_what_was_there_only_when_it_is_complete() {
    let mut index = index();
    index.take(SERVICES, Tidings::Begin);
    index.take(SERVICES, service("a"));
    index.take(SERVICES, service("b"));
    index.take(SERVICES, Tidings::Done);
    // A list that breaks off, and one that is complete.
    index.take(SERVICES, Tidings::Begin);
    index.take(SERVICES, service("c"));
    assert_eq!(names(&index), ["a", "b", "c"]);
    index.take(SERVICES, Tidings::Begin);
    index.take(SERVICES, service("b"));
    index.take(SERVICES, Tidings::Done);
    assert_eq!(names(&index), ["b"]);
    index.take(SERVICES, Tidings::Gone(key(Kind::Service, "b")));
    assert!(names(&index).is_empty());
}

#[test]
fn what_came_before_an_error_stays() {
    let mut index = index();
    index.take(SERVICES, service("a"));
    index.take(SERVICES, Tidings::Done);
    index.take(SERVICES, Tidings::Forbidden);
    index.take(SERVICES, Tidings::UnknownKind);
    index.take(SERVICES, Tidings::Begin);
    assert_eq!(names(&index), ["a"]);
    assert!(index.would_drop(SERVICES));
    // Not believed at first; what comes meanwhile is taken, and stays when it is.
    index.take(SERVICES, service("b"));
    assert!(index.would_drop(SERVICES));
    assert_eq!(names(&index), ["a", "b"]);
    index.take(SERVICES, Tidings::Done);
    assert_eq!(names(&index), ["b"], "believed after all");
    // A list that has all of it, and more.
    for tidings in [Tidings::Begin, service("b"), service("c")] {
        index.take(SERVICES, tidings);
    }
    assert!(!index.would_drop(SERVICES));
}

#[test]
fn a_missing_permission_holds_up_what_needs_it_and_nothing_else() {
    let mut index = index();
    for feed in [CLASSES, INGRESSES] {
        index.take(feed, Tidings::Done);
    }
    index.take(SECRETS, Tidings::Forbidden);
    index.take(SERVICES, Tidings::Forbidden);
    assert!(!index.is_complete(true), "no Service at all is known");
    index.expect(OTHERS, Kind::Service, Some("other"));
    index.take(OTHERS, Tidings::Done);
    assert!(!index.is_complete(false));
    assert!(
        index.is_complete(true),
        "the other namespace does not wait for this one"
    );
}

#[test]
fn an_object_that_cannot_be_read_leaves_its_last_good_version() {
    let mut index = index();
    index.take(SERVICES, service("a"));
    index.clean();
    let broken = Tidings::Object(key(Kind::Service, "a"), Item::Unreadable("newer".into()));
    index.take(SERVICES, broken.clone());
    assert!(index.is_dirty());
    assert_eq!(names(&index), ["a"]);
    assert_eq!(index.world().unreadable.len(), 1);
    index.clean();
    index.take(SERVICES, broken);
    assert!(!index.is_dirty(), "the same again is no news");
    index.take(SERVICES, service("a"));
    assert!(index.world().unreadable.is_empty() && index.is_dirty());
    index.clean();
    index.take(SERVICES, service("a"));
    assert!(!index.is_dirty());
}

#[test]
fn secrets_are_kept_while_they_are_named() {
    let mut index = index();
    let own = key(Kind::Secret, "tls");
    index.take(
        SECRETS,
        Tidings::Object(own.clone(), Item::Readable(secret(), None)),
    );
    assert!(index.world().secrets.is_empty(), "nobody names it");
    index.take(INGRESSES, ingress("a", "tls"));
    assert!(index.wanted().is_empty(), "the watch is not through");
    index.take(SECRETS, Tidings::Done);
    let wanted = index.wanted();
    assert_eq!(
        wanted.iter().map(|name| name.name.as_str()).collect::<Vec<_>>(),
        ["tls"]
    );
    assert!(index.wanted().is_empty(), "asked once");

    assert_eq!(index.to_ask(false).len(), 1, "there was no answer");
    index.take_answer(&own, None);
    assert_eq!(index.to_ask(false).len(), 1);
    index.take_answer(&own, Some(&secret()));
    assert!(index.to_ask(false).is_empty());
    assert_eq!(index.world().secrets.len(), 1);
    index.take(SECRETS, Tidings::Begin);
    index.take(SECRETS, Tidings::Done);
    assert_eq!(
        index.world().secrets.len(),
        1,
        "the watch does not bring it, so it cannot take it away"
    );

    index.take(INGRESSES, ingress("b", "tls"));
    index.take(INGRESSES, Tidings::Gone(key(Kind::Ingress, "a")));
    assert_eq!(index.world().secrets.len(), 1);
    index.take(INGRESSES, ingress("b", "other"));
    assert!(index.world().secrets.is_empty(), "nobody names it any more");

    // Looked up, then brought by the watch: from then on the watch counts.
    index.take(INGRESSES, ingress("b", "tls"));
    index.take_answer(&own, Some(&secret()));
    let brought = || Tidings::Object(own.clone(), Item::Readable(secret(), None));
    index.take(SECRETS, brought());
    index.take(SECRETS, Tidings::Begin);
    index.take(SECRETS, Tidings::Done);
    assert!(index.world().secrets.is_empty(), "deleted while nobody watched");
}

fn route(name: &str, spec: serde_json::Value) -> Tidings {
    let route: crate::crd::websocketroute::WebSocketRoute =
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
    Tidings::Object(
        key(Kind::WebSocketRoute, name),
        Item::Readable(route.into(), None),
    )
}

#[test]
fn every_secret_that_a_route_or_the_settings_name_is_wanted() {
    let mut index = index_with(Some(Name::new("shop", "default")));
    index.expect(OTHERS, Kind::WebSocketRoute, Some("shop"));
    index.take(INGRESSES, Tidings::Done);
    assert!(!index.knows_routes(), "routes name Secrets, too");
    let backend = json!({"name": "a", "port": 80, "tls": {
        "verify": "CA", "hostname": "a.internal", "caRef": {"name": "backend-ca"}, "clientCertSecretName": "shown",
    }});
    let tls = json!({"secretName": "own", "clientValidation": {"caRef": {"kind": "ConfigMap", "name": "client-ca"}}});
    let spec = json!({"hostnames": ["a.example.com"], "tls": tls, "rules": [{"backendRefs": [backend]}]});
    index.take(OTHERS, route("a", spec));
    index.take(OTHERS, Tidings::Done);
    assert!(index.knows_routes());
    let annotated: k8s_openapi::api::networking::v1::Ingress = serde_json::from_value(json!({
        "metadata": {"name": "annotated", "annotations": {"holdfast.dev/backend-tls": "ca:annotated"}},
    }))
    .unwrap();
    let item = Item::Readable(annotated.into(), None);
    index.take(INGRESSES, Tidings::Object(key(Kind::Ingress, "annotated"), item));
    index.take(SECRETS, Tidings::Done);
    let wanted: Vec<String> = index.wanted().into_iter().map(|name| name.name).collect();
    assert_eq!(
        wanted,
        ["annotated", "backend-ca", "default", "own", "shown", "client-ca"]
    );

    for feed in [CLASSES, SERVICES] {
        index.take(feed, Tidings::Done);
    }
    assert!(!index.is_complete(false), "answers are awaited");
    assert!(index.is_complete(true), "but not for ever");
    // What the watch does not bring is asked for again, at a slower pace.
    let opaque: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(json!({"metadata": {"name": "s"}, "type": "Opaque"})).unwrap();
    let map: k8s_openapi::api::core::v1::ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "m"}, "data": {"ca.crt": "damaged"}})).unwrap();
    index.take_answer(&key(Kind::Secret, "backend-ca"), Some(&opaque.into()));
    index.take_answer(&key(Kind::ConfigMap, "client-ca"), Some(&map.into()));
    index.take_answer(&key(Kind::Secret, "own"), Some(&secret()));
    index.take_answer(&key(Kind::Secret, "shown"), None);
    for name in ["annotated", "default"] {
        index.take_answer(&key(Kind::Secret, name), Some(&secret()));
    }
    assert!(index.is_complete(false));
    let asked = |all| -> Vec<String> {
        let names = index.to_ask(all).into_iter();
        names.map(|name| name.name).collect()
    };
    assert_eq!(asked(false), ["shown"]);
    assert_eq!(asked(true), ["backend-ca", "shown", "client-ca"]);
    assert_eq!(index.world().config_maps.len(), 1);
}

#[test]
fn config_maps_wait_for_no_secrets_and_what_is_no_name_is_not_asked_for() {
    let mut index = index();
    index.expect(OTHERS, Kind::WebSocketRoute, Some("shop"));
    let tls = json!({"secretName": "own", "clientValidation": {"caRef": {"kind": "ConfigMap", "name": "client-ca"}}});
    let spec = json!({"hostnames": ["a.example.com"], "tls": tls, "rules": []});
    index.take(OTHERS, route("a", spec));
    index.take(SECRETS, Tidings::Forbidden);
    assert_eq!(
        index.wanted(),
        BTreeSet::from([key(Kind::ConfigMap, "client-ca")])
    );
    assert!(index.wanted().is_empty());
    index.take(SECRETS, Tidings::Done);
    assert_eq!(index.wanted(), BTreeSet::from([key(Kind::Secret, "own")]));

    for name in ["?x", "a b", "../pods", ""] {
        let annotated: k8s_openapi::api::networking::v1::Ingress = serde_json::from_value(json!({
            "metadata": {"name": "odd", "annotations": {"holdfast.dev/backend-tls": format!("ca:{name}")}},
        }))
        .unwrap();
        let item = Item::Readable(annotated.into(), None);
        index.take(INGRESSES, Tidings::Object(key(Kind::Ingress, "odd"), item));
        assert!(index.wanted().is_empty(), "{name:?}");
    }
}

#[test]
fn a_namespace_that_is_left_takes_its_objects_along() {
    let mut index = index();
    index.take(SERVICES, service("a"));
    index.clean();
    index.forget(SERVICES);
    assert!(names(&index).is_empty() && index.is_dirty());
    index.take(SERVICES, service("late"));
    assert!(names(&index).is_empty(), "a straggler of a watch that was ended");
}

#[test]
fn addresses_that_dns_no_longer_names_keep_what_they_have() {
    let mut index = index();
    let alias: k8s_openapi::api::core::v1::Service = serde_json::from_value(
        json!({"metadata": {"name": "a"}, "spec": {"type": "ExternalName", "externalName": "db.example.com"}}),
    )
    .unwrap();
    index.take(
        SERVICES,
        Tidings::Object(key(Kind::Service, "a"), Item::Readable(alias.into(), None)),
    );
    let (out, wanted) = watch::channel(BTreeSet::new());
    index.tell_aliases(&out);
    assert!(wanted.borrow().contains("db.example.com"));
    let ips = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| text.parse().unwrap())
            .collect::<BTreeSet<IpAddr>>()
    };
    index.take_addresses("db.example.com".into(), ips(&["192.0.2.1", "192.0.2.2"]));
    index.take_addresses("db.example.com".into(), ips(&["192.0.2.2", "192.0.2.3"]));
    let states: Vec<_> = index.world().resolved["db.example.com"]
        .iter()
        .map(|(ip, state)| (ip.to_string(), *state))
        .collect();
    assert_eq!(
        states,
        [
            ("192.0.2.2".to_owned(), EndpointState::Ready),
            ("192.0.2.3".to_owned(), EndpointState::Ready),
            ("192.0.2.1".to_owned(), EndpointState::NotReady),
        ]
    );
    index.take(SERVICES, Tidings::Gone(key(Kind::Service, "a")));
    index.tell_aliases(&out);
    assert!(index.world().resolved.is_empty() && wanted.borrow().is_empty());
}
