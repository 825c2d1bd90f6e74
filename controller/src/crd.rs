//! Kinds that are not part of Kubernetes: our own API group, `holdfast.dev/v1alpha1`, and what is
//! read of Gateway API.
//!
//! Owns their Rust types. Never decides what they mean: `compile` does.

pub mod definition;
pub mod referencegrant;
pub mod status;
pub mod tls;
pub(crate) mod validation;
pub mod websocketroute;

/// The group of our kinds.
pub const GROUP: &str = "holdfast.dev";
/// The `apiVersion` of our kinds.
pub const API_VERSION: &str = "holdfast.dev/v1alpha1";
