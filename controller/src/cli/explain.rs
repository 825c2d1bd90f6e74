//! `holdfast explain`: which rule takes a request, why the others do not, and what would happen.
//!
//! The judgement is [`routetable::matching::explain`]'s, the one that the data plane's index is
//! tested against; here it is only asked and printed.

mod forecast;
mod question;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use routetable::Route;
use routetable::matching::{Outcome, Verdict, explain};

use self::forecast::forecast;
use self::question::Question;
use super::Exit;
use super::offline::Offline;
use super::print::{print, table};
use super::words;
use crate::compile::timeouts;

/// Arguments of `holdfast explain`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the request reaches an endpoint, 1 it would be refused, 2 usage or failure"
)]
pub(super) struct Args {
    /// What a client would open, such as wss://chat.example.com/ws; https:// asks about a plain request
    url: String,
    /// Folder or file of manifests, or - for stdin
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    file: PathBuf,
    /// Header field of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Subprotocol that the client offers; may be repeated
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let question = Question::new(&args.url, &args.header, &args.subprotocol)?;
    let offline = Offline::read(&args.file)?;
    offline.mention_problems(&args.file);
    let routes = offline.compiled.table.routes.values().map(|route| &**route);
    let verdicts = explain(routes, &question.view());
    let winner = verdicts.iter().find(|verdict| verdict.outcome == Outcome::Wins);

    print(&question);
    let rows: Vec<[String; 4]> = verdicts.iter().map(row).collect();
    if !rows.is_empty() {
        print("");
        table(["RULE", "HOST", "MATCH", "VERDICT"], &rows);
    }
    print("");
    if let Some(Verdict { route, .. }) = winner {
        print_timeouts(&offline, route);
        for line in tls::lines(&offline.compiled.table, question.host(), route) {
            print(line);
        }
    }
    let forecast = forecast(
        &offline.compiled.table,
        winner.map(|verdict| verdict.route),
        &question,
    );
    for line in &forecast.endpoints {
        print(line);
    }
    print(format_args!("answer: {}", forecast.answer));
    Ok(if forecast.refused {
        Exit::Findings
    } else {
        Exit::Fine
    })
}

fn row(verdict: &Verdict<'_>) -> [String; 4] {
    let Verdict {
        route,
        host,
        matched,
        outcome,
        ..
    } = verdict;
    let mut conditions = vec![words::path(&matched.path)];
    conditions.extend(words::conditions(matched));
    [
        format!("{} {}", route.source, route.rule),
        host.to_string(),
        if route.fallback {
            "default backend".to_owned()
        } else {
            conditions.join(", ")
        },
        outcome.to_string(),
    ]
}

/// The effective limits, and who set each.
fn print_timeouts(offline: &Offline, route: &Route) {
    let set = forecast::timeouts_set(&offline.loaded.world, route);
    let limits = [
        ("connect", Some(route.timeouts.connect)),
        ("handshake", Some(route.timeouts.handshake)),
        ("idle", route.timeouts.idle),
        ("maxDuration", route.timeouts.max_duration),
    ];
    for (name, limit) in limits {
        let value = limit.map_or_else(|| "off".to_owned(), written);
        let origin = if set.contains(&name) {
            route.source.to_string()
        } else {
            "built-in".to_owned()
        };
        print(format_args!("timeout {name}: {value} ({origin})"));
    }
}

/// A duration as a manifest would write it.
fn written(duration: Duration) -> String {
    timeouts::display(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
