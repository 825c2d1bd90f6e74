//! The chart's definitions are those that `holdfast crds print` prints, and reach the cluster unchanged.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::binaries;
use e2e::binaries::workspace;
use serde_json::Value;

use crate::helm::{one, template};

const NAME: &str = "websocketroutes.holdfast.dev";

#[test]
fn the_definitions_are_current() -> Result<()> {
    let output = Command::new(binaries::find("holdfast")?)
        .args(["crds", "print"])
        .output()?;
    ensure!(output.status.success(), "{:?}", output.status);
    let printed = String::from_utf8(output.stdout)?;
    for folder in ["crds", "charts/holdfast/files/crds"] {
        let path = workspace().join(folder).join(format!("{NAME}.yaml"));
        let kept = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(
            kept == printed,
            "{folder}/{NAME}.yaml is not current: run `make crds`"
        );
    }
    Ok(())
}

#[test]
fn only_labels_and_annotations_are_added() -> Result<()> {
    let file = workspace().join(format!("charts/holdfast/files/crds/{NAME}.yaml"));
    let kept: Value = serde_yaml::from_str(&std::fs::read_to_string(file)?)?;
    for (values, policy) in [("crds.keep=true", Some("keep")), ("crds.keep=false", None)] {
        let objects = template("default", &["--set", values])?;
        let rendered = one(&objects, "CustomResourceDefinition", NAME)?;
        ensure!(
            rendered.value["spec"] == kept["spec"],
            "{values}: another specification"
        );
        let kept_policy = &rendered.value["metadata"]["annotations"]["helm.sh/resource-policy"];
        ensure!(kept_policy.as_str() == policy, "{values}: {kept_policy}");
    }
    Ok(())
}
