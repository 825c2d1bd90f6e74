//! What only a cluster brings into a world.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use controller::world::{Kind, ObjectKey, World};
use controller::yaml;
use routetable::EndpointState;
use serde::de::DeserializeOwned;

/// Adds the addresses of hosts (`external-names.yaml`) and the objects that could not be decoded
/// (`unreadable.yaml`).
pub(crate) fn add(world: &mut World, case: &Path) -> Result<()> {
    let hosts: BTreeMap<String, Vec<IpAddr>> = read(&case.join("external-names.yaml"))?;
    for (host, addresses) in hosts {
        let ready = addresses.into_iter().map(|ip| (ip, EndpointState::Ready));
        world.resolved.insert(host, ready.collect());
    }
    let unreadable: BTreeMap<String, String> = read(&case.join("unreadable.yaml"))?;
    for (object, why) in unreadable {
        world.unreadable.insert(key(&object)?, why);
    }
    Ok(())
}

fn read<T: DeserializeOwned + Default>(file: &Path) -> Result<T> {
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(T::default());
    };
    let document = yaml::documents(&text).pop().context("empty")??;
    Ok(serde_json::from_value(document.value)?)
}

/// `KIND NAMESPACE/NAME`.
fn key(text: &str) -> Result<ObjectKey> {
    let (kind, name) = text.split_once(' ').context("KIND NAMESPACE/NAME")?;
    let (namespace, name) = name.split_once('/').context("NAMESPACE/NAME")?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    Ok(ObjectKey {
        kind: kind.context("unknown kind")?,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
