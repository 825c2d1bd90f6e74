//! A value of a Secret or of a ConfigMap. What its new content breaks is kept in its last good version, so that a slip
//! ends no TLS that works.

use std::fmt;
use std::sync::Arc;

/// Something that an object is there to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<T> {
    /// What it holds; `None` if its keys are missing.
    pub now: Option<Result<Arc<T>, Broken>>,
    /// What it held when it last could be used, if it can't be now.
    pub last_good: Option<Arc<T>>,
}

/// Why a value can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The key of the value.
    pub item: &'static str,
    /// What is wrong and what it must be, to go on from the name of the value. Shows nothing of it.
    pub why: String,
}

impl Broken {
    pub(super) fn new(item: &'static str, why: impl Into<String>) -> Self {
        Self {
            item,
            why: why.into(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' {}", self.item, self.why)
    }
}

impl<T> Held<T> {
    pub(super) fn new(now: Option<Result<T, Broken>>) -> Self {
        Self {
            now: now.map(|now| now.map(Arc::new)),
            last_good: None,
        }
    }

    /// What can be used of it: what it holds, or else what it held.
    pub fn usable(&self) -> Option<&Arc<T>> {
        let now = self.now.as_ref().and_then(|now| now.as_ref().ok());
        now.or(self.last_good.as_ref())
    }

    /// The value in the place of what was held `before`.
    pub(super) fn after(&mut self, before: &Self) {
        if !matches!(self.now, Some(Ok(_))) {
            self.last_good = before.usable().cloned();
        }
    }
}
