//! What following frames costs: nanoseconds a frame. Aim: at most 10.
//!
//! `cargo bench -p dataplane --bench frame`; divan's time is per frame (each iteration feeds one
//! read of 64 KiB, counted as its frames).

use dataplane::session::frame::{FrameTracker, Halt, Stop};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

/// One read of the tunnel table.
const READ: usize = 64 * 1024;

fn main() {
    divan::main();
}

/// As many whole binary frames of a client as fit in a read; returns their number too.
fn frames(payload: usize) -> (Vec<u8>, usize) {
    let mut frame = vec![0x82];
    if payload <= 125 {
        frame.push(0x80 | payload as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend((payload as u16).to_be_bytes());
    }
    frame.extend([1, 2, 3, 4]);
    frame.extend(vec![7; payload]);
    let count = READ / frame.len();
    (frame.repeat(count), count)
}

/// A full read of small frames.
#[divan::bench(args = [16, 64, 1024])]
fn full_read(bencher: Bencher, payload: usize) {
    let (bytes, count) = frames(payload);
    let mut tracker = FrameTracker::new(true, false);
    bencher
        .counter(ItemsCount::new(count))
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| {
            let fed = tracker.feed(divan::black_box(&bytes), Stop::Never);
            assert_eq!(fed.halt, Halt::Drained);
        });
}

/// A read that holds a single frame, as an echo sends them.
#[divan::bench(args = [16, 64, 1024])]
fn single_frame(bencher: Bencher, payload: usize) {
    let (bytes, count) = frames(payload);
    let one = &bytes[..bytes.len() / count];
    let mut tracker = FrameTracker::new(true, false);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        let fed = tracker.feed(divan::black_box(one), Stop::Never);
        assert_eq!(fed.halt, Halt::Drained);
    });
}

/// A read in the middle of a large frame.
#[divan::bench]
fn inside_a_large_frame(bencher: Bencher) {
    let bytes = vec![7; READ];
    let mut tracker = FrameTracker::new(true, false);
    let header = [0x82, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(tracker.feed(&header, Stop::Never).consumed, header.len());
    bencher.bench_local(|| tracker.feed(divan::black_box(&bytes), Stop::Never));
}
