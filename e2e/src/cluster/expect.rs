//! Waiting for what the product says of an object: conditions, events, addresses.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::api_server::ApiServer;
use crate::deadline;

/// Time for a condition to follow its cause.
pub const PROMPT: Duration = Duration::from_secs(2);

const ROUTES: &str = "/apis/holdfast.dev/v1alpha1";
const INGRESSES: &str = "/apis/networking.k8s.io/v1";

/// The path of a WebSocketRoute in a namespace.
pub fn route(namespace: &str, name: &str) -> String {
    format!("{ROUTES}/namespaces/{namespace}/websocketroutes/{name}")
}

/// The path of an Ingress in a namespace.
pub fn ingress(namespace: &str, name: &str) -> String {
    format!("{INGRESSES}/namespaces/{namespace}/ingresses/{name}")
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// The addresses in an object's status.
pub fn addresses(object: &Value) -> Vec<String> {
    let entries = object["status"]["loadBalancer"]["ingress"].as_array();
    let text = |entry: &Value| {
        let address = entry["ip"].as_str().or(entry["hostname"].as_str());
        address.unwrap_or_default().to_owned()
    };
    entries.into_iter().flatten().map(text).collect()
}

impl ApiServer {
    /// Reads an object at a path.
    ///
    /// # Errors
    /// When there is none.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let request = ::http::Request::get(path).body(vec![])?;
        self.admin()?
            .request(request)
            .await
            .with_context(|| path.to_owned())
    }

    /// Waits until the object at a path is as `test` wants it; yields it.
    ///
    /// # Errors
    /// When it is not within `limit`; says how it is.
    pub async fn until(
        &self,
        what: &str,
        path: &str,
        limit: Duration,
        test: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let reached = deadline::until(what, limit, || async {
            self.get(path).await.ok().filter(|object| test(object))
        })
        .await;
        match reached {
            Ok(object) => Ok(object),
            Err(error) => {
                let object = self.get(path).await;
                let status = object.map(|object| object["status"].to_string());
                Err(error.context(format!("{path}: {status:?}")))
            }
        }
    }

    /// Waits until a condition has this status, this reason and these words in its message.
    ///
    /// # Errors
    /// When it has not within `limit`; says how the object is.
    pub async fn until_condition(
        &self,
        path: &str,
        (kind, status, reason): (&str, &str, &str),
        words: &str,
        limit: Duration,
    ) -> Result<Value> {
        let what = format!("{kind}={status} ({reason}) with '{words}'");
        self.until(&what, path, limit, |object| {
            condition(object, kind).is_some_and(|condition| {
                condition["status"] == status
                    && condition["reason"] == reason
                    && condition["message"]
                        .as_str()
                        .is_some_and(|text| text.contains(words))
                    && condition["observedGeneration"] == object["metadata"]["generation"]
            })
        })
        .await
    }

    /// Waits until a route is Ready, which says that every replica serves it.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub async fn until_ready(&self, path: &str, limit: Duration) -> Result<Value> {
        self.until_condition(path, ("Ready", "True", "Ready"), "", limit)
            .await
    }

    /// Waits for an Event about an object in a namespace, with this reason and these words.
    ///
    /// # Errors
    /// When there is none within `limit`; says which there are.
    pub async fn until_event(
        &self,
        namespace: &str,
        name: &str,
        reason: &str,
        words: &str,
        limit: Duration,
    ) -> Result<()> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let told = |event: &Value| {
            event["regarding"]["name"] == name
                && event["reason"] == reason
                && event["note"].as_str().is_some_and(|note| note.contains(words))
        };
        let what = format!("an Event {reason} about {name} with '{words}'");
        let reached = deadline::until_true(&what, limit, || async {
            self.get(&path).await.is_ok_and(|events| {
                let items = events["items"].as_array();
                items.into_iter().flatten().any(told)
            })
        })
        .await;
        match reached {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(self.kubectl(&["get", "events", "-A"]).await?)),
        }
    }
}
