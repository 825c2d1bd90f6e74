//! Values that mean nothing or contradict each other are refused, with what to write instead.

use anyhow::{Result, ensure};

use crate::helm::{one, template, try_template};

/// Renders the defaults with more arguments, which must fail, and returns the complaint.
fn complaint(more: &[&str]) -> Result<String> {
    let output = try_template("default", more)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{more:?} is accepted");
    Ok(text)
}

#[test]
fn slips_of_the_pen_are_refused() -> Result<()> {
    for (slip, named) in [
        ("replicaCout=3", "replicaCout"),
        ("controller.loglevel=debug", "loglevel"),
        ("dataplane.settings.max-connection=1", "max-connection"),
        ("drain.deadlin=1m", "deadlin"),
        ("service.port=80", "port"),
        ("controller.logLevel=loud", "logLevel"),
        ("drain.window=240", "window"),
        ("rbac.secrets=Some", "secrets"),
        ("kind=StatefulSet", "kind"),
        ("dataplane.ports.http=80", "http"),
        ("admissionPolicy.action=warn", "action"),
        ("controller.nativeSidecar=yes", "nativeSidecar"),
        ("image.digest=sha256:1", "digest"),
    ] {
        let text = complaint(&["--set", slip])?;
        ensure!(text.contains(named), "{slip}: '{named}' is not in: {text}");
        ensure!(
            text.contains("schema"),
            "{slip}: refused, but not by the schema: {text}"
        );
    }
    Ok(())
}

#[test]
fn contradictions_are_refused_with_the_remedy() -> Result<()> {
    for (values, says) in [
        (
            &["terminationGracePeriodSeconds=60"][..],
            "`terminationGracePeriodSeconds` (60) must be at least 330: `drain.preStopDelay` (10s) + `drain.deadline` (5m) + 20 s",
        ),
        (
            &["drain.window=6m"],
            "`drain.window` (6m) must not be longer than `drain.deadline` (5m)",
        ),
        (
            &["dataplane.proxyProtocol=true"],
            "`dataplane.proxyProtocol` needs `dataplane.trustedProxies`",
        ),
        (
            &["rbac.scope=Namespaces"],
            "`rbac.scope: Namespaces` needs `controller.watchNamespaces`",
        ),
        (
            &["rbac.secrets=Namespaces"],
            "`rbac.secrets: Namespaces` needs `controller.watchNamespaces`",
        ),
        (
            &[
                "controller.watchNamespaces={a}",
                "controller.watchNamespaceSelector=b=c",
            ],
            "`controller.watchNamespaceSelector` must not stand beside `controller.watchNamespaces`",
        ),
        (
            &["kind=DaemonSet", "autoscaling.enabled=true"],
            "`autoscaling.enabled` must be false with `kind: DaemonSet`",
        ),
        (
            &["autoscaling.enabled=true", "autoscaling.minReplicas=11"],
            "`autoscaling.minReplicas` (11) must not be greater than `autoscaling.maxReplicas` (10)",
        ),
        (
            &["autoscaling.enabled=true", "autoscaling.targetConnections=null"],
            "`autoscaling` needs a metric",
        ),
    ] {
        let arguments: Vec<_> = values.iter().flat_map(|value| ["--set", value]).collect();
        let text = complaint(&arguments)?;
        ensure!(text.contains(says), "{values:?}: '{says}' is not in: {text}");
    }
    Ok(())
}

#[test]
fn an_older_kubernetes_is_refused() -> Result<()> {
    let text = complaint(&["--kube-version", "1.32.9"])?;
    ensure!(text.contains("1.33"), "{text}");
    Ok(())
}

#[test]
fn the_grace_period_covers_the_drain() -> Result<()> {
    for (values, seconds) in [
        (&[][..], 330),
        (&["drain.deadline=1h30m", "drain.window=1h"], 5430),
        (&["drain.preStopDelay=1500ms"], 322),
        (&["drain.preStopDelay=0s"], 320),
        (&["drain.deadline=08m"], 510),
        (&["terminationGracePeriodSeconds=330"], 330),
        (&["terminationGracePeriodSeconds=1000"], 1000),
    ] {
        let arguments: Vec<_> = values.iter().flat_map(|value| ["--set", value]).collect();
        let objects = template("default", &arguments)?;
        let workload = one(&objects, "Deployment", "holdfast")?;
        let grace = &workload.value["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
        ensure!(*grace == seconds, "{values:?}: {grace}, not {seconds}");
    }
    Ok(())
}
