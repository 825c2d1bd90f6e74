//! Guards the house: what may import what, how long a file may be, what it may be called, and under which
//! licences the dependencies come.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::binaries::workspace;

/// Production lines above which a file needs an entry in [`LONG_FILES`].
const LONG: usize = 400;
/// Production lines that no file may have.
const TOO_LONG: usize = 600;

/// Files above [`LONG`], each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Names that say nothing about what a file owns.
const BANNED_NAMES: &[&str] = &[
    "mod", "util", "utils", "common", "types", "misc", "helper", "helpers", "handler", "handlers", "manager",
];

/// Licences that the product can be shipped with.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A folder or file, and the paths that its production code must not name.
const IMPORTS: &[(&str, &[&str])] = &[
    (
        "dataplane/routetable/src",
        &[
            "tokio",
            "kube",
            "k8s_openapi",
            "hyper",
            "hyper_util",
            "tracing",
            "mio",
        ],
    ),
    (
        "dataplane/src/framing",
        &["tokio", "hyper", "hyper_util", "http", "bytes", "tracing", "mio"],
    ),
    ("controller/src", &["dataplane"]),
    ("dataplane/src", &["controller", "kube", "k8s_openapi"]),
    (
        "controller/src/compile",
        &[
            "tokio",
            "hyper",
            "notify",
            "kube::Client",
            "kube::client",
            "kube::Api",
            "std::env",
            "std::fs",
            "std::net::TcpStream",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "Instant::now",
            "SystemTime",
            "rand",
            "RandomState",
            "HashMap",
            "HashSet",
        ],
    ),
];

/// A source file of the workspace.
struct Source {
    path: String,
    /// Lines without in-file tests and comments; empty for a file that is a test.
    code: Vec<String>,
    production: usize,
}

fn sources() -> Result<Vec<Source>> {
    let mut sources = vec![];
    for folder in ["controller", "dataplane", "e2e"] {
        walk(&workspace().join(folder), &mut sources)?;
    }
    ensure!(sources.len() > 20, "only {} sources found", sources.len());
    Ok(sources)
}

fn walk(folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(Source::read(&path)?);
        }
    }
    Ok(())
}

impl Source {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let path = path.strip_prefix(workspace())?.to_string_lossy().into_owned();
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/benches/");
        let lines = if is_test { vec![] } else { production(&text) };
        let code = lines
            .iter()
            .map(|line| line.split("//").next().unwrap_or_default().to_owned())
            .collect();
        Ok(Self {
            path,
            code,
            production: lines.len(),
        })
    }
}

/// The lines of a file without its in-file tests, which stand at its end.
fn production(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests") && pair[1].ends_with('{')
    });
    lines[..tests.unwrap_or(lines.len())].to_vec()
}

/// True when a line of code names a path, as a whole.
fn names(line: &str, path: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(path).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + path.len()..]);
        let crate_name = path.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let starts = !(before.ends_with(word) || crate_name && before.ends_with("::"));
        // A crate is named by `x::` or `use x;`; its name alone may be a variable or a field.
        let used = !crate_name || after.starts_with("::") || before.trim_end().ends_with("use");
        starts && used && !after.starts_with(word)
    })
}

