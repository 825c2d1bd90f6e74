//! h2spec (github.com/summerwind/h2spec) against a worker. It is no Rust program, so whoever has it names it in
//! `HOLDFAST_H2SPEC`; without, nothing is tested here.
#![allow(clippy::unwrap_used, reason = "test")]

#[path = "fixture/proxy.rs"]
mod proxy;
#[path = "fixture/raw.rs"]
mod raw;

use std::process::Command;

use dataplane::local::Limits;
use proxy::{Proxy, Rule};
use raw::Backend;

/// Cases that may fail: on a port of both protocols, an invalid preface is a request of HTTP/1.1, and is answered so.
const MAY_FAIL: usize = 1;

#[test]
fn h2spec_is_content() {
    let Some(h2spec) = std::env::var_os("HOLDFAST_H2SPEC") else {
        return println!("skipped: HOLDFAST_H2SPEC does not name an h2spec binary");
    };
    // More than a window, so that what is said about a stream in use meets one.
    let body = "hello there\n".repeat(10_000);
    let backend = Backend::canned(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let limits = Limits {
        h2c: true,
        ..Limits::default()
    };
    let proxy = Proxy::with_limits(&[Rule::new("/", &[backend.address]).any_host()], limits);
    let output = Command::new(h2spec)
        .args(["-S", "-o", "3", "-h", "127.0.0.1", "-p"])
        .arg(proxy.address.port().to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // '146 tests, 145 passed, 0 skipped, 1 failed'
    let sum = text
        .lines()
        .rev()
        .find(|line| line.contains(" passed,"))
        .unwrap_or(&text);
    let count = |what: &str| -> usize {
        let part = sum.split(", ").find(|part| part.ends_with(what)).unwrap();
        part.split(' ').next().unwrap().parse().unwrap()
    };
    println!("{text}");
    assert!(count("tests") >= 140, "{text}");
    assert!(count("failed") <= MAY_FAIL, "{text}");
}
