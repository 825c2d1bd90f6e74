//! Our own API group, `holdfast.dev/v1alpha1`.
//!
//! Owns the Rust types of its kinds. Never decides what they mean: `compile` does.

pub mod websocketroute;

/// The group of our kinds.
pub const GROUP: &str = "holdfast.dev";
/// The `apiVersion` of our kinds.
pub const API_VERSION: &str = "holdfast.dev/v1alpha1";
