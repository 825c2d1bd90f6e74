//! `holdfast-dataplane`: settings, then [`dataplane::app`], then an exit code.

use std::process::ExitCode;

use dataplane::app;
use dataplane::config::Settings;

/// Gives memory back after a wave of connections; the system's own keeps it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Usage or failure.
const FAILURE: u8 = 2;

fn main() -> ExitCode {
    let settings = match Settings::load(std::env::args_os()) {
        Ok(settings) => settings,
        Err(error) => {
            // Nobody may be reading; the exit code says it too.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAILURE));
        }
    };
    match app::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILURE)
        }
    }
}
