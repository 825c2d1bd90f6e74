//! The chat page: one file, nothing loaded from elsewhere.

/// The page as it is sent.
pub(super) const HTML: &str = include_str!("page.html");
