//! The table as the controller sent it: the base on which deltas apply.
//!
//! The controller knows it by its digest, so it keeps resources that cannot serve too.

use thiserror::Error;

use super::{Delta, Version};
use crate::canonical::{Digest, Tracked};
use crate::model::RouteTable;

/// Why a delta does not apply; either way a snapshot has to come.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Mismatch {
    /// It starts from another version than the one held.
    #[error("the delta starts from another version")]
    Base,
    /// Its result is not what was announced.
    #[error("the delta leads to another digest than it announced")]
    Digest,
}

/// A table with its version and digest.
#[derive(Clone, Debug, Default)]
pub struct Held {
    version: Option<Version>,
    table: Tracked,
}

impl Held {
    /// A table that came as a snapshot.
    pub fn new(table: Tracked, version: Version) -> Self {
        Self {
            version: Some(version),
            table,
        }
    }

    /// Its version; `None` before the first snapshot.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.table.digest()
    }

    /// The table.
    pub fn table(&self) -> &RouteTable {
        self.table.table()
    }

    /// The same content under a new version.
    pub fn rename(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Applies the whole delta or nothing of it. Costs what the delta holds, whatever the table's
    /// size.
    ///
    /// # Errors
    /// The delta does not fit; the table is as before.
    pub fn apply(&mut self, delta: &Delta) -> Result<(), Mismatch> {
        if self.version != Some(delta.base) {
            return Err(Mismatch::Base);
        }
        let undo = self.table.apply(&delta.ops);
        if self.table.digest() != delta.digest {
            self.table.apply(&undo);
            return Err(Mismatch::Digest);
        }
        self.version = Some(delta.next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    const V: fn(u64) -> Version = |number| Version { epoch: 9, number };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_delta_applies_as_a_whole_or_not_at_all(
            old in testing::tables(),
            new in testing::tables(),
            wrong in 1..u64::MAX,
        ) {
            let mut delta = Delta { base: V(1), next: V(2), ops: old.diff(&new), digest: new.digest() };
            let mut held = Held::new(old.clone().into(), V(1));
            delta.digest.0 ^= wrong;
            prop_assert_eq!(held.apply(&delta), Err(Mismatch::Digest));
            prop_assert_eq!((held.table(), held.version(), held.digest()), (&old, Some(V(1)), old.digest()));
            delta.digest.0 ^= wrong;
            prop_assert_eq!(held.apply(&delta), Ok(()));
            prop_assert_eq!((held.table(), held.version(), held.digest()), (&new, Some(V(2)), new.digest()));
            prop_assert_eq!(held.apply(&delta), Err(Mismatch::Base));
            prop_assert_eq!(Held::default().apply(&delta), Err(Mismatch::Base));
        }
    }
}
