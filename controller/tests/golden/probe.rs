//! Requests against a compiled table.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use controller::yaml;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use routetable::matching::{Index, RequestView};
use routetable::{Route, RouteTable};
use serde::Deserialize;

/// One request and who must take it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Probe {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// `KIND NAMESPACE/NAME RULE`, or `none`.
    route: String,
    /// `NAMESPACE/SERVICE:PORT` of each backend; not looked at if absent.
    backends: Option<Vec<String>>,
}

pub(crate) fn check(text: &str, table: &RouteTable) -> Result<()> {
    let mut index: Index<Arc<Route>> = Index::default();
    for route in table.routes.values() {
        index
            .insert(Arc::clone(route), Arc::clone(route))
            .context("a compiled route can't be indexed")?;
    }
    let document = yaml::documents(text).pop().context("probes.yaml is empty")??;
    let probes: Vec<Probe> = serde_json::from_value(document.value)?;
    let wrong: Vec<String> = probes
        .iter()
        .filter_map(|probe| wrong(probe, &index, table).transpose())
        .collect::<Result<_>>()?;
    if !wrong.is_empty() {
        bail!("probes.yaml:\n{}", wrong.join("\n"));
    }
    Ok(())
}

fn wrong(probe: &Probe, index: &Index<Arc<Route>>, table: &RouteTable) -> Result<Option<String>> {
    let uri: Uri = probe.url.parse()?;
    let mut headers = HeaderMap::new();
    for (name, value) in &probe.headers {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let request = RequestView {
        host: uri.host().context("a probe needs a host")?,
        path: uri.path(),
        query: uri.query(),
        headers: &headers,
    };
    let found = index.find(&request);
    let route = found.map_or("none".to_owned(), |route| {
        format!("{} {}", route.source, route.rule)
    });
    if route != probe.route {
        return Ok(Some(format!(
            "{}: goes to '{route}', must go to '{}'",
            probe.url, probe.route
        )));
    }
    let (Some(expected), Some(found)) = (&probe.backends, found) else {
        return Ok(None);
    };
    let sets = found
        .backends
        .iter()
        .filter_map(|backend| table.endpoint_sets.get(&backend.endpoint_set));
    let backends: Vec<String> = sets
        .map(|set| format!("{}/{}:{}", set.namespace, set.service, set.port))
        .collect();
    Ok((backends != *expected)
        .then(|| format!("{}: has backends {backends:?}, must have {expected:?}", probe.url)))
}
