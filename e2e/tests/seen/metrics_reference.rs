//! The README names every metric that the two parts give out, with its type, and no other.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::admin::{Admin, Metrics};
use e2e::backends::Echo;
use e2e::backends::web::Web;
use e2e::binaries::{self, workspace};
use e2e::child::Child;
use e2e::clients::tungstenite::Client;
use e2e::clients::{Closing, Offer, http};
use e2e::deadline::{SOON, until_true};
use e2e::lone::Parts;
use e2e::manifests::{App, Manifests};
use e2e::stack::{CONTROLLER, address};
use tempfile::TempDir;

/// Statuses are written to a cluster only, and a family of the controller has no `# TYPE` before its first series.
const WITH_A_CLUSTER: &str = "holdfast_status_updates_total";

/// The name and the type of a metric family.
type Family = (String, String);

/// The rows of the table that begins with this word, in order.
fn reference(part: &str) -> Result<Vec<Family>> {
    let readme = fs::read_to_string(workspace().join("README.md"))?;
    let head = format!("| {part} | type | ");
    let mut rows = readme.lines().skip_while(|line| !line.starts_with(&head));
    rows.next().with_context(|| format!("no table '{head}'"))?;
    // Under the head is the line that makes it one.
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    let families = rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let (name, kind) = cells.next().zip(cells.next()).with_context(|| row.to_owned())?;
        anyhow::Ok((name.trim_matches('`').to_owned(), kind.to_owned()))
    });
    let mut families = families.collect::<Result<Vec<_>>>()?;
    families.sort();
    Ok(families)
}

/// The families of a scrape, in order. A counter's samples have a suffix that its `# TYPE` lacks.
fn scraped(metrics: &Metrics) -> Result<Vec<Family>> {
    let lines = metrics.0.lines();
    let families = lines.filter_map(|line| line.strip_prefix("# TYPE ")).map(|line| {
        let (name, kind) = line.split_once(' ').with_context(|| line.to_owned())?;
        let suffix = if kind == "counter" { "_total" } else { "" };
        anyhow::Ok((format!("{name}{suffix}"), kind.to_owned()))
    });
    let mut families = families.collect::<Result<Vec<_>>>()?;
    families.sort();
    Ok(families)
}

fn compare(scraped: &[Family], reference: &[Family]) -> Result<()> {
    let lacking = |these: &[Family], those: &[Family]| -> Vec<Family> {
        let missed = these.iter().filter(|family| !those.contains(family));
        missed.cloned().collect()
    };
    let (unnamed, gone) = (lacking(scraped, reference), lacking(reference, scraped));
    ensure!(
        unnamed.is_empty() && gone.is_empty(),
        "scraped, but not in the README: {unnamed:?}; in the README, but not scraped: {gone:?}"
    );
    // Beyond that, nothing stands twice.
    ensure!(
        scraped == reference,
        "scraped: {scraped:?}; in the README: {reference:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_names_the_metrics_of_the_data_plane() -> Result<()> {
    let (echo, web) = (Echo::plain().await?, Web::start().await?);
    let manifests = Manifests::with(&[&App::new("chat", &[echo.addr]), &App::new("web", &[web.addr])])?;
    let parts = Parts::start(manifests, 1, &[]).await?;
    let dataplane = &parts.dataplane;

    let answer = http::get(dataplane.http, "web.test", "/").await?;
    ensure!(answer.status == 200, "{answer:?}");
    let (mut client, _) = Client::connect(dataplane.http, "chat.test", "/", &Offer::default()).await?;
    client.ask("hello").await?;
    client.close(&Closing::new(1000, "")).await?;
    let closed = "holdfast_connections_closed_total";
    dataplane
        .admin
        .until_metric(closed, &[("backend", "chat")], SOON, |count| count == 1.0)
        .await?;

    // A family has its `# TYPE` also while it has no series, so those of rare events must be there, too.
    let scraped = scraped(&dataplane.admin.metrics().await?)?;
    compare(&scraped, &reference("data plane")?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_names_the_metrics_of_the_controller() -> Result<()> {
    let echo = Echo::plain().await?;
    let manifests = Manifests::with(&[&App::new("chat", &[echo.addr])])?;
    let run_dir = TempDir::with_prefix("holdfast-run-")?;
    let mut command = Command::new(binaries::find(CONTROLLER)?);
    command.arg("--files").arg(manifests.path());
    command.arg("--socket").arg(run_dir.path().join("holdfast.sock"));
    command.args(["--admin", "127.0.0.1:0"]);
    let controller = Child::start(command)?;
    let line = controller
        .logs
        .line_with(&["admin port", "address="], SOON)
        .await?;
    let admin = Admin {
        addr: address(&line, "address")?,
    };
    // From the first table on it counts routes.
    until_true("a table", SOON, || admin.ready()).await?;

    let mut reference = reference("controller")?;
    let all = reference.len();
    reference.retain(|(name, _)| name != WITH_A_CLUSTER);
    ensure!(reference.len() + 1 == all, "no {WITH_A_CLUSTER} in the README");
    compare(&scraped(&admin.metrics().await?)?, &reference)
}
