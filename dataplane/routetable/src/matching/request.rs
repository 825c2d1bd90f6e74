//! A request in the form that matching works on.

use std::borrow::Cow;

use http::HeaderMap;

use super::{RequestView, host, path};

/// A request with its host and path normalised, once for all comparisons.
pub(crate) struct Request<'a> {
    pub(crate) host: Cow<'a, str>,
    pub(crate) path: Cow<'a, str>,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Request<'a> {
    pub(crate) fn new(view: &RequestView<'a>) -> Self {
        Self {
            host: host::normalize(view.host),
            path: path::normalize(view.path),
            query: view.query,
            headers: view.headers,
        }
    }

    /// The same request under another reading of its path.
    pub(crate) fn with_path<'b>(&'b self, path: &'b str) -> Request<'b> {
        Request {
            host: Cow::Borrowed(&self.host),
            path: Cow::Borrowed(path),
            query: self.query,
            headers: self.headers,
        }
    }
}