#[test]
fn imports_go_one_way() -> Result<()> {
    let sources = sources()?;
    let mut wrong = vec![];
    for (room, banned) in IMPORTS {
        let room_file = format!("{room}.rs");
        let room_folder = format!("{room}/");
        let mut found = false;
        for source in &sources {
            if !source.path.starts_with(&room_folder) && source.path != room_file {
                continue;
            }
            found = true;
            for (line, path) in source
                .code
                .iter()
                .flat_map(|line| banned.iter().map(move |path| (line, path)))
            {
                if names(line, path) {
                    wrong.push(format!("{}: names {path}: {}", source.path, line.trim()));
                }
            }
        }
        ensure!(found, "{room}: no such sources; does this guard know the layout?");
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_scan_sees_what_it_must() {
    for (line, path) in [
        ("use tokio::net::TcpStream;", "tokio"),
        ("    let x = tokio::spawn(work);", "tokio"),
        ("use std::collections::HashMap;", "HashMap"),
        ("let t: HashMap<u8, u8> = x;", "HashMap"),
        ("use std::{env, time::SystemTime};", "SystemTime"),
    ] {
        assert!(names(line, path), "{line}");
    }
    for (line, path) in [
        ("use crate::controller::Thing;", "controller"),
        ("let tokio = 1;", "tokio"),
        ("use mytokio::x;", "tokio"),
        ("struct MyHashMap;", "HashMap"),
    ] {
        assert!(!names(line, path), "{line}");
    }
    assert_eq!(production("a\n#[cfg(test)]\nmod tests {\n}\n"), ["a"]);
    assert_eq!(production("a\n#[cfg(test)]\nmod tests;\n").len(), 3);
}

#[test]
fn files_are_short() -> Result<()> {
    let mut wrong = vec![];
    let sources = sources()?;
    for Source { path, production, .. } in &sources {
        let excused = LONG_FILES.iter().any(|(file, _)| file == path);
        if *production > TOO_LONG {
            wrong.push(format!(
                "{path}: {production} production lines, more than {TOO_LONG}: split it"
            ));
        } else if *production > LONG && !excused {
            wrong.push(format!("{path}: {production} production lines, more than {LONG}: split it, or give a reason in LONG_FILES"));
        } else if *production <= LONG && excused {
            wrong.push(format!("{path}: no longer needs its entry in LONG_FILES"));
        }
    }
    for (file, _) in LONG_FILES {
        if !sources.iter().any(|source| source.path == *file) {
            wrong.push(format!("{file}: in LONG_FILES, but gone"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn names_say_what_is_inside() -> Result<()> {
    let mut wrong = BTreeSet::new();
    for Source { path, .. } in sources()? {
        for part in PathBuf::from(&path).iter().filter_map(|part| part.to_str()) {
            if BANNED_NAMES.contains(&part.trim_end_matches(".rs")) {
                wrong.insert(path.clone());
            }
        }
    }
    ensure!(wrong.is_empty(), "must be named after what they own: {wrong:?}");
    Ok(())
}

#[test]
fn every_module_says_what_it_owns() -> Result<()> {
    let mut wrong = vec![];
    for Source { path, .. } in sources()? {
        let text = std::fs::read_to_string(workspace().join(&path))?;
        if !path.ends_with("/tests.rs") && !text.starts_with("//!") {
            wrong.push(path);
        }
    }
    ensure!(wrong.is_empty(), "must open with `//!`: {wrong:?}");
    Ok(())
}

#[test]
fn licences_are_allowed() -> Result<()> {
    let rustc = Command::new("rustc").arg("-vV").output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("no host in rustc -vV")?;
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--format-version=1",
            "--filter-platform",
            host,
        ])
        .current_dir(workspace())
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    ensure!(packages.len() > 50, "only {} packages", packages.len());
    let mut wrong = vec![];
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        if !allowed(licence) {
            wrong.push(format!("{} {}: {licence}", package["name"], package["version"]));
        }
    }
    ensure!(
        wrong.is_empty(),
        "not in the list of licences:\n{}",
        wrong.join("\n")
    );
    Ok(())
}

/// Judges an SPDX expression, in which some old packages write `/` for `OR`.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let choices = split(&expression, " OR ");
    choices.into_iter().any(|choice| {
        let all = split(choice, " AND ");
        all.into_iter().all(|part| match part.strip_prefix('(') {
            Some(group) => allowed(group.strip_suffix(')').unwrap_or(group)),
            None => LICENCES.contains(&part),
        })
    })
}

/// Splits at an operator outside of parentheses.
fn split<'a>(expression: &'a str, operator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (vec![], 0, 0);
    for (at, byte) in expression.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 0 && at >= start && expression[at..].starts_with(operator) => {
                parts.push(expression[start..at].trim());
                start = at + operator.len();
            }
            _ => {}
        }
    }
    parts.push(expression[start..].trim());
    parts
}

#[test]
fn licences_are_judged_rightly() {
    for yes in [
        "MIT",
        "GPL-3.0 OR MIT",
        "Unlicense/MIT",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
        "ISC AND (Apache-2.0 OR GPL-2.0)",
    ] {
        assert!(allowed(yes), "{yes}");
    }
    for no in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR Apache-2.0) AND GPL-3.0",
        "ISC AND (GPL-2.0 OR GPL-3.0)",
        "none",
    ] {
        assert!(!allowed(no), "{no}");
    }
}
