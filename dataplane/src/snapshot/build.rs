//! Turns table changes into the next [`Snapshot`](super::Snapshot), sharing what did not change.
