//! The one wall clock: records and timestamps for people; nothing is measured with it.

use std::time::SystemTime;

/// Now, as calendars have it.
#[expect(
    clippy::disallowed_methods,
    reason = "a record's time must be comparable with those of other machines; no decision depends on it"
)]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}
