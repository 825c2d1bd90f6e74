//! Runs helm on the chart and takes what it renders apart.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use e2e::binaries::workspace;
use serde_json::Value;

/// The oldest supported Kubernetes; what helm renders must not depend on the version of helm.
const KUBE_VERSION: &str = "1.33.0";

/// One object of what was rendered.
pub(crate) struct Object {
    /// As helm wrote it.
    pub(crate) text: String,
    /// As an API server would read it.
    pub(crate) value: Value,
}

impl Object {
    /// The string at a JSON pointer; empty if there is none.
    pub(crate) fn text_at(&self, pointer: &str) -> &str {
        self.value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Kind, namespace and name.
    pub(crate) fn id(&self) -> String {
        let namespace = self.text_at("/metadata/namespace");
        let name = self.text_at("/metadata/name");
        if namespace.is_empty() {
            format!("{} {name}", self.kind())
        } else {
            format!("{} {namespace}/{name}", self.kind())
        }
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> &str {
        self.text_at("/kind")
    }
}

/// The folder of the chart.
pub(crate) fn chart() -> PathBuf {
    workspace().join("charts/holdfast")
}

/// The sets of values, by name, in order.
pub(crate) fn scenarios() -> Result<Vec<String>> {
    let mut names = vec![];
    for entry in std::fs::read_dir(chart().join("ci"))? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let name = file.strip_suffix("-values.yaml");
        names.push(
            name.with_context(|| format!("ci/{file} must end in '-values.yaml'"))?
                .to_owned(),
        );
    }
    names.sort();
    ensure!(
        names.len() >= 12,
        "only {} sets of values: {names:?}",
        names.len()
    );
    Ok(names)
}

/// Runs helm: `$HELM`, that of `make kube-tools`, or that of the search path.
pub(crate) fn helm(arguments: &[&str]) -> Result<Output> {
    let own = workspace().join(".tools/kube/bin/helm");
    let program = match std::env::var_os("HELM") {
        Some(program) => PathBuf::from(program),
        None if own.exists() => own,
        None => PathBuf::from("helm"),
    };
    Command::new(&program)
        .args(arguments)
        // What a person has set up for helm must not show in the results.
        .env_remove("HELM_NAMESPACE")
        .env_remove("KUBECONFIG")
        .output()
        .with_context(|| {
            format!(
                "cannot run {}: run `make kube-tools`, which builds helm, or set HELM",
                program.display()
            )
        })
}

/// Renders the chart for one set of values and more arguments.
pub(crate) fn try_template(scenario: &str, more: &[&str]) -> Result<Output> {
    let chart = chart();
    let values = chart.join(format!("ci/{scenario}-values.yaml"));
    ensure!(values.exists(), "{} is missing", values.display());
    let (chart, values) = (chart.display().to_string(), values.display().to_string());
    let mut arguments = vec!["template", "holdfast", &chart, "--namespace", "ingress"];
    arguments.extend(["--kube-version", KUBE_VERSION, "--values", &values]);
    arguments.extend(more);
    helm(&arguments)
}

/// The objects that the chart renders for one set of values and more arguments.
pub(crate) fn template(scenario: &str, more: &[&str]) -> Result<Vec<Object>> {
    let output = try_template(scenario, more)?;
    if !output.status.success() {
        bail!("{scenario}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let mut objects = vec![];
    for document in format!("\n{text}").split("\n---\n") {
        let value: Value = serde_yaml::from_str(document)
            .with_context(|| format!("{scenario}: helm rendered what is not YAML:\n{document}"))?;
        if !value.is_null() {
            let text = format!("{}\n", document.trim());
            objects.push(Object { text, value });
        }
    }
    ensure!(!objects.is_empty(), "{scenario}: nothing is rendered");
    Ok(objects)
}

/// Every object of every set of values, with the name of the set.
pub(crate) fn everything() -> Result<Vec<(String, Object)>> {
    let mut all = vec![];
    for scenario in scenarios()? {
        let objects = template(&scenario, &[])?;
        all.extend(objects.into_iter().map(|object| (scenario.clone(), object)));
    }
    Ok(all)
}

/// The one object of a kind and name.
pub(crate) fn one<'a>(objects: &'a [Object], kind: &str, name: &str) -> Result<&'a Object> {
    let mut found = objects
        .iter()
        .filter(|object| object.kind() == kind && object.text_at("/metadata/name") == name);
    let object = found
        .next()
        .with_context(|| format!("no {kind} '{name}' is rendered"))?;
    ensure!(
        found.next().is_none(),
        "{kind} '{name}' is rendered more than once"
    );
    Ok(object)
}
