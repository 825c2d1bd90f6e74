//! The name of an object with its namespace, as settings write it.

use std::fmt;
use std::str::FromStr;

/// The name of an object with its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for FullName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(format!(
                "must be a namespace and a name such as 'holdfast/holdfast'; got '{text}'"
            )),
        }
    }
}
