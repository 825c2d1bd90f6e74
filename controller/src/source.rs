//! Where objects come from.
//!
//! Owns reading and strict checking of objects as text holds them, the folder of manifests, and the
//! watches of a cluster. Never knows what an object means for the table.

pub mod cluster;
pub mod files;
pub mod manifest;
mod schema;
mod strict;
