//! The control side of Holdfast: Kubernetes objects in, a route table out, and the command people type.

pub mod app;
pub mod cli;
pub mod compile;
pub mod config;
pub mod crd;
mod did_you_mean;
pub mod publish;
pub mod source;
pub mod world;
pub mod yaml;
