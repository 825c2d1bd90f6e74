//! A save with a broken document: everything else keeps serving, the message names file, line and remedy.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::chatter::{Chatter, Talk};
use e2e::clients::Offer;
use e2e::clients::tungstenite::Client;
use e2e::deadline::SOON;
use e2e::manifests::App;
use e2e::stack::Stack;

const TALK: Talk = Talk {
    pace: Duration::from_millis(100),
    padding: 0,
};

async fn serves(stack: &Stack, host: &str) -> Result<()> {
    let (mut client, _) = Client::connect(stack.http, host, "/", &Offer::default()).await?;
    ensure!(
        client.ask("hello").await? == "hello",
        "{host} answers something else"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typo_hurts_only_its_object_and_says_what_to_write() -> Result<()> {
    let echo = Echo::plain().await?;
    let (good, bad) = (App::new("good", &[echo.addr]), App::new("bad", &[echo.addr]));
    let stack = Stack::start(&[&good, &bad]).await?;
    let chatter = Chatter::start(stack.http, "bad.test", 20, TALK).await?;

    // `timeout:` for `timeouts:`, in the first document of the file, and on its last line.
    let route = bad.route_yaml() + "  timeout: {idle: 5m}\n";
    let line = route.lines().count().to_string();
    let services: String = bad.backends.iter().map(|backend| backend.yaml()).collect();
    stack.manifests.save("bad.yaml", &(route + &services))?;
    let message = stack
        .logs()
        .line_with(&["bad.yaml", "spec.timeout", "spec.timeouts"], SOON)
        .await?;
    ensure!(
        message.contains(&format!("bad.yaml:{line}")),
        "the line {line} is not in: {message}"
    );
    // The last good version of the object keeps serving, old sessions and new ones.
    serves(&stack, "bad.test").await?;
    serves(&stack, "good.test").await?;

    // Other objects take changes meanwhile.
    stack.apply(&App::new("late", &[echo.addr])).await?;
    serves(&stack, "late.test").await?;
    serves(&stack, "bad.test").await?;

    // Mended, it takes effect.
    stack.apply(&bad.clone().host("mended.test")).await?;
    serves(&stack, "mended.test").await?;
    drop(chatter);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_yaml_hurts_only_itself() -> Result<()> {
    let echo = Echo::plain().await?;
    let (good, bad) = (App::new("good", &[echo.addr]), App::new("bad", &[echo.addr]));
    let stack = Stack::start(&[&good, &bad]).await?;
    let chatter = Chatter::start(stack.http, "bad.test", 20, TALK).await?;
    // An editor saved in the middle of a thought, in place.
    let text = bad
        .yaml()
        .replacen("  hostnames: ['bad.test']", "  hostnames: ['bad.test'", 1);
    stack.manifests.overwrite("bad.yaml", &text)?;
    stack.logs().line_with(&["bad.yaml:"], SOON).await?;
    stack.apply(&App::new("late", &[echo.addr])).await?;
    for host in ["good.test", "bad.test", "late.test"] {
        serves(&stack, host).await?;
    }
    chatter.all_alive().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_file_at_the_start_does_not_keep_the_rest_from_serving() -> Result<()> {
    let echo = Echo::plain().await?;
    let manifests = e2e::manifests::Manifests::with(&[&App::new("good", &[echo.addr])])?;
    manifests.save(
        "broken.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: [}\n",
    )?;
    let stack = Stack::serve(manifests, &[]).await?;
    stack.logs().line_with(&["broken.yaml:3"], SOON).await?;
    serves(&stack, "good.test").await
}
