//! What the log says about the objects: each remark once, and again when it is settled.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::compile::{Compiled, Finding, Severity};

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Journal {
    standing: BTreeSet<(Severity, String)>,
    last: Option<Arc<Compiled>>,
}

impl Journal {
    /// Logs what differs from the last compilation.
    pub(super) fn note(&mut self, compiled: &Arc<Compiled>, report: &[impl Borrow<Finding>]) {
        let mut now = BTreeSet::new();
        let report = || report.iter().map(Borrow::<Finding>::borrow);
        for finding in report() {
            // Lines move with every edit; that is no news.
            let remark = (
                finding.severity,
                format!("{} ({})", without_place(finding), finding.reason),
            );
            let is_news = !self.standing.contains(&remark);
            if now.insert(remark) && is_news {
                say(finding);
            }
        }
        for (_, text) in self
            .standing
            .difference(&now)
            .filter(|(severity, _)| *severity != Severity::Info)
        {
            info!("settled: {text}");
        }
        self.standing = now;
        let last = self.last.replace(Arc::clone(compiled));
        if last.is_none_or(|last| last.table != compiled.table) {
            let count = |severity| report().filter(|finding| finding.severity == severity).count();
            info!(
                routes = compiled.table.routes.len(),
                endpoint_sets = compiled.table.endpoint_sets.len(),
                errors = count(Severity::Error),
                warnings = count(Severity::Warning),
                "compiled a new table",
            );
        }
    }
}

fn without_place(finding: &Finding) -> String {
    match &finding.object {
        Some(object) => format!("{object}: {}", finding.text()),
        None => finding.text(),
    }
}

fn say(finding: &Finding) {
    let place = finding
        .location
        .as_ref()
        .map(|at| format!("{}:{}: ", at.file.display(), at.line));
    let text = format!("{}{}", place.unwrap_or_default(), without_place(finding));
    let reason = finding.reason.as_str();
    match finding.severity {
        Severity::Error => error!(reason, "{text}"),
        Severity::Warning => warn!(reason, "{text}"),
        Severity::Info => info!(reason, "{text}"),
    }
}
