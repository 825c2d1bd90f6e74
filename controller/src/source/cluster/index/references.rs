//! Which Secrets are named, so that no other is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::compile;
use crate::crd::websocketroute::WebSocketRouteSpec;
use crate::world::{Ingress, Name, Object, ObjectKey};

/// Secrets by who names them.
#[derive(Debug, Default)]
pub(super) struct References {
    by_object: BTreeMap<ObjectKey, BTreeSet<Name>>,
    counts: BTreeMap<Name, usize>,
    /// Named, and not asked for yet.
    fresh: BTreeSet<Name>,
    /// Asked for, and not answered yet.
    asked: BTreeSet<Name>,
    /// Asked for, and found there.
    looked_up: BTreeSet<Name>,
    /// Asked for, and not found.
    missing: BTreeSet<Name>,
    /// No longer named by anyone.
    unnamed: BTreeSet<Name>,
}

impl References {
    /// The references of the settings.
    pub(super) fn new(default_certificate: Option<Name>) -> Self {
        let mut references = Self::default();
        if let Some(name) = default_certificate {
            references.counts.insert(name.clone(), 1);
            references.fresh.insert(name);
        }
        references
    }

    /// Notes what an Ingress or a WebSocketRoute names now; `None` when it is gone.
    pub(super) fn replace(&mut self, key: &ObjectKey, object: Option<&Object>) {
        let now = object
            .map(|object| named(&key.namespace, object))
            .unwrap_or_default();
        let before = if now.is_empty() {
            self.by_object.remove(key)
        } else {
            self.by_object.insert(key.clone(), now.clone())
        };
        for secret in &now {
            let count = self.counts.entry(secret.clone()).or_default();
            *count += 1;
            if *count == 1 {
                self.fresh.insert(secret.clone());
                self.unnamed.remove(secret);
            }
        }
        for secret in before.unwrap_or_default() {
            let Some(count) = self.counts.get_mut(&secret) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&secret);
                self.fresh.remove(&secret);
                self.asked.remove(&secret);
                self.missing.remove(&secret);
                self.looked_up.remove(&secret);
                self.unnamed.insert(secret);
            }
        }
    }

    /// True for a Secret that is named.
    pub(super) fn contains(&self, secret: &ObjectKey) -> bool {
        self.counts
            .contains_key(&Name::new(&secret.namespace, &secret.name))
    }

    /// What was named since the last call and is not `known`.
    pub(super) fn take_wanted(&mut self, known: impl Fn(&Name) -> bool) -> BTreeSet<Name> {
        let mut wanted = std::mem::take(&mut self.fresh);
        wanted.retain(|name| !known(name));
        self.asked.extend(wanted.iter().cloned());
        wanted
    }

    /// What nobody names since the last call.
    pub(super) fn take_unnamed(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.unnamed)
    }

    /// Notes the answer to a question.
    pub(super) fn answered(&mut self, name: &Name, exists: bool) {
        let (to, from) = match exists {
            true => (&mut self.looked_up, &mut self.missing),
            false => (&mut self.missing, &mut self.looked_up),
        };
        self.asked.remove(name);
        to.insert(name.clone());
        from.remove(name);
    }

    /// The watch has brought it: what that says counts from now on.
    pub(super) fn is_watched(&mut self, secret: &ObjectKey) {
        let name = Name::new(&secret.namespace, &secret.name);
        self.asked.remove(&name);
        self.looked_up.remove(&name);
        self.missing.remove(&name);
    }

    /// What was asked for and not found.
    pub(super) fn missing(&self) -> BTreeSet<Name> {
        self.missing.clone()
    }

    /// True while an answer is awaited.
    pub(super) fn awaits_answers(&self) -> bool {
        !self.asked.is_empty()
    }

    /// What was asked for and found there.
    pub(super) fn looked_up(&self) -> impl Iterator<Item = &Name> {
        self.looked_up.iter()
    }

    /// True for a Secret that a question, not the watch, has brought.
    pub(super) fn was_looked_up(&self, secret: &ObjectKey) -> bool {
        self.looked_up
            .contains(&Name::new(&secret.namespace, &secret.name))
    }
}

fn named(namespace: &str, object: &Object) -> BTreeSet<Name> {
    let names = match object {
        Object::Ingress(ingress) => secrets_of_ingress(ingress),
        Object::WebSocketRoute(route) => secrets_of_route(&route.spec),
        _ => vec![],
    };
    let names = names.into_iter().filter(|name| !name.is_empty());
    names.map(|name| Name::new(namespace, name)).collect()
}

fn secrets_of_ingress(ingress: &Ingress) -> Vec<&str> {
    let entries = ingress.spec.tls.iter().flatten();
    let mut names: Vec<&str> = entries.filter_map(|entry| entry.secret_name.as_deref()).collect();
    names.extend(compile::authority_annotation(ingress));
    names
}

fn secrets_of_route(spec: &WebSocketRouteSpec) -> Vec<&str> {
    let mut names = Vec::new();
    if let Some(tls) = &spec.tls {
        names.extend(tls.secret_name.as_deref());
        names.extend(
            tls.client_validation
                .as_ref()
                .map(|client| client.ca_ref.name.as_str()),
        );
    }
    let backends = spec.rules.iter().flat_map(|rule| &rule.backend_refs);
    for tls in backends.filter_map(|backend| backend.tls.as_ref()) {
        names.extend(tls.ca_ref.as_ref().map(|authority| authority.name.as_str()));
        names.extend(tls.client_cert_secret_name.as_deref());
    }
    names
}
