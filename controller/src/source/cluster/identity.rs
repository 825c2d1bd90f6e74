//! Whether the API server still speaks for the cluster that was seen first.
//!
//! The Service `kubernetes` in `default` is made by the API server itself when there is none, so that its
//! uid names the cluster's data. A server that comes back without its data shows another one.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use tokio::time::timeout;
use tracing::debug;

/// Time for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What comparing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing speaks against it.
    Same,
    /// It is not; why.
    Another(String),
    /// Not now.
    None,
}

/// Knows the cluster that was seen first.
pub(super) struct Identity {
    services: Api<Service>,
    first: First,
}

/// The cluster that was seen first.
enum First {
    /// Nobody could say yet.
    Unknown,
    /// Nobody may say: a permission for one namespace, for example.
    Unknowable,
    Known(String),
}

impl Identity {
    pub(super) fn new(client: Client) -> Self {
        Self {
            services: Api::namespaced(client, "default"),
            first: First::Unknown,
        }
    }

    /// Notes which cluster this is.
    pub(super) async fn note(&mut self) {
        self.first = match self.uid().await {
            Ok(Some(uid)) => First::Known(uid),
            Ok(None) => First::Unknowable,
            Err(()) => First::Unknown,
        };
    }

    /// Holds the cluster against the one that was noted.
    pub(super) async fn compare(&mut self) -> Answer {
        if matches!(self.first, First::Unknown) {
            self.note().await;
        }
        let first = match &self.first {
            First::Unknown => return Answer::None,
            First::Unknowable => return Answer::Same,
            First::Known(first) => first,
        };
        match self.uid().await {
            Ok(Some(uid)) if uid == *first => Answer::Same,
            Ok(Some(_)) => Answer::Another("its Service 'kubernetes' is another one".to_owned()),
            Ok(None) => Answer::Another("shows no Service 'kubernetes'".to_owned()),
            // The watches say what is wrong.
            Err(()) => Answer::None,
        }
    }

    async fn uid(&self) -> Result<Option<String>, ()> {
        match timeout(PATIENCE, self.services.get_opt("kubernetes")).await {
            Ok(Ok(service)) => Ok(service.and_then(|service| service.metadata.uid)),
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => Ok(None),
            Ok(Err(error)) => {
                debug!(%error, "can't read the Service 'kubernetes'");
                Err(())
            }
            Err(_) => Err(()),
        }
    }
}
