//! The control side of Holdfast: Kubernetes objects in, a route table out, and the command people type.

pub mod admin;
pub mod app;
pub mod cli;
pub mod compile;
pub mod config;
pub mod crd;
mod did_you_mean;
pub mod metrics;
mod moment;
pub mod publish;
pub mod source;
pub mod status;
pub mod world;
pub mod yaml;
