//! Mistakes in a WebSocketRoute: what `refusals.yaml` says of each is what is said without a
//! cluster. The API server's answers to the same table are held against it where one runs.

use anyhow::{Context, Result, ensure};
use controller::source::files;
use controller::yaml;
use serde_json::{Value, json};

#[test]
fn every_mistake_gets_its_sentence() -> Result<()> {
    let table = yaml::documents(include_str!("refusals.yaml"))
        .pop()
        .context("empty")??;
    let table = table.value.as_array().context("a list")?.clone();
    ensure!(table.len() > 30, "only {} mistakes", table.len());
    let mut wrong = Vec::new();
    for case in &table {
        let sentence = case["sentence"].as_str().context("sentence")?;
        let said = answers(&case["spec"])?;
        // One mistake, one answer.
        if said.len() != 1 || !said[0].contains(sentence) {
            wrong.push(format!(
                "{}: must say: {sentence}\n  says: {said:#?}",
                case["mistake"]
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_route_without_a_mistake_is_taken() -> Result<()> {
    let said = answers(&json!({}))?;
    ensure!(said.is_empty(), "{said:#?}");
    Ok(())
}

/// What is wrong with a route of which `fields` differ.
fn answers(fields: &Value) -> Result<Vec<String>> {
    let mut route = json!({
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "WebSocketRoute",
        "metadata": {"name": "chat"},
        "spec": {
            "hostnames": ["chat.example.com"],
            "rules": [{"backendRefs": [{"name": "chat", "port": 80}]}],
        },
    });
    for (name, value) in fields.as_object().context("fields")? {
        route["spec"][name] = value.clone();
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("route.yaml");
    std::fs::write(&file, yaml::print(&route)?)?;
    let findings = files::load(&file)?.findings;
    Ok(findings.iter().map(ToString::to_string).collect())
}
