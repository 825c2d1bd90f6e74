//! Golden cases: each folder of `tests/golden` holds objects (`in.yaml`), what they compile to
//! (`out.yaml`) and requests with the route that takes them (`probes.yaml`, optional).

mod golden {
    pub(super) mod cluster;
    pub(super) mod diff;
    pub(super) mod probe;
    pub(super) mod render;
}

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use controller::compile::{Settings, compile};
use controller::source::files;
use controller::yaml;

const HOW: &str = "to accept the new output: UPDATE_GOLDEN=1 cargo test -p controller --test golden";

#[test]
fn every_case() -> Result<()> {
    let cases = cases()?;
    assert!(cases.len() >= 30, "cases are missing");
    let mut failures = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy();
        if let Err(error) = run(case) {
            failures.push(format!("--- {name}\n{error:#}"));
        }
    }
    let (failed, all) = (failures.len(), cases.len());
    assert!(
        failures.is_empty(),
        "{failed} of {all} cases differ\n{}\n{HOW}",
        failures.join("\n")
    );
    Ok(())
}

fn cases() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.join("in.yaml").exists() {
            cases.push(path);
        }
    }
    cases.sort();
    Ok(cases)
}

fn run(case: &Path) -> Result<()> {
    let mut loaded = files::load(&case.join("in.yaml"))?;
    golden::cluster::add(&mut loaded.world, case)?;
    // A folder of manifests serves objects without a class; the file `cluster` stands for the other
    // way; `golden::cluster` for what else a folder can't hold.
    let settings = Settings {
        watch_without_class: !case.join("cluster").exists(),
        allow_external_names: case.join("external-names.yaml").exists(),
        ..Settings::default()
    };
    let compiled = compile(&loaded.world, &settings);
    let found = yaml::print(&golden::render::render(&compiled, &loaded.report(&compiled)))?;
    let file = case.join("out.yaml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &found)?;
    }
    let expected = fs::read_to_string(&file).with_context(|| format!("{} is missing", file.display()))?;
    if expected != found {
        bail!(
            "out.yaml (-) against what was compiled (+):\n{}",
            golden::diff::lines(&expected, &found)
        );
    }
    match fs::read_to_string(case.join("probes.yaml")) {
        Ok(probes) => golden::probe::check(&probes, &compiled.table),
        Err(_) => Ok(()),
    }
}
