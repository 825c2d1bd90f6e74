//! The `Date` field, formatted at most once a second.

use std::cell::RefCell;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::wall_clock;

/// Remembers the current second's field value.
#[derive(Debug, Default)]
pub struct DateClock(RefCell<Option<(Instant, HeaderValue)>>);

impl DateClock {
    /// The field's value, up to a second old.
    pub fn value(&self) -> HeaderValue {
        let now = Instant::now();
        let mut cached = self.0.borrow_mut();
        if let Some((at, value)) = &*cached
            && now.duration_since(*at) < Duration::from_secs(1)
        {
            return value.clone();
        }
        let value = HeaderValue::try_from(httpdate::fmt_http_date(wall_clock::now()))
            .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        *cached = Some((now, value.clone()));
        value
    }
}
