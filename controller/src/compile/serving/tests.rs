//! Buckets tell apart what differs, and only that.

use std::sync::Arc;

use routetable::{HostPattern, ObjectKind, PathMatch, RouteId, RouteMatch, Timeouts};

use super::*;

fn source(name: &str) -> ObjectRef {
    ObjectRef {
        kind: ObjectKind::WebSocketRoute,
        namespace: "prod".to_owned(),
        name: name.to_owned(),
    }
}

fn table(names: &[&str], path: &str) -> RouteTable {
    let mut table = RouteTable::default();
    for name in names {
        let source = source(name);
        let route = Route {
            id: RouteId::new(&source, "rule"),
            source,
            rule: "rule".to_owned(),
            created: 0,
            order: 0,
            fallback: false,
            hosts: vec![HostPattern::Any],
            matches: vec![RouteMatch::path(PathMatch::Exact(path.to_owned()))],
            backends: vec![],
            timeouts: Timeouts::default(),
            tls: routetable::RouteTls::default(),
        };
        table.routes.insert(route.id, Arc::new(route));
    }
    table
}

#[test]
fn another_object_moves_only_its_bucket() {
    let (one, both) = (
        buckets(&table(&["chat"], "/")),
        buckets(&table(&["chat", "vnc"], "/")),
    );
    let (chat, vnc) = (Buckets::of(&source("chat")), Buckets::of(&source("vnc")));
    assert_ne!(chat, vnc);
    assert!(one.agree(&both, chat));
    assert!(!one.agree(&both, vnc));
    assert!(!one.agree(&buckets(&table(&["chat"], "/other")), chat));
}

#[test]
fn following_a_change_equals_counting_anew() {
    let (old, mut new) = (table(&["a", "b", "c"], "/"), table(&["b", "c", "d"], "/x"));
    let shared = old.routes.get(&RouteId::new(&source("c"), "rule")).unwrap();
    new.routes.insert(shared.id, Arc::clone(shared));
    let mut followed = buckets(&old);
    followed.follow(&old, &new);
    assert_eq!(followed, buckets(&new));
    assert_ne!(followed, buckets(&old));
}

#[test]
fn text_is_read_back_and_anything_else_refused() {
    let counted = buckets(&table(&["chat", "vnc"], "/"));
    let text = counted.encode();
    assert_eq!(Buckets::decode(&text), Some(counted));
    assert_eq!(Buckets::decode(&text[4..]), None);
    assert_eq!(Buckets::decode(&text.replacen('A', "!", 1)), None);
    assert_eq!(Buckets::decode(""), None);
}
