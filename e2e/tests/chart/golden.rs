//! Each set of values renders what its file in `golden` says. The file of `default` is whole; the others hold
//! what differs from it. `UPDATE_GOLDEN=1` writes the files anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use e2e::binaries::workspace;

use crate::helm::{Object, chart, helm, scenarios, template};

const UPDATE: &str = "UPDATE_GOLDEN=1 cargo test -p e2e --test chart golden";

fn folder() -> PathBuf {
    workspace().join("e2e/tests/chart/golden")
}

/// What a person has to read of an object: not a checksum, nor the definition that is generated.
fn legible(object: &Object) -> String {
    let mut text = String::new();
    for line in object.text.lines() {
        if object.kind() == "CustomResourceDefinition" && line == "spec:" {
            return text + "spec: # as generated\n";
        }
        match line.split_once("checksum/config: ") {
            Some((indent, _)) => text += &format!("{indent}checksum/config: # of the settings\n"),
            None => text += &format!("{line}\n"),
        }
    }
    text
}

fn difference(objects: &[Object], default: &[Object]) -> String {
    let same = |object: &Object| {
        default
            .iter()
            .any(|other| other.id() == object.id() && legible(other) == legible(object))
    };
    let rendered: BTreeSet<_> = objects.iter().map(Object::id).collect();
    let mut text = String::new();
    for object in default {
        if !rendered.contains(&object.id()) {
            text += &format!("# not rendered: {}\n", object.id());
        }
    }
    for object in objects.iter().filter(|object| !same(object)) {
        text += &format!("---\n{}", legible(object));
    }
    text
}

#[test]
fn values_render_what_is_recorded() -> Result<()> {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let default = template("default", &[])?;
    let mut wrong = vec![];
    let mut expected_files = BTreeSet::new();
    for scenario in scenarios()? {
        let rendered = if scenario == "default" {
            difference(&default, &[])
        } else {
            difference(&template(&scenario, &[])?, &default)
        };
        let path = folder().join(format!("{scenario}.yaml"));
        expected_files.insert(path.clone());
        if update {
            fs::write(&path, rendered)?;
            continue;
        }
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        if recorded != rendered {
            let line = recorded.lines().zip(rendered.lines()).take_while(|(a, b)| a == b);
            let line = line.count();
            wrong.push(format!(
                "{scenario}, line {}: recorded '{}', rendered '{}'",
                line + 1,
                recorded.lines().nth(line).unwrap_or("(end)"),
                rendered.lines().nth(line).unwrap_or("(end)"),
            ));
        }
    }
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if !expected_files.contains(&path) {
            wrong.push(format!("{}: no set of values has this name", path.display()));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{}\nIf this is as it should be: {UPDATE}",
        wrong.join("\n")
    );
    Ok(())
}

#[test]
fn every_object_says_whose_it_is() -> Result<()> {
    let labels = [
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/component",
        "app.kubernetes.io/version",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/managed-by",
        "helm.sh/chart",
    ];
    for scenario in scenarios()? {
        let mut ids = BTreeSet::new();
        for object in template(&scenario, &[])? {
            ensure!(
                ids.insert(object.id()),
                "{scenario}: {} is rendered twice",
                object.id()
            );
            let extra = object.text.starts_with("# Source: holdfast/templates/extra.yaml");
            for label in labels.iter().filter(|_| !extra) {
                let pointer = format!("/metadata/labels/{}", label.replace('/', "~1"));
                ensure!(
                    !object.text_at(&pointer).is_empty(),
                    "{scenario}: {} has no label {label}",
                    object.id()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn helm_has_no_complaint() -> Result<()> {
    let chart = chart();
    for scenario in scenarios()? {
        let values = chart.join(format!("ci/{scenario}-values.yaml"));
        let (chart, values) = (chart.display().to_string(), values.display().to_string());
        let output = helm(&["lint", "--strict", &chart, "--values", &values])?;
        ensure!(
            output.status.success(),
            "{scenario}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
