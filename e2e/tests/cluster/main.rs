//! The product on a real API server: a file for each theme.
//!
//! A runner of its own, because every test here needs the network namespace that is made before the first
//! thread (see `e2e::cluster::network`).

mod addresses;
mod aliases;
mod annotations;
mod definition;
mod hostile;
mod ingress;
mod mistakes;
mod outage;
mod permissions;
mod replicas;
mod same_table;
mod setting;
mod tools;
mod vanished;

use std::process::ExitCode;

use e2e::cluster::trial;

fn main() -> ExitCode {
    let themes = [
        tools::trials,
        definition::trials,
        ingress::trials,
        mistakes::trials,
        annotations::trials,
        aliases::trials,
        permissions::trials,
        addresses::trials,
        same_table::trials,
        replicas::trials,
        hostile::trials,
        outage::trials,
        vanished::trials,
    ];
    match trial::run(|| themes.into_iter().flat_map(|trials| trials()).collect()) {
        Ok(conclusion) => conclusion.exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
