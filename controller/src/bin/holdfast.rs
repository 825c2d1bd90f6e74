//! `holdfast`, the command people type. Everything it does is in [`controller::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    controller::cli::main()
}
