//! `/connections`: a bounded page of live sessions.

use routetable::RouteId;
use serde_json::{Value, json};

use super::View;
use crate::snapshot::Snapshot;
use crate::tunnel::{Filter, PAGE_MAX, SessionInfo};

/// Sessions on a page unless asked otherwise.
const PAGE: usize = 100;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    route: Option<String>,
    after: Option<u64>,
    limit: usize,
}

impl Query {
    /// Reads `route=NAMESPACE/NAME[/RULE]&limit=N&after=ID`, each of them optional.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self {
            route: None,
            after: None,
            limit: PAGE,
        };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                // Names are DNS labels: nothing but the slash can be escaped.
                "route" => query.route = Some(value.replace("%2F", "/").replace("%2f", "/")),
                "limit" => match value.parse() {
                    Ok(limit @ 1..=PAGE_MAX) => query.limit = limit,
                    _ => return Err(format!("`limit` must be between 1 and {PAGE_MAX}")),
                },
                "after" => match value.parse() {
                    Ok(after) => query.after = Some(after),
                    Err(_) => return Err("`after` must be the id of a session, such as '42'".into()),
                },
                _ => {
                    return Err(format!(
                        "unknown parameter `{name}`; there are `route`, `limit`, `after`"
                    ));
                }
            }
        }
        Ok(query)
    }
}

/// The page; `Err` says what to ask instead.
pub(super) async fn page(view: &View, query: &Query) -> Result<Value, String> {
    let filters = match &query.route {
        None => vec![Filter::All],
        Some(name) => {
            let routes = named(&view.snapshot.load(), name);
            if routes.is_empty() {
                return Err(format!(
                    "`route` must be NAMESPACE/NAME or NAMESPACE/NAME/RULE of a route that serves; '{name}' does not"
                ));
            }
            routes.into_iter().map(Filter::Route).collect()
        }
    };
    let mut sessions = Vec::new();
    for filter in filters {
        sessions.extend(view.fleet.list(query.after, query.limit, filter).await);
    }
    sessions.sort_unstable_by_key(|session| session.id);
    sessions.truncate(query.limit);
    let next = (sessions.len() == query.limit).then(|| sessions.last().map(|session| session.id));
    let snapshot = view.snapshot.load();
    Ok(json!({
        "connections": sessions.iter().map(|session| entry(&snapshot, session)).collect::<Vec<_>>(),
        "next": next.flatten(),
    }))
}

/// The rules of that name; of all objects' rules if it names an object.
fn named(snapshot: &Snapshot, name: &str) -> Vec<RouteId> {
    let routes = snapshot.routes().filter(|entry| {
        let source = &entry.route.source;
        let object = format!("{}/{}", source.namespace, source.name);
        name == object || name == format!("{object}/{}", entry.route.rule)
    });
    routes.map(|entry| entry.route.id).collect()
}

fn entry(snapshot: &Snapshot, session: &SessionInfo) -> Value {
    let route = snapshot.route(session.target.route).map(|entry| {
        let source = &entry.route.source;
        format!("{}/{}/{}", source.namespace, source.name, entry.route.rule)
    });
    let slot = snapshot.slot(session.target.endpoint_set);
    json!({
        "id": session.id,
        "route": route,
        "backend": slot.map(|slot| format!("{}/{}:{}", slot.namespace, slot.service, slot.port)),
        "endpoint": session.target.endpoint,
        "ageSeconds": session.age.as_secs_f64(),
        "quietSeconds": session.quiet.as_secs_f64(),
        "bytesToUpstream": session.from_client.bytes,
        "bytesToClient": session.from_upstream.bytes,
        "messagesToUpstream": session.from_client.messages,
        "messagesToClient": session.from_upstream.messages,
        "ending": session.ending,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_refused_with_the_remedy() {
        let all = Query {
            route: None,
            after: None,
            limit: PAGE,
        };
        assert_eq!(Query::parse(""), Ok(all));
        let some = Query {
            route: Some("prod/chat".into()),
            after: Some(7),
            limit: 5,
        };
        assert_eq!(Query::parse("route=prod%2Fchat&limit=5&after=7"), Ok(some));
        for (query, message) in [
            ("limit=0", "between 1 and 1000"),
            ("limit=1001", "between 1 and 1000"),
            ("after=x", "id of a session"),
            ("rute=a", "unknown parameter `rute`"),
        ] {
            assert!(Query::parse(query).unwrap_err().contains(message), "{query}");
        }
    }
}
