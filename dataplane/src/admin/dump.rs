//! `/config`: what serves, as JSON in a stable order. The model holds nothing secret; what will be
//! (keys) must get a type that shows as redacted.

use std::time::Duration;

use routetable::EndpointState;
use serde_json::{Value, json};

use super::View;
use crate::snapshot::{EndpointSlot, RouteEntry};

/// The whole dump.
pub(super) fn config(view: &View) -> Value {
    let snapshot = view.snapshot.load();
    let channel = view.channel.borrow().clone();
    let mut routes: Vec<_> = snapshot.routes().collect();
    routes.sort_by_key(|entry| (&entry.route.source, entry.route.order, entry.route.id));
    let mut slots: Vec<_> = snapshot.slots().collect();
    slots.sort_by_key(|slot| (&slot.namespace, &slot.service, &slot.port, slot.id));
    json!({
        "version": channel.version.map(|version| json!({"epoch": version.epoch.to_string(), "number": version.number})),
        "digest": format!("{:016x}", channel.digest.0),
        "controllerConnected": channel.connected,
        "failing": channel.failing.iter().map(|item| json!({
            "resource": format!("{:?}", item.resource), "message": item.message,
        })).collect::<Vec<_>>(),
        "settings": &*view.settings,
        "routes": routes.into_iter().map(|entry| route(entry)).collect::<Vec<_>>(),
        "endpointSets": slots.into_iter().map(|slot| endpoint_set(slot)).collect::<Vec<_>>(),
    })
}

fn route(entry: &RouteEntry) -> Value {
    let route = &*entry.route;
    let backends = entry.backends.iter().map(|backend| {
        let slot = &backend.slot;
        json!({
            "service": format!("{}/{}:{}", slot.namespace, slot.service, slot.port),
            "endpointSet": slot.id.to_string(),
            "weight": backend.weight,
        })
    });
    json!({
        "id": route.id.to_string(),
        "source": route.source.to_string(),
        "rule": route.rule,
        "created": route.created,
        "fallback": route.fallback,
        "hosts": route.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "matches": route.matches,
        "backends": backends.collect::<Vec<_>>(),
        "timeouts": {
            "connect": text(route.timeouts.connect),
            "handshake": text(route.timeouts.handshake),
            "idle": route.timeouts.idle.map(text),
            "maxDuration": route.timeouts.max_duration.map(text),
        },
    })
}

fn endpoint_set(slot: &EndpointSlot) -> Value {
    let endpoints = slot.endpoints.load();
    let endpoints = endpoints.iter().map(|live| {
        json!({
            "address": live.endpoint.address,
            "state": match live.state {
                EndpointState::Ready => "ready",
                EndpointState::Draining => "draining",
                EndpointState::NotReady => "not_ready",
            },
            "active": live.endpoint.active(),
        })
    });
    json!({
        "id": slot.id.to_string(),
        "namespace": slot.namespace,
        "service": slot.service,
        "port": slot.port,
        "endpoints": endpoints.collect::<Vec<_>>(),
    })
}

fn text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
