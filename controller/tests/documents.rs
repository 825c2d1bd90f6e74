//! Every YAML in the project's documents is what it claims to be: `holdfast lint` finds no error in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "charts/holdfast/README.md"];

/// What the chart brings along.
const CLASS: &str = "apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: holdfast}
spec: {controller: holdfast.dev/ingress-controller}
";

/// The blocks of a document that say that they are YAML.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = vec![];
    let mut inside = false;
    for line in text.lines() {
        match (inside, line.trim_end()) {
            (false, "```yaml") => {
                blocks.push(String::new());
                inside = true;
            }
            (true, "```") => inside = false,
            (true, line) => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            (false, _) => {}
        }
    }
    blocks
}

#[test]
fn every_yaml_in_the_documents_is_sound() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for name in DOCUMENTS {
        let text = fs::read_to_string(root.join(name)).with_context(|| name.to_owned())?;
        let blocks = blocks(&text);
        if blocks.is_empty() {
            continue;
        }
        seen += blocks.len();
        let folder = tempfile::tempdir()?;
        for (index, block) in blocks.iter().enumerate() {
            fs::write(folder.path().join(format!("block-{index}.yaml")), block)?;
        }
        // What stands behind the names of the nginx example.
        fs::copy(
            root.join("examples/chat/service.yaml"),
            folder.path().join("service.yaml"),
        )?;
        fs::write(folder.path().join("class.yaml"), CLASS)?;
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .arg("lint")
            .arg(folder.path())
            .output()?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        // Nothing in a document is ready, so warnings are as they should be.
        ensure!(!said.contains(": error: "), "{name}:\n{said}");
        ensure!(said.contains("0 errors"), "{name}: no verdict in:\n{said}");
    }
    ensure!(seen >= 3, "only {seen} blocks found");
    Ok(())
}
