//! A corpus of messages that parsers have been known to disagree on, through a real worker: what reached a backend
//! that records every byte, and what the client got. The rows name where they come from.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test")]

mod answers;
#[path = "../strict/naive.rs"]
mod naive;
#[path = "../fixture/proxy.rs"]
mod proxy;
mod recorder;
mod requests;
mod scripted;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Workers that rows are shared among.
const LANES: usize = 4;

/// Runs every row in one of the lanes; reports all that fail.
fn run<R: Sync, L>(
    rows: &[R],
    lane: impl Fn() -> L + Sync,
    check: impl Fn(&mut L, &R) -> Result<(), String> + Sync,
) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let mut own = lane();
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(&mut own, row) {
                        failed
                            .lock()
                            .unwrap()
                            .push(why.chars().take(400).collect::<String>());
                        // What is left of the failure must not be the next row's.
                        own = lane();
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {} rows:\n{}",
        failed.len(),
        rows.len(),
        failed.join("\n")
    );
}

#[test]
fn requests_are_forwarded_in_one_reading_or_not_at_all() {
    run(&requests::rows(), requests::Lane::start, requests::Lane::check);
}

#[test]
fn answers_are_passed_on_in_one_reading_or_not_at_all() {
    run(&answers::rows(), answers::Lane::start, answers::Lane::check);
}

#[test]
fn the_corpus_is_large_and_says_nothing_twice() {
    let (requests, answers) = (requests::rows(), answers::rows());
    let rows = requests.len() + answers.len();
    println!("{} requests, {} answers", requests.len(), answers.len());
    assert!(rows >= 250, "{rows} rows");
    let names: BTreeSet<_> = requests
        .iter()
        .map(|row| &row.name)
        .chain(answers.iter().map(|row| &row.name))
        .collect();
    assert_eq!(names.len(), rows, "names");
    let mut bytes: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
    let sent = requests.iter().map(|row| (row.bytes(), row.name.as_str()));
    let said = answers.iter().map(|row| (row.bytes(), row.name.as_str()));
    for (row, name) in sent.chain(said) {
        let twin = bytes.insert(row, name);
        assert_eq!(twin, None, "the same as '{name}'");
    }
    assert!(
        requests.iter().all(|row| !row.source.is_empty()) && answers.iter().all(|row| !row.source.is_empty())
    );
}
