//! `holdfast routes`: the effective table, one row for each host and match.

use std::path::PathBuf;

use clap::ValueEnum;
use routetable::matching::host::normalize;
use routetable::{EndpointState, Route, RouteTable};
use serde::Serialize;

use super::Exit;
use super::offline::Offline;
use super::print::{print, table};
use super::words;

/// Arguments of `holdfast routes`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show only what serves this host
    host: Option<String>,
    /// Folder or file of manifests, or - for stdin
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    file: PathBuf,
    /// How to print
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        value_enum,
        default_value = "table"
    )]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
}

/// One host and match of a route.
#[derive(Debug, Serialize)]
struct Row {
    host: String,
    path: String,
    /// Conditions besides the path.
    conditions: Vec<String>,
    /// Serves only what no other route takes.
    fallback: bool,
    /// The object.
    source: String,
    rule: String,
    backends: Vec<Backend>,
}

#[derive(Debug, Serialize)]
struct Backend {
    service: String,
    port: String,
    weight: u32,
    /// Endpoints that take new sessions.
    ready: usize,
    endpoints: usize,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let offline = Offline::read(&args.file)?;
    offline.mention_problems(&args.file);
    let rows = rows(&offline.compiled.table, args.host.as_deref());
    match args.output {
        Output::Table => table(
            [
                "HOST",
                "PATH",
                "CONDITIONS",
                "SOURCE",
                "RULE",
                "BACKENDS (READY/ALL)",
            ],
            &rows.iter().map(Row::cells).collect::<Vec<_>>(),
        ),
        Output::Json => print(serde_json::to_string_pretty(&rows)?),
        Output::Yaml => print(crate::yaml::print(&rows)?.trim_end()),
    }
    match (&args.host, rows.is_empty()) {
        (Some(host), true) => {
            eprintln!("holdfast: no route serves '{host}'");
            Ok(Exit::Findings)
        }
        _ => Ok(Exit::Fine),
    }
}

/// By host, then in the order of the objects.
fn rows(table: &RouteTable, host: Option<&str>) -> Vec<Row> {
    let host = host.map(normalize);
    let mut routes: Vec<&Route> = table.routes.values().map(|route| &**route).collect();
    routes.sort_by_key(|route| (&route.source, route.order));
    let mut rows = Vec::new();
    for route in routes {
        for pattern in &route.hosts {
            if host.as_ref().is_some_and(|host| !pattern.covers(host)) {
                continue;
            }
            rows.extend(route.matches.iter().map(|of| Row {
                host: pattern.to_string(),
                path: words::path(&of.path),
                conditions: words::conditions(of),
                fallback: route.fallback,
                source: route.source.to_string(),
                rule: route.rule.clone(),
                backends: backends(table, route),
            }));
        }
    }
    rows.sort_by(|a, b| a.host.cmp(&b.host));
    rows
}

fn backends(table: &RouteTable, route: &Route) -> Vec<Backend> {
    let sets = route.backends.iter().filter_map(|backend| {
        let set = table.endpoint_sets.get(&backend.endpoint_set)?;
        let ready = set
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.state == EndpointState::Ready);
        Some(Backend {
            service: format!("{}/{}", set.namespace, set.service),
            port: set.port.clone(),
            weight: backend.weight,
            ready: ready.count(),
            endpoints: set.endpoints.len(),
        })
    });
    sets.collect()
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let backends: Vec<String> = self
            .backends
            .iter()
            .map(|backend| backend.cell(self.backends.len()))
            .collect();
        let path = if self.fallback {
            "(default backend)".to_owned()
        } else {
            self.path.clone()
        };
        [
            self.host.clone(),
            path,
            list(&self.conditions),
            self.source.clone(),
            self.rule.clone(),
            list(&backends),
        ]
    }
}

impl Backend {
    /// The weight matters only beside others.
    fn cell(&self, siblings: usize) -> String {
        let Self {
            service,
            port,
            weight,
            ready,
            endpoints,
        } = self;
        let weight = if siblings > 1 {
            format!(" weight {weight}")
        } else {
            String::new()
        };
        format!("{service}:{port}{weight} ({ready}/{endpoints})")
    }
}

fn list(parts: &[String]) -> String {
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
    }
}
