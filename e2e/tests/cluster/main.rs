//! The product on a real API server: a file for each theme.
//!
//! A runner of its own, because every test here needs the network namespace that is made before the first
//! thread (see `e2e::cluster::network`).

mod tools;

use std::process::ExitCode;

use e2e::cluster::trial;

fn main() -> ExitCode {
    match trial::run(|| [tools::trials()].into_iter().flatten().collect()) {
        Ok(conclusion) => conclusion.exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
