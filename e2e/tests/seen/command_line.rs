//! Each subcommand of `holdfast`, once, and the exit codes that scripts rely on: 0 fine, 1 findings, 2 usage
//! or failure.

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use e2e::backends::Echo;
use e2e::binaries;
use e2e::manifests::{App, Manifests};
use e2e::stack::Stack;

async fn holdfast(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(binaries::find("holdfast")?);
    command.args(arguments);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn folder(manifests: &Manifests) -> String {
    manifests.path().display().to_string()
}

#[tokio::test]
async fn lint_says_what_serve_would_say() -> Result<()> {
    let echo = Echo::plain().await?;
    let app = App::new("app", &[echo.addr]);
    let manifests = Manifests::with(&[&app])?;
    let output = holdfast(&["lint", &folder(&manifests)]).await?;
    ensure!(
        output.status.code() == Some(0),
        "{:?}: {}",
        output.status,
        text(&output)
    );

    manifests.save("app.yaml", &(app.route_yaml() + "  timeout: {idle: 5m}\n"))?;
    let output = holdfast(&["lint", &folder(&manifests)]).await?;
    ensure!(
        output.status.code() == Some(1),
        "{:?}: {}",
        output.status,
        text(&output)
    );
    for part in ["app.yaml:", "spec.timeout", "spec.timeouts"] {
        ensure!(
            text(&output).contains(part),
            "'{part}' is not in: {}",
            text(&output)
        );
    }

    for arguments in [&["lint", "/nowhere/at/all"][..], &["lint"], &["lind"], &[]] {
        let output = holdfast(arguments).await?;
        ensure!(
            output.status.code() == Some(2),
            "{arguments:?} {:?}: {}",
            output.status,
            text(&output)
        );
    }
    Ok(())
}

#[tokio::test]
async fn routes_and_explain_tell_what_serves() -> Result<()> {
    let echo = Echo::plain().await?;
    let apps = [
        App::new("app", &[echo.addr]),
        App::new("deep", &[echo.addr]).host("app.test").path("/deep"),
    ];
    let manifests = Manifests::with(&apps.each_ref())?;
    let output = holdfast(&["routes", "-f", &folder(&manifests)]).await?;
    ensure!(output.status.success(), "{}", text(&output));
    for part in ["app.test", "/deep", "deep"] {
        ensure!(
            text(&output).contains(part),
            "'{part}' is not in: {}",
            text(&output)
        );
    }
    let output = holdfast(&["explain", "ws://app.test/deep/er", "-f", &folder(&manifests)]).await?;
    ensure!(output.status.success(), "{}", text(&output));
    for part in ["deep", "app", &echo.addr.to_string()] {
        ensure!(
            text(&output).contains(part),
            "'{part}' is not in: {}",
            text(&output)
        );
    }
    let output = holdfast(&["explain", "ws://nobody.test/", "-f", &folder(&manifests)]).await?;
    ensure!(text(&output).contains("NoRoute"), "{}", text(&output));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_tests_a_handshake() -> Result<()> {
    let echo = Echo::plain().await?;
    let stack = Stack::start(&[&App::new("app", &[echo.addr]).host("localhost")]).await?;
    let url = |path: &str| format!("ws://localhost:{}{path}", stack.http.port());
    let output = holdfast(&["connect", &url("/")]).await?;
    ensure!(
        output.status.code() == Some(0),
        "{:?}: {}",
        output.status,
        text(&output)
    );
    for part in ["101", "ping", "1000"] {
        ensure!(
            text(&output).contains(part),
            "'{part}' is not in: {}",
            text(&output)
        );
    }
    stack.manifests.remove("app.yaml")?;
    stack
        .until_reason("localhost", "/", |reason| reason == Some("NoRoute"))
        .await?;
    let output = holdfast(&["connect", &url("/")]).await?;
    ensure!(
        output.status.code() != Some(0),
        "{:?}: {}",
        output.status,
        text(&output)
    );
    ensure!(text(&output).contains("NoRoute"), "{}", text(&output));
    Ok(())
}

#[tokio::test]
async fn all_three_explain_themselves() -> Result<()> {
    for (name, flags) in [
        ("holdfast", &["serve", "lint", "routes", "explain", "connect"][..]),
        ("holdfast-controller", &["--files", "--socket"]),
        (
            "holdfast-dataplane",
            &["--http", "--admin", "--socket", "--workers", "--drain-window"],
        ),
    ] {
        let output = Command::new(binaries::find(name)?).arg("--help").output()?;
        ensure!(output.status.success(), "{name}: {}", text(&output));
        for flag in flags {
            ensure!(
                text(&output).contains(flag),
                "{name} --help lacks {flag}: {}",
                text(&output)
            );
        }
        let output = Command::new(binaries::find(name)?)
            .arg("--no-such-flag")
            .output()?;
        ensure!(output.status.code() == Some(2), "{name}: {:?}", output.status);
    }
    Ok(())
}
