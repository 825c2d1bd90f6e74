//! The Helm chart: what it renders for each set of values in `charts/holdfast/ci`, what it refuses, and what
//! must hold for everything it renders. Runs helm, and no cluster; `holdfast echo`, which `helm test` stands on,
//! is here too.

mod drift;
mod echo;
mod golden;
mod helm;
mod mistakes;
mod notes;
mod permissions;
mod pods;
mod settings;
