//! The settings that the chart writes are settings that the binaries have.

use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::binaries;
use e2e::binaries::workspace;
use serde_json::Value;

use crate::helm::{one, scenarios, template};

/// The names of a binary's flags.
fn flags(binary: &str) -> Result<Vec<String>> {
    let output = Command::new(binaries::find(binary)?).arg("--help").output()?;
    ensure!(output.status.success(), "{binary} --help: {:?}", output.status);
    let words = String::from_utf8(output.stdout)?;
    let flags = words
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"));
    Ok(flags
        .map(|flag| {
            flag.trim_end_matches(|c: char| !c.is_alphanumeric())
                .split(['=', '['])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect())
}

/// The keys of a map that this chart's schema knows in `settings` of a part.
fn schema_keys(part: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(workspace().join("charts/holdfast/values.schema.json"))?;
    let schema: Value = serde_json::from_str(&text)?;
    let keys = schema.pointer(&format!("/properties/{part}/properties/settings/properties"));
    let keys = keys
        .and_then(Value::as_object)
        .with_context(|| format!("no settings of {part}"))?;
    Ok(keys.keys().cloned().collect())
}

fn are_known(binary: &str, part: &str) -> Result<()> {
    let flags = flags(binary)?;
    let mut keys = schema_keys(part)?;
    for scenario in scenarios()? {
        let objects = template(&scenario, &[])?;
        let map = objects
            .iter()
            .find(|object| {
                object.kind() == "ConfigMap" && object.value["data"][format!("{part}.yaml")].is_string()
            })
            .with_context(|| format!("{scenario}: no {part}.yaml"))?;
        let file: Value = serde_yaml::from_str(map.text_at(&format!("/data/{part}.yaml")))?;
        let file = file.as_object().context("not a map")?;
        keys.extend(file.keys().cloned());
    }
    for key in keys {
        ensure!(flags.contains(&key), "{binary} has no setting `{key}`");
    }
    Ok(())
}

#[test]
fn the_data_plane_knows_its_settings() -> Result<()> {
    are_known("holdfast-dataplane", "dataplane")
}

#[test]
fn the_controller_knows_its_settings() -> Result<()> {
    are_known("holdfast-controller", "controller")
}

/// Its values are understood too: the one flag behind the file is wrong, and is all there is to complain about.
#[test]
fn the_data_plane_takes_the_values() -> Result<()> {
    for scenario in scenarios()? {
        let objects = template(&scenario, &["--set", "fullnameOverride=holdfast"])?;
        let text = one(&objects, "ConfigMap", "holdfast")?.text_at("/data/dataplane.yaml");
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        let output = Command::new(binaries::find("holdfast-dataplane")?)
            .arg("--config")
            .arg(file.path())
            .args(["--drain-window", "2h", "--drain-deadline", "1h"])
            .output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            complaint.contains("`drain-window` (2h) must not be longer"),
            "{scenario}: {complaint}"
        );
    }
    Ok(())
}

#[test]
fn redirects_lead_to_the_port_that_clients_know() -> Result<()> {
    for (values, port) in [
        ("service.ports.https=8443", 8443),
        (
            "service.enabled=false,dataplane.hostPort.enabled=true,dataplane.hostPort.https=9443",
            9443,
        ),
        (
            "service.enabled=false,hostNetwork=true,dataplane.ports.https=7443",
            7443,
        ),
        ("service.enabled=false", 443),
    ] {
        let objects = template("default", &["--set", values])?;
        let text = one(&objects, "ConfigMap", "holdfast")?.text_at("/data/dataplane.yaml");
        let wanted = format!("redirect-port: {port}\n");
        ensure!(text.contains(&wanted), "{values}: {text}");
    }
    Ok(())
}
