//! Manifests read once and compiled as `holdfast serve` would, without serving anything.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::compile::{Compiled, Finding, Reason, Settings, Severity, compile};
use crate::source::files::{Loaded, MAX_FILE_LEN, load};

/// What a folder, a file or stdin holds, and what it means.
pub(super) struct Offline {
    /// The objects and where they stand.
    pub(super) loaded: Loaded,
    /// The route table and the findings about it.
    pub(super) compiled: Compiled,
    /// Everything found, in the order of files and lines.
    pub(super) findings: Vec<Finding>,
}

impl Offline {
    /// Reads `path`; `-` stands for stdin.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        if path != Path::new("-") {
            return Ok(Self::from(load(path)?));
        }
        let folder = tempfile::tempdir().context("cannot keep what stdin holds")?;
        let file = folder.path().join("stdin.yaml");
        let mut text = Vec::new();
        io::stdin()
            .lock()
            .take(MAX_FILE_LEN + 1)
            .read_to_end(&mut text)
            .context("cannot read stdin")?;
        if text.len() as u64 > MAX_FILE_LEN {
            bail!("stdin must not hold more than {MAX_FILE_LEN} bytes; give a folder");
        }
        std::fs::write(&file, text).context("cannot keep what stdin holds")?;
        let mut offline = Self::from(load(&file)?);
        for location in offline
            .findings
            .iter_mut()
            .filter_map(|finding| finding.location.as_mut())
        {
            location.file = PathBuf::from("stdin");
        }
        Ok(offline)
    }

    /// How many findings say that something does not work, or not as expected.
    pub(super) fn problems(&self) -> usize {
        self.count(Severity::Error) + self.count(Severity::Warning)
    }

    /// How many findings are that severe.
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// For commands that answer from the good rest: says on stderr that there is a bad one.
    pub(super) fn mention_problems(&self, path: &Path) {
        let problems = self.problems();
        if let [only] = &*self.findings
            && only.reason == Reason::NoObjects
        {
            eprintln!("holdfast: {only}");
        } else if problems > 0 {
            eprintln!(
                "holdfast: {problems} findings in these manifests; see 'holdfast lint {}'",
                path.display()
            );
        }
    }
}

impl From<Loaded> for Offline {
    fn from(loaded: Loaded) -> Self {
        // As the controller does with a folder.
        let compiled = compile(&loaded.world, &Settings::for_files());
        let findings = loaded.report(&compiled);
        Self {
            loaded,
            compiled,
            findings,
        }
    }
}
