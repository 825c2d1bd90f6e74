//! The one wall clock: for access records, `Date` fields and timestamps in metrics; no decision and
//! no measurement reads it.

use std::time::SystemTime;

/// Now, as calendars have it.
#[expect(
    clippy::disallowed_methods,
    reason = "a record's time must be comparable with those of other machines; no decision depends on it"
)]
pub fn now() -> SystemTime {
    SystemTime::now()
}
