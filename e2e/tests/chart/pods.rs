//! What must hold for every pod that the chart starts, whatever the values: the Pod Security level 'restricted',
//! and the API token in no container but those that speak to the API.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::helm::{everything, one, template};

/// Containers that speak to the API.
const SPEAKERS: &[&str] = &["controller", "clear-status"];

/// Sets of values that ask for what 'restricted' forbids.
const ON_THE_HOST: &[&str] = &["host-network", "daemonset"];

/// The pods of all sets of values: where each comes from, and its specification.
fn pods() -> Result<Vec<(String, String, Value)>> {
    let mut pods = vec![];
    for (scenario, object) in everything()? {
        let pointer = match object.kind() {
            "Deployment" | "DaemonSet" | "Job" => "/spec/template/spec",
            "Pod" => "/spec",
            _ => continue,
        };
        let spec = object.value.pointer(pointer);
        let spec = spec.with_context(|| format!("{} has no pod", object.id()))?;
        pods.push((
            scenario.clone(),
            format!("{scenario}: {}", object.id()),
            spec.clone(),
        ));
    }
    ensure!(pods.len() > 24, "only {} pods are rendered", pods.len());
    Ok(pods)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "initContainers").iter().chain(list(pod, "containers"))
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

#[test]
fn every_container_is_restricted() -> Result<()> {
    for (scenario, place, pod) in pods()? {
        let on_the_host = ON_THE_HOST.contains(&scenario.as_str());
        for key in ["hostPID", "hostIPC"] {
            ensure!(pod[key].is_null(), "{place}: `{key}`");
        }
        ensure!(
            pod["hostNetwork"].is_null() || on_the_host,
            "{place}: `hostNetwork`"
        );
        for volume in list(&pod, "volumes") {
            let allowed = ["configMap", "emptyDir", "projected"];
            ensure!(
                allowed.iter().any(|kind| !volume[kind].is_null()),
                "{place}: {volume}"
            );
        }
        for container in containers(&pod) {
            let place = format!("{place}, container '{}'", name(container));
            let security = &container["securityContext"];
            for (key, must) in [
                ("allowPrivilegeEscalation", json!(false)),
                ("runAsNonRoot", json!(true)),
                ("capabilities", json!({"drop": ["ALL"]})),
                ("seccompProfile", json!({"type": "RuntimeDefault"})),
                ("privileged", Value::Null),
            ] {
                ensure!(
                    security[key] == must,
                    "{place}: `{key}` is {}, must be {must}",
                    security[key]
                );
            }
            for port in list(container, "ports") {
                ensure!(port["hostPort"].is_null() || on_the_host, "{place}: {port}");
            }
            // What users add themselves is theirs from here on.
            if scenario != "extras" || name(container) != "watcher" {
                ensure!(
                    security["readOnlyRootFilesystem"] == true,
                    "{place} can write to its image"
                );
                ensure!(security["runAsUser"] == 65532, "{place}: {security}");
                ensure!(
                    !container["resources"]["requests"].is_null(),
                    "{place} requests nothing"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn only_those_who_speak_to_the_api_hold_a_token() -> Result<()> {
    let mut holders = 0;
    for (_, place, pod) in pods()? {
        ensure!(
            pod["automountServiceAccountToken"] == false,
            "{place}: Kubernetes mounts a token into every container"
        );
        let tokens: Vec<_> = list(&pod, "volumes")
            .iter()
            .filter(|volume| {
                list(&volume["projected"], "sources")
                    .iter()
                    .any(|source| !source["serviceAccountToken"].is_null())
            })
            .map(name)
            .collect();
        for container in containers(&pod) {
            let holds = list(container, "volumeMounts").iter().any(|mount| {
                tokens.contains(&name(mount))
                    || mount["mountPath"]
                        .as_str()
                        .is_some_and(|path| path.starts_with("/var/run/secrets"))
            });
            let speaks = SPEAKERS.contains(&name(container));
            ensure!(
                holds == speaks,
                "{place}: does '{}' hold a token: {holds}; must it: {speaks}",
                name(container)
            );
            holders += usize::from(holds);
        }
    }
    ensure!(holders > 0, "no container holds a token");
    Ok(())
}

#[test]
fn the_controller_outlives_the_data_plane() -> Result<()> {
    for (value, sidecar) in [("auto", true), ("true", true), ("false", false)] {
        let objects = template(
            "default",
            &["--set", &format!("controller.nativeSidecar={value}")],
        )?;
        let pod = &one(&objects, "Deployment", "holdfast")?.value["spec"]["template"]["spec"];
        let (init, beside) = (list(pod, "initContainers"), list(pod, "containers"));
        let place = if sidecar { init } else { beside };
        let controller = place.iter().find(|container| name(container) == "controller");
        let controller = controller.with_context(|| format!("{value}: no controller there: {pod}"))?;
        ensure!(init.len() + beside.len() == 2, "{value}: {pod}");
        ensure!(
            (controller["restartPolicy"] == "Always") == sidecar,
            "{value}: {controller}"
        );
        // Told to end together with the data plane, it waits as long; as a sidecar it is told later.
        ensure!(
            controller["lifecycle"].is_null() == sidecar,
            "{value}: {controller}"
        );
        let dataplane = beside.iter().find(|container| name(container) == "dataplane");
        let dataplane = dataplane.context("no data plane")?;
        ensure!(
            dataplane["lifecycle"]["preStop"]["sleep"]["seconds"] == 10,
            "{dataplane}"
        );
    }
    Ok(())
}

#[test]
fn changed_settings_roll_the_pods_and_nothing_else_does() -> Result<()> {
    let checksum = |more: &[&str]| -> Result<Value> {
        let objects = template("default", more)?;
        let annotations =
            &one(&objects, "Deployment", "holdfast")?.value["spec"]["template"]["metadata"]["annotations"];
        ensure!(annotations["checksum/config"].is_string(), "{annotations}");
        Ok(annotations["checksum/config"].clone())
    };
    let default = checksum(&[])?;
    ensure!(checksum(&["--set", "service.type=NodePort"])? == default);
    ensure!(checksum(&["--set", "controller.logLevel=debug"])? != default);
    ensure!(checksum(&["--set", "drain.window=1m"])? != default);
    Ok(())
}
