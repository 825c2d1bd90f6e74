//! The records' text, and what happens when nobody takes them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::*;
use crate::session::{EndedBy, Outcome, ProxyCause};
use crate::tunnel::{CloseCodes, Traffic};

/// A sink that can be looked into.
#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that takes nothing until it is let go.
struct Stuck(Receiver<()>);

impl io::Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn facts(id: u64) -> RequestFacts {
    RequestFacts {
        id,
        client: ([192, 0, 2, 1], 5000).into(),
        version: Some(http::Version::HTTP_11),
        tls: None,
        method: Some(http::Method::GET),
        host: "chat.example.com".into(),
        path: "/a\"b\n".into(),
        route: None,
        slot: None,
        endpoint: None,
    }
}

fn outcome() -> RequestOutcome {
    RequestOutcome {
        status: 404,
        reason: Some(Reason::NoRoute),
        upgrade: false,
        duration: Duration::from_micros(1500),
        bytes_to_upstream: 0,
        bytes_to_client: 12,
    }
}

#[test]
fn a_request_is_one_line_without_empty_fields() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_123);
    let text = serde_json::to_string(&RequestRecord::new(time, &facts(7), &outcome())).unwrap();
    assert!(!text.contains('\n'));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value,
        json!({
            "kind": "request", "time": "2026-09-21T14:13:20.123Z", "id": 7, "client": "192.0.2.1:5000", "protocol": "HTTP/1.1",
            "method": "GET", "host": "chat.example.com", "path": "/a\"b\n", "status": 404, "reason": "NoRoute",
            "upgrade": false, "duration_ms": 1.5, "bytes_to_upstream": 0, "bytes_to_client": 12,
        })
    );
}

#[test]
fn a_session_tells_of_both_directions_and_its_end() {
    let end = SessionEnd {
        id: 7,
        target: crate::tunnel::Target {
            object: routetable::ObjectId(1),
            route: routetable::RouteId(1),
            endpoint_set: routetable::EndpointSetId(2),
            endpoint: ([10, 0, 0, 1], 80).into(),
        },
        duration: Duration::from_secs(61),
        from_client: Traffic {
            bytes: 100,
            messages: 3,
        },
        from_upstream: Traffic {
            bytes: 200,
            messages: 4,
        },
        codes: CloseCodes {
            to_client: Some(1012),
            from_client: Some(1012),
            ..CloseCodes::default()
        },
        ended_by: EndedBy::Proxy(ProxyCause::Shutdown),
        outcome: Outcome::Closed,
        context: (),
    };
    let facts = RequestFacts {
        tls: Some(routetable::TlsVersion::V13),
        ..facts(7)
    };
    let record = SessionRecord::new(SystemTime::UNIX_EPOCH, &facts, &end);
    assert_eq!(
        serde_json::to_value(&record).unwrap(),
        json!({
            "kind": "session", "time": "1970-01-01T00:00:00.000Z", "id": 7, "client": "192.0.2.1:5000", "protocol": "HTTP/1.1", "tls": "TLSv1.3",
            "method": "GET", "host": "chat.example.com", "path": "/a\"b\n", "status": 101, "reason": "shutdown",
            "duration_ms": 61000.0, "bytes_to_upstream": 100, "bytes_to_client": 200,
            "messages_to_upstream": 3, "messages_to_client": 4, "close_from_client": 1012,
            "close_to_client": 1012, "ended_by": "proxy", "outcome": "closed",
        })
    );
}

#[test]
fn a_flush_waits_for_every_record_so_far() {
    let sheet = Sheet::default();
    let log = AccessLog::to(sheet.clone()).unwrap();
    for id in 0..1000 {
        log.request(&facts(id), &outcome());
    }
    log.flush(Duration::from_secs(20));
    let text = String::from_utf8(sheet.0.lock().unwrap().clone()).unwrap();
    let ids: Vec<u64> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(ids, (0..1000).collect::<Vec<_>>());
    assert_eq!(log.dropped(), 0);
}

#[test]
fn a_sink_that_hangs_costs_records_and_no_time() {
    let (let_go, stuck): (SyncSender<()>, _) = sync_channel(0);
    let log = AccessLog::to(Stuck(stuck)).unwrap();
    for id in 0..30_000 {
        log.request(&facts(id), &outcome());
    }
    assert!(log.dropped() > 20_000, "{} dropped", log.dropped());
    log.flush(Duration::from_millis(30));
    drop(let_go);
}

#[test]
fn without_a_writer_nothing_happens() {
    let log = AccessLog::default();
    log.request(&facts(1), &outcome());
    log.flush(Duration::from_secs(1));
    assert_eq!(log.dropped(), 0);
}
