//! What the runner runs: a test with a subnet and a runtime of its own, whose logs are shown if it fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use tokio::runtime::Builder;

use super::network::{self, Subnet};
use crate::report;

/// Tests at a time: each has an API server, which takes 350 MB.
const AT_A_TIME: usize = 2;

/// A test of that name.
pub fn trial<T, F>(name: &str, test: T) -> Trial
where
    T: FnOnce(Subnet) -> F + Send + 'static,
    F: Future<Output = Result<()>>,
{
    Trial::test(name, move || {
        let work = || -> Result<()> {
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(test(Subnet::next()?))
        };
        let (result, logs) = report::capture(|| catch_unwind(AssertUnwindSafe(work)));
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failed::from(format!("{logs}\n{error:#}"))),
            Err(_) => Err(Failed::from(format!("{logs}\nit panicked, see above"))),
        }
    })
}

/// Runs the tests in a network of their own, as the arguments of this process say.
///
/// # Errors
/// When there can be no such network.
pub fn run(trials: impl FnOnce() -> Vec<Trial>) -> Result<Conclusion> {
    let mut arguments = Arguments::from_args();
    // A list needs no network.
    if !arguments.list {
        network::enter()?;
    }
    let threads = arguments.test_threads.unwrap_or(AT_A_TIME);
    arguments.test_threads = Some(threads.min(AT_A_TIME));
    Ok(libtest_mimic::run(&arguments, trials()))
}
