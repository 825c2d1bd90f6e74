//! Reads the admin port: metrics, readiness, the table in force.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::clients::http::{self, Answer};
use crate::deadline::until_true;

/// The admin port of a data plane.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Admin {
    /// Any page.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        http::get(self.addr, "localhost", path).await
    }

    /// True when `/readyz` answers 200.
    pub async fn ready(&self) -> bool {
        self.get("/readyz").await.is_ok_and(|answer| answer.status == 200)
    }

    /// `/config`.
    ///
    /// # Errors
    /// When it is not JSON.
    pub async fn config(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.get("/config").await?.body)?)
    }

    /// `/metrics`.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub async fn metrics(&self) -> Result<Metrics> {
        let answer = self.get("/metrics").await?;
        ensure!(answer.status == 200, "/metrics answered {}", answer.status);
        Ok(Metrics(String::from_utf8(answer.body)?))
    }

    /// Fails unless the data plane counts sessions cut by a change of configuration, and counts none.
    ///
    /// # Errors
    /// As said.
    pub async fn none_cut_by_config(&self) -> Result<()> {
        let name = "holdfast_sessions_cut_by_config_total";
        let metrics = self.metrics().await?;
        ensure!(metrics.has(name, &[]), "there is no metric {name}");
        let cut = metrics.sum(name, &[]);
        ensure!(cut == 0.0, "{name} is {cut}");
        Ok(())
    }

    /// Waits until the sum of a metric is what `test` wants.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub async fn until_metric(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        limit: Duration,
        test: impl Fn(f64) -> bool,
    ) -> Result<()> {
        until_true(&format!("metric {name}{labels:?}"), limit, || async {
            self.metrics()
                .await
                .is_ok_and(|metrics| test(metrics.sum(name, labels)))
        })
        .await
    }
}

/// A scrape in the Prometheus text format.
#[derive(Debug)]
pub struct Metrics(pub String);

impl Metrics {
    /// Sum over the samples of `name` whose labels include `labels`; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).sum()
    }

    /// True when there is such a sample.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.samples(name, labels).next().is_some()
    }

    fn samples(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = f64> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (set, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let all = labels.iter().all(|(key, value)| {
                let wanted = format!("{key}=\"{value}\"");
                set.match_indices(&wanted)
                    .any(|(at, _)| at == 0 || set[..at].ends_with(','))
            });
            all.then(|| value.split_whitespace().next()?.parse().ok())?
        })
    }
}
