//! What the chart may permit. A rule that is not listed here is refused, whatever the values.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::helm::{Object, everything, one, template};

const READ: &[&str] = &["get", "list", "watch"];
const STATUS: &[&str] = &["patch", "update"];

/// API group, resource, verbs.
type Permission = (&'static str, &'static str, &'static [&'static str]);

const IN_NAMESPACES: &[Permission] = &[
    ("", "services", READ),
    ("", "secrets", READ),
    ("", "configmaps", &["get"]),
    ("discovery.k8s.io", "endpointslices", READ),
    ("networking.k8s.io", "ingresses", READ),
    ("holdfast.dev", "websocketroutes", READ),
    ("gateway.networking.k8s.io", "referencegrants", READ),
    ("networking.k8s.io", "ingresses/status", STATUS),
    ("holdfast.dev", "websocketroutes/status", STATUS),
    ("events.k8s.io", "events", &["create", "patch"]),
];
const IN_THE_CLUSTER: &[Permission] = &[
    ("networking.k8s.io", "ingressclasses", READ),
    ("", "namespaces", READ),
];
const OWN: &[Permission] = &[
    (
        "coordination.k8s.io",
        "leases",
        &["get", "list", "watch", "create", "update", "patch", "delete"],
    ),
    ("", "services", READ),
];
const CLEANUP: &[Permission] = &[
    ("networking.k8s.io", "ingresses", &["list"]),
    ("holdfast.dev", "websocketroutes", &["list"]),
    ("networking.k8s.io", "ingresses/status", &["patch"]),
    ("holdfast.dev", "websocketroutes/status", &["patch"]),
];
/// Of one Secret, by its name.
const DEFAULT_CERTIFICATE: &[Permission] = &[("", "secrets", &["get"])];
const VIEW: &[Permission] = &[("holdfast.dev", "websocketroutes", READ)];
const EDIT: &[Permission] = &[(
    "holdfast.dev",
    "websocketroutes",
    &["create", "update", "patch", "delete", "deletecollection"],
)];

/// What a role of this kind and name may hold.
fn allowed(role: &Object) -> Result<Vec<Permission>> {
    let name = role.text_at("/metadata/name");
    let lists: &[&[Permission]] = match (role.kind(), name.rsplit_once('-')) {
        ("Role", Some((_, "own"))) => &[OWN],
        ("Role", Some((_, "certificate"))) => &[DEFAULT_CERTIFICATE],
        ("Role", None) => &[IN_NAMESPACES],
        ("ClusterRole", None) => &[IN_NAMESPACES, IN_THE_CLUSTER],
        ("ClusterRole" | "Role", Some((_, "cleanup"))) => &[CLEANUP],
        ("ClusterRole", Some((_, "view"))) => &[VIEW],
        ("ClusterRole", Some((_, "edit"))) => &[EDIT],
        _ => &[],
    };
    ensure!(!lists.is_empty(), "no list says what {} may hold", role.id());
    Ok(lists.concat())
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Every permission of a role as group, resource and verb.
fn permissions(role: &Object) -> Result<BTreeSet<(String, String, String)>> {
    let mut found = BTreeSet::new();
    for rule in role.value["rules"].as_array().context("no rules")? {
        for group in strings(&rule["apiGroups"]) {
            for resource in strings(&rule["resources"]) {
                for verb in strings(&rule["verbs"]) {
                    found.insert((group.to_owned(), resource.to_owned(), verb.to_owned()));
                }
            }
        }
    }
    ensure!(!found.is_empty(), "{} permits nothing", role.id());
    Ok(found)
}

#[test]
fn roles_hold_only_what_is_listed() -> Result<()> {
    let mut roles = 0;
    for (scenario, role) in everything()? {
        if !matches!(role.kind(), "Role" | "ClusterRole") {
            continue;
        }
        roles += 1;
        let allowed = allowed(&role)?;
        for (group, resource, verb) in permissions(&role)? {
            ensure!(
                allowed
                    .iter()
                    .any(|(g, r, verbs)| *g == group && *r == resource && verbs.contains(&verb.as_str())),
                "{scenario}: {} permits {verb} of {resource} in '{group}'",
                role.id()
            );
        }
    }
    ensure!(roles > 40, "only {roles} roles are rendered");
    Ok(())
}

#[test]
fn secrets_are_read_where_the_values_say() -> Result<()> {
    for (values, kinds) in [
        ("rbac.secrets=None", &[][..]),
        ("rbac.secrets=All", &["ClusterRole"]),
        (
            "rbac.secrets=All,rbac.scope=Namespaces,controller.watchNamespaces={a,b}",
            &["Role", "Role"],
        ),
        (
            "rbac.secrets=Namespaces,controller.watchNamespaces={a,b}",
            &["Role", "Role"],
        ),
    ] {
        let objects = template("default", &["--set", values])?;
        let mut readers = vec![];
        for object in &objects {
            if matches!(object.kind(), "Role" | "ClusterRole")
                && permissions(object)?
                    .iter()
                    .any(|(_, resource, _)| ["secrets", "configmaps"].contains(&resource.as_str()))
            {
                readers.push(object.kind());
            }
        }
        ensure!(readers == kinds, "{values}: {readers:?}, not {kinds:?}");
        let settings = one(&objects, "ConfigMap", "holdfast")?.text_at("/data/controller.yaml");
        let watches = format!("watch-secrets: {}", !kinds.is_empty());
        ensure!(settings.contains(&watches), "{values}: {settings}");
    }
    Ok(())
}

#[test]
fn a_team_reaches_only_its_namespaces() -> Result<()> {
    let objects = template("namespaces", &[])?;
    let role = one(&objects, "ClusterRole", "holdfast")?;
    for rule in role.value["rules"].as_array().context("no rules")? {
        let class = rule["resources"] == json!(["ingressclasses"]);
        let identity = rule["resources"] == json!(["services"])
            && rule["resourceNames"] == json!(["kubernetes"])
            && rule["verbs"] == json!(["get"]);
        ensure!(class || identity, "for a team, the ClusterRole permits {rule}");
    }
    let mut namespaces: Vec<_> = objects
        .iter()
        .filter(|object| object.kind() == "RoleBinding" && object.text_at("/metadata/name") == "holdfast")
        .map(|object| object.text_at("/metadata/namespace"))
        .collect();
    namespaces.sort_unstable();
    ensure!(namespaces == ["team-a", "team-b"], "{namespaces:?}");
    let bound = objects
        .iter()
        .filter(|object| object.kind() == "ClusterRoleBinding")
        .count();
    ensure!(bound == 1, "{bound} ClusterRoleBindings");
    Ok(())
}
