//! The control side of Holdfast: Kubernetes objects in, a route table out, and the command people type.

pub mod cli;
pub mod compile;
pub mod crd;
pub mod source;
pub mod world;
pub mod yaml;
