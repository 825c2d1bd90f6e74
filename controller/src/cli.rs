//! The `holdfast` command: what it understands and which part answers.
//!
//! Exit codes: 0 fine, 1 findings, 2 usage or failure. What a command prints for its caller goes to
//! stdout, everything else to stderr.

mod backend;
mod clear_status;
mod connect;
mod crds;
mod demo;
mod echo;
mod explain;
mod lint;
mod offline;
mod print;
mod routes;
mod serve;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What `holdfast --help` shows.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast",
    version,
    about = "Carries connections that stay open: serves the routes that a folder of Kubernetes objects describes",
    after_help = "Exit codes: 0 fine, 1 findings, 2 usage or failure"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a folder of manifests: starts the controller and the data plane and looks after them
    Serve(serve::Args),
    /// Test a WebSocket handshake: phases, both heads, ping time, an echoed message, close codes
    Connect(connect::Args),
    /// Echo WebSocket messages: a backend for first trials
    Echo(echo::Args),
    /// Say what is wrong with manifests, and what to write instead
    Lint(lint::Args),
    /// Show the route table that manifests make
    Routes(routes::Args),
    /// Say which rule takes a request, why the others do not, and what would happen
    Explain(explain::Args),
    /// Print the custom resource definitions
    #[command(subcommand)]
    Crds(crds::Action),
    /// Take back what the controller wrote into the statuses of a cluster, before or after it is removed
    ClearStatus(clear_status::Args),
    /// Print the version
    Version,
}

/// How a command ended, for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Nothing to complain about.
    Fine,
    /// It worked, and there is something to look at.
    Findings,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Findings => Self::from(1),
        }
    }
}

/// Runs the command that the arguments ask for.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("holdfast: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Connect(args) => block_on(connect::run(args)),
        Command::Echo(args) => block_on(echo::run(args)),
        Command::Lint(args) => lint::run(&args),
        Command::Routes(args) => routes::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::ClearStatus(args) => block_on(clear_status::run(args)),
        Command::Crds(action) => crds::run(&action),
        Command::Version => {
            println!("holdfast {}", env!("CARGO_PKG_VERSION"));
            Ok(Exit::Fine)
        }
    }
}

/// One thread: a child that asks to be told of its parent's death is told of its *thread's* death.
fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_takes_exactly_one_source() {
        for (arguments, fits) in [
            (&["serve"][..], false),
            (&["serve", "routes"], true),
            (&["serve", "--demo"], true),
            (&["serve", "--to", "localhost:3000"], true),
            (&["serve", "routes", "--demo"], false),
            (&["serve", "--demo", "--to", "localhost:3000"], false),
            (&["serve", "routes", "--http", "8080"], false),
            (&["serve", "routes", "--workers", "0"], false),
            (&["serve", "routes", "--drain-window", "5"], false),
        ] {
            let parsed = Cli::try_parse_from(["holdfast"].iter().chain(arguments));
            assert_eq!(parsed.is_ok(), fits, "{arguments:?}");
        }
    }
}
