//! Paths of fields, spelled the same way by whoever reports and whoever locates.
//!
//! `spec.rules[0].http`, and `metadata.annotations[kubernetes.io/ingress.class]` for a key that
//! is not an identifier.

use std::fmt;

/// The path of a field within an object; the root is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(String);

impl FieldPath {
    /// The path `path`, as [`FieldPath`] would spell it.
    pub fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// The field or key `name` of this one.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_$".contains(&b));
        match (self.0.is_empty(), plain) {
            (_, false) => Self(format!("{}[{name}]", self.0)),
            (true, true) => Self(name.to_owned()),
            (false, true) => Self(format!("{}.{name}", self.0)),
        }
    }

    /// The element at `index` of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// As a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The field that holds this one; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let cut = if self.0.ends_with(']') {
            self.0.rfind('[')
        } else {
            self.0.rfind('.')
        };
        match cut {
            Some(end) => Some(Self(self.0[..end].to_owned())),
            None if self.0.is_empty() => None,
            None => Some(Self::default()),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_and_unwound() {
        let path = FieldPath::new("metadata")
            .field("annotations")
            .field("kubernetes.io/ingress.class");
        assert_eq!(path.as_str(), "metadata.annotations[kubernetes.io/ingress.class]");
        assert_eq!(path.parent(), Some(FieldPath::new("metadata.annotations")));
        assert_eq!(
            FieldPath::new("spec").field("rules").index(3).parent(),
            Some(FieldPath::new("spec.rules"))
        );
        assert_eq!(FieldPath::new("spec").parent(), Some(FieldPath::default()));
        assert_eq!(FieldPath::default().parent(), None);
    }
}
