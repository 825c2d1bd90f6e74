//! The chart on a whole cluster: `make test-cluster`, not part of `make test`.
//!
//! One story, because an installation has one: installed, used, scaled, rolled, upgraded, removed. What every
//! session saw is asserted at each step.

mod release;
mod sessions;

use std::process::ExitCode;

use e2e::report;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let story = || -> Result<(), Failed> {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let (result, logs) = report::capture(|| runtime.block_on(sessions::story()));
        result.map_err(|error| Failed::from(format!("{logs}\n{error:#}")))
    };
    let trial = Trial::test("only_the_sessions_of_dying_pods_end", story);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}
