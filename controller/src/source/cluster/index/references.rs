//! Which Secrets and ConfigMaps are named, so that no other is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::compile;
use crate::crd::tls::BackendTls;
use crate::crd::websocketroute::WebSocketRouteSpec;
use crate::world::{Ingress, Kind, Name, Object, ObjectKey};

/// Objects by who names them.
#[derive(Debug, Default)]
pub(super) struct References {
    by_object: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    counts: BTreeMap<ObjectKey, usize>,
    /// Named, and not asked for yet.
    fresh: BTreeSet<ObjectKey>,
    /// Asked for, and not answered yet.
    asked: BTreeSet<ObjectKey>,
    /// Asked for, and found there.
    looked_up: BTreeSet<ObjectKey>,
    /// Asked for, and not found.
    missing: BTreeSet<ObjectKey>,
    /// No longer named by anyone.
    unnamed: BTreeSet<ObjectKey>,
}

impl References {
    /// The references of the settings.
    pub(super) fn new(default_certificate: Option<Name>) -> Self {
        let mut references = Self::default();
        if let Some(Name { namespace, name }) = default_certificate {
            let key = ObjectKey {
                kind: Kind::Secret,
                namespace,
                name,
            };
            references.counts.insert(key.clone(), 1);
            references.fresh.insert(key);
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
        for named in &now {
            let count = self.counts.entry(named.clone()).or_default();
            *count += 1;
            if *count == 1 {
                self.fresh.insert(named.clone());
                self.unnamed.remove(named);
            }
        }
        for named in before.unwrap_or_default() {
            let Some(count) = self.counts.get_mut(&named) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&named);
                self.fresh.remove(&named);
                self.asked.remove(&named);
                self.missing.remove(&named);
                self.looked_up.remove(&named);
                self.unnamed.insert(named);
            }
        }
    }

    /// True for what is named.
    pub(super) fn contains(&self, key: &ObjectKey) -> bool {
        self.counts.contains_key(key)
    }

    /// What was named since the last call, is `due` and is not `known`.
    pub(super) fn take_wanted(
        &mut self,
        due: impl Fn(&ObjectKey) -> bool,
        known: impl Fn(&ObjectKey) -> bool,
    ) -> BTreeSet<ObjectKey> {
        let fresh = std::mem::take(&mut self.fresh);
        let (mut wanted, later) = fresh.into_iter().partition::<BTreeSet<_>, _>(due);
        self.fresh = later;
        wanted.retain(|key| !known(key));
        self.asked.extend(wanted.iter().cloned());
        wanted
    }

    /// What nobody names since the last call.
    pub(super) fn take_unnamed(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.unnamed)
    }

    /// Notes the answer to a question.
    pub(super) fn answered(&mut self, key: &ObjectKey, exists: bool) {
        let (to, from) = match exists {
            true => (&mut self.looked_up, &mut self.missing),
            false => (&mut self.missing, &mut self.looked_up),
        };
        self.asked.remove(key);
        to.insert(key.clone());
        from.remove(key);
    }

    /// The watch has brought it: what that says counts from now on.
    pub(super) fn is_watched(&mut self, key: &ObjectKey) {
        self.asked.remove(key);
        self.looked_up.remove(key);
        self.missing.remove(key);
    }

    /// What was asked for and not found, or not answered.
    pub(super) fn unknown(&self) -> BTreeSet<ObjectKey> {
        self.missing.union(&self.asked).cloned().collect()
    }

    /// True while an answer is awaited.
    pub(super) fn awaits_answers(&self) -> bool {
        !self.asked.is_empty()
    }

    /// What was asked for and found there.
    pub(super) fn looked_up(&self) -> impl Iterator<Item = &ObjectKey> {
        self.looked_up.iter()
    }

    /// True for what a question, not the watch, has brought.
    pub(super) fn was_looked_up(&self, key: &ObjectKey) -> bool {
        self.looked_up.contains(key)
    }
}

fn named(namespace: &str, object: &Object) -> BTreeSet<ObjectKey> {
    let names = match object {
        Object::Ingress(ingress) => named_by_ingress(ingress),
        Object::WebSocketRoute(route) => named_by_route(&route.spec),
        _ => vec![],
    };
    // What is no name is refused by `compile`, and must not become a part of a request.
    let names = names
        .into_iter()
        .filter(|(_, name)| compile::host::object_name_problem(name).is_none());
    names
        .map(|(kind, name)| ObjectKey {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
        .collect()
}

fn named_by_ingress(ingress: &Ingress) -> Vec<(Kind, &str)> {
    let entries = ingress.spec.tls.iter().flatten();
    let mut names: Vec<&str> = entries.filter_map(|entry| entry.secret_name.as_deref()).collect();
    names.extend(compile::authority_annotation(ingress));
    names.into_iter().map(|name| (Kind::Secret, name)).collect()
}

fn named_by_route(spec: &WebSocketRouteSpec) -> Vec<(Kind, &str)> {
    let backends = spec.rules.iter().flat_map(|rule| &rule.backend_refs);
    let backends: Vec<&BackendTls> = backends.filter_map(|backend| backend.tls.as_ref()).collect();
    let shown = spec.tls.iter().filter_map(|tls| tls.secret_name.as_deref());
    let shown = shown.chain(
        backends
            .iter()
            .filter_map(|tls| tls.client_cert_secret_name.as_deref()),
    );
    let clients = spec.tls.iter().filter_map(|tls| tls.client_validation.as_ref());
    let authorities = clients.map(|client| &client.ca_ref);
    let authorities = authorities.chain(backends.iter().filter_map(|tls| tls.ca_ref.as_ref()));
    let shown = shown.map(|name| (Kind::Secret, name));
    shown
        .chain(authorities.map(|authority| (authority.kind.into(), authority.name.as_str())))
        .collect()
}
