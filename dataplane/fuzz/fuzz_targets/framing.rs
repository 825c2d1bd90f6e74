//! Any bytes: requests and answers have the same boundaries by the tracker and by the naive reading.
//! `cargo +nightly fuzz run framing` from `dataplane`.
#![no_main]

#[path = "../../tests/strict/compare.rs"]
mod compare;
#[path = "../../tests/strict/naive.rs"]
mod naive;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u16>, bool)| {
    let (bytes, cuts, head) = input;
    compare::requests_agree(&bytes, &cuts);
    compare::answers_agree(&bytes, &cuts, head);
});
