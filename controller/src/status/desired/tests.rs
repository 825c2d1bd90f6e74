use super::*;
use crate::compile::Reason;

fn now(seconds: i64) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(seconds).unwrap())
}

fn render(
    status: &ObjectStatus,
    programmed: &Programmed,
    standing: &WebSocketRouteStatus,
    at: i64,
) -> WebSocketRouteStatus {
    let addresses = BTreeSet::from(["192.0.2.7".to_owned(), "lb.example.com".to_owned()]);
    route(
        status,
        programmed,
        &addresses,
        "holdfast.dev/ingress-controller",
        standing,
        &now(at),
    )
}

fn condition<'a>(status: &'a WebSocketRouteStatus, kind: &str) -> &'a Condition {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .unwrap()
}

fn ready(status: &WebSocketRouteStatus) -> (&str, &str) {
    let ready = condition(status, "Ready");
    (&ready.status, &ready.reason)
}

#[test]
fn ready_sums_up_and_names_the_first_cause() {
    let standing = WebSocketRouteStatus::default();
    let mut status = ObjectStatus {
        generation: 3,
        ..ObjectStatus::default()
    };
    let all_well = render(&status, &Programmed::Yes, &standing, 1);
    assert_eq!(ready(&all_well), ("True", "Ready"));
    assert!(
        all_well
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(3))
    );
    let waiting = Programmed::Waiting { missing: 1, of: 2 };
    assert_eq!(
        ready(&render(&status, &waiting, &standing, 1)),
        ("False", "Pending")
    );

    status.no_ready_endpoints = Some("'chat' has 0 of 3 endpoints ready".to_owned());
    assert_eq!(
        ready(&render(&status, &waiting, &standing, 1)),
        ("False", "NoReadyEndpoints")
    );
    status.resolved_refs = Outcome::Fails {
        reason: Reason::BackendNotFound,
        message: "Service 'chat' not found in 'prod'".to_owned(),
    };
    let broken = render(&status, &Programmed::Yes, &standing, 1);
    assert_eq!(ready(&broken), ("False", "BackendNotFound"));
    assert_eq!(condition(&broken, "NoReadyEndpoints").status, "True");
    assert_eq!(condition(&broken, "Accepted").status, "True");
}

#[test]
fn a_transition_time_moves_only_with_its_status() {
    let status = ObjectStatus::default();
    let waiting = render(
        &status,
        &Programmed::Waiting { missing: 2, of: 2 },
        &WebSocketRouteStatus::default(),
        100,
    );
    let still = render(&status, &Programmed::Waiting { missing: 1, of: 2 }, &waiting, 200);
    assert_eq!(condition(&still, "Programmed").last_transition_time, now(100));
    assert!(!is_same(&still, &waiting), "the message is another");
    let served = render(&status, &Programmed::Yes, &still, 300);
    assert_eq!(condition(&served, "Programmed").last_transition_time, now(300));
    assert_eq!(condition(&served, "Accepted").last_transition_time, now(100));
    assert!(is_same(&render(&status, &Programmed::Yes, &served, 400), &served));
}

#[test]
fn counts_alone_and_other_peoples_conditions_are_told_apart() {
    let mut status = ObjectStatus::default();
    let mut standing = render(&status, &Programmed::Yes, &WebSocketRouteStatus::default(), 1);
    standing.conditions.push(Condition {
        type_: "example.com/Audited".to_owned(),
        status: "True".to_owned(),
        ..condition(&standing, "Ready").clone()
    });
    assert!(is_same(
        &render(&status, &Programmed::Yes, &standing, 2),
        &standing
    ));
    status.endpoints_ready = 4;
    let counted = render(&status, &Programmed::Yes, &standing, 2);
    assert!(is_same_but_counts(&counted, &standing) && !is_same(&counted, &standing));
}

#[test]
fn addresses_are_told_as_what_they_are() {
    let status = render(
        &ObjectStatus::default(),
        &Programmed::Yes,
        &WebSocketRouteStatus::default(),
        1,
    );
    let entries = status.load_balancer.unwrap().ingress;
    assert_eq!(entries[0].ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(entries[1].hostname.as_deref(), Some("lb.example.com"));
    let entries = ingress(&BTreeSet::from(["2001:db8::1".to_owned()]));
    assert_eq!(
        (entries[0].ip.as_deref(), entries[0].hostname.as_deref()),
        (Some("2001:db8::1"), None)
    );
}
