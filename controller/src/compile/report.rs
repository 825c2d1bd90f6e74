//! Collects the findings about one object.

use super::field::FieldPath;
use super::finding::{Finding, Reason};
use crate::world::ObjectKey;

/// Findings about one object, in the order made.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// The object.
    pub(super) object: &'a ObjectKey,
    /// What was found.
    pub(super) findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    pub(super) fn new(object: &'a ObjectKey) -> Self {
        Self {
            object,
            findings: Vec::new(),
        }
    }

    /// The API does not allow the value: `rest` goes on from the field's name.
    pub(super) fn refuse(&mut self, field: &FieldPath, rest: impl AsRef<str>) {
        let message = format!("`{field}` {}", rest.as_ref());
        self.error(field, Reason::InvalidValue, message);
    }

    pub(super) fn error(&mut self, field: &FieldPath, reason: Reason, message: impl Into<String>) {
        self.findings
            .push(Finding::error(self.object, field, reason, message));
    }

    /// An error that several backends of one setting may run into.
    pub(super) fn error_once(&mut self, field: &FieldPath, reason: Reason, message: impl Into<String>) {
        let finding = Finding::error(self.object, field, reason, message);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Something worth knowing that several backends of one setting may run into.
    pub(super) fn warning_once(&mut self, field: &FieldPath, reason: Reason, message: impl Into<String>) {
        let finding = Finding::warning(self.object, field, reason, message);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    pub(super) fn warning(&mut self, field: &FieldPath, reason: Reason, message: impl Into<String>) {
        self.findings
            .push(Finding::warning(self.object, field, reason, message));
    }

    pub(super) fn info(&mut self, field: &FieldPath, reason: Reason, message: impl Into<String>) {
        self.findings
            .push(Finding::info(self.object, field, reason, message));
    }
}
