//! Which matches mean the same.

use crate::model::RouteMatch;

/// A match with its conditions in one order. Two matches with equal keys take the same requests,
/// so under one host only the one of higher precedence ever wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchKey(RouteMatch);

impl RouteMatch {
    /// The key that finds matches which can't both win, whatever the order of their conditions.
    pub fn canonical_key(&self) -> MatchKey {
        let mut key = self.clone();
        for header in &mut key.headers {
            header.name.make_ascii_lowercase();
        }
        for list in [&mut key.headers, &mut key.query_params, &mut key.cookies] {
            list.sort();
            list.dedup();
        }
        key.subprotocols.sort();
        key.subprotocols.dedup();
        MatchKey(key)
    }
}
