//! What people read after an installation.

use anyhow::{Context, Result, ensure};

use crate::helm::{chart, helm};

fn notes(values: &[&str]) -> Result<String> {
    let chart = chart().display().to_string();
    let mut arguments = vec!["install", "holdfast", &chart, "--namespace", "ingress"];
    // No cluster is asked.
    arguments.push("--dry-run=client");
    arguments.extend(values.iter().flat_map(|value| ["--set", value]));
    let output = helm(&arguments)?;
    ensure!(
        output.status.success(),
        "{values:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let (_, notes) = text.split_once("\nNOTES:\n").context("no notes")?;
    Ok(notes.to_owned())
}

#[test]
fn they_hold_the_next_commands() -> Result<()> {
    let text = notes(&[])?;
    for part in [
        "kubectl get service holdfast -n ingress",
        "     ingressClassName: holdfast\n     hostnames: [chat.example.com]\n",
        "kubectl wait --for=condition=Ready websocketroute/chat",
        "helm test holdfast -n ingress",
    ] {
        ensure!(text.contains(part), "'{part}' is not in: {text}");
    }
    Ok(())
}

#[test]
fn they_warn_of_what_may_surprise() -> Result<()> {
    let default = notes(&[])?;
    for (value, warning) in [
        ("replicaCount=0", "- `replicaCount: 0` serves nothing."),
        ("replicaCount=1", "- One replica:"),
        (
            "ingressClass.name=team",
            "such as 'holdfast.dev/team'; it cannot be changed later.",
        ),
        ("hostNetwork=true", "- Two pods with the same host port"),
        ("hostNetwork=true", "- `hostNetwork` is refused"),
        (
            "controller.updateStatus=false",
            "- `controller.updateStatus` is false",
        ),
        ("service.enabled=false", "- Statuses hold no address"),
        (
            "ingressClass.enabled=false",
            "until an IngressClass 'holdfast' with",
        ),
        ("crds.enabled=false", "- `crds.enabled` is false"),
        (
            "autoscaling.enabled=true",
            "needs the metric holdfast_connections_active",
        ),
        ("rbac.create=false", "- 'helm uninstall' leaves addresses"),
    ] {
        ensure!(
            !default.contains(warning),
            "the defaults warn '{warning}': {default}"
        );
        let text = notes(&[value])?;
        ensure!(text.contains(warning), "{value}: '{warning}' is not in: {text}");
    }
    let silent = notes(&["service.type=ClusterIP"])?;
    ensure!(!silent.contains("Worth knowing"), "{silent}");
    ensure!(
        silent.contains("kubectl port-forward service/holdfast"),
        "{silent}"
    );
    Ok(())
}
