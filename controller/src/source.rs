//! Where objects come from.
//!
//! Owns reading and strict checking of objects as text holds them, and the folder of manifests.
//! Never knows what an object means for the table.

pub mod files;
pub mod manifest;
mod schema;
mod strict;
