//! What each file holds, and the last good version of every object.
//!
//! Blocking: reads files. A file that held objects and is now empty is most likely being written
//! (truncated first, as `>` in a shell does): its objects stay for a few looks
//! ([`EMPTY_LOOKS`]) before they count as removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use routetable::canonical::content_hash;

use super::scan::Listing;
use super::{Loaded, Locations, MAX_FILE_LEN};
use crate::compile::{Finding, Location, Reason, Severity};
use crate::source::manifest::{self, Entry, Place};
use crate::world::{Object, ObjectKey, World};
use crate::yaml;

/// How often a file must be seen empty before its objects are removed.
pub(super) const EMPTY_LOOKS: u32 = 3;

/// How closely files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Every file is read.
    Thorough,
    /// Files whose size, times and number are as before are not read.
    Cursory,
}

/// The files of one folder.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    files: BTreeMap<PathBuf, Held>,
    good: BTreeMap<ObjectKey, Good>,
    /// What is wrong with folders.
    folders: Vec<Finding>,
}

/// What one file held when it was last read.
#[derive(Debug, Default)]
struct Held {
    stamp: Option<Stamp>,
    hash: Option<u64>,
    entries: Vec<Entry>,
    /// How often in a row it was seen empty after it had held something.
    empty_looks: u32,
}

/// The last good version of an object.
#[derive(Clone, Debug)]
struct Good {
    object: Object,
    file: PathBuf,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Store {
    /// A store that has read nothing yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            files: BTreeMap::new(),
            good: BTreeMap::new(),
            folders: Vec::new(),
        }
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Takes in what the folder lists now; true when anything differs from before.
    pub(super) fn take(&mut self, listing: Listing, depth: Depth) -> bool {
        let Listing { files, unreadable } = listing;
        // What can't be listed is not gone.
        let kept = |path: &Path| unreadable.iter().any(|(folder, _)| path.starts_with(folder));
        let before = self.files.len();
        self.files.retain(|path, _| files.contains(path) || kept(path));
        let mut changed = self.files.len() != before;
        let folders = unreadable
            .iter()
            .map(|(path, message)| folder_finding(path, message))
            .collect();
        changed |= self.folders != folders;
        self.folders = folders;
        for path in files {
            let held = self.files.entry(path.clone()).or_default();
            match held.read(&path, depth) {
                Ok(differs) => changed |= differs,
                // Gone since it was listed.
                Err(_) => changed |= self.files.remove(&path).is_some(),
            }
        }
        changed
    }

    /// Notes that the folder itself can't be read; everything stays as it is. True when that is
    /// news.
    pub(super) fn root_is_unreadable(&mut self, error: &io::Error) -> bool {
        let message = format!("can't be read: {error}; the last good objects keep serving");
        let folders = vec![folder_finding(&self.root, &message)];
        let changed = self.folders != folders;
        self.folders = folders;
        changed
    }

    /// True when some file should be looked at again soon.
    pub(super) fn is_unsettled(&self) -> bool {
        self.files.values().any(Held::is_unsettled)
    }

    /// Puts the files together: one object per key, the last good version of each.
    pub(super) fn merge(&mut self) -> Loaded {
        let mut findings = self.folders.clone();
        let mut good: BTreeMap<ObjectKey, Good> = BTreeMap::new();
        let mut claimed: BTreeMap<ObjectKey, Location> = BTreeMap::new();
        let mut kept: BTreeSet<ObjectKey> = BTreeSet::new();
        for (file, held) in &self.files {
            for entry in &held.entries {
                let Some(key) = &entry.key else { continue };
                let here = Location {
                    file: file.clone(),
                    line: entry.place.line_of(""),
                };
                if let Some(first) = claimed.get(key) {
                    findings.push(duplicate(key, here, first));
                    continue;
                }
                claimed.insert(key.clone(), here);
                if let Some(object) = &entry.object {
                    // The world is built anew each time; what a Secret held before is known here.
                    let object = object.after(self.good.get(key).map(|last| &last.object));
                    good.insert(
                        key.clone(),
                        Good {
                            object,
                            file: file.clone(),
                            place: entry.place.clone(),
                        },
                    );
                } else if let Some(last) = self.good.get(key) {
                    let place = Place::at_line(entry.place.line_of(""));
                    kept.insert(key.clone());
                    good.insert(
                        key.clone(),
                        Good {
                            file: file.clone(),
                            place,
                            ..last.clone()
                        },
                    );
                }
            }
        }
        // A document that can't be told by name may be any object its file held before.
        for (key, last) in &self.good {
            let may_hide = self.files.get(&last.file).is_some_and(Held::may_hide_objects);
            if may_hide && !claimed.contains_key(key) {
                kept.insert(key.clone());
                good.insert(key.clone(), last.clone());
            }
        }
        for (file, held) in &self.files {
            let keeps_any = good
                .iter()
                .any(|(key, last)| kept.contains(key) && last.file == *file);
            findings.extend(held.findings(file, &kept, keeps_any));
        }
        self.good = good;
        if findings.is_empty() && self.files.values().all(|held| held.entries.is_empty()) {
            findings.push(self.no_objects());
        }
        findings.sort_by(|a, b| a.location.cmp(&b.location));
        self.loaded(findings)
    }

    fn no_objects(&self) -> Finding {
        let message = if self.files.contains_key(&self.root) {
            "the file holds no Kubernetes objects"
        } else {
            "the folder holds no Kubernetes objects; put *.yaml files there"
        };
        Finding {
            severity: Severity::Warning,
            object: None,
            location: Some(Location {
                file: self.root.clone(),
                line: 1,
            }),
            field: String::new(),
            reason: Reason::NoObjects,
            message: message.to_owned(),
        }
    }

    fn loaded(&self, findings: Vec<Finding>) -> Loaded {
        let mut world = World::builder();
        let mut by_object = BTreeMap::new();
        for (key, Good { object, file, place }) in &self.good {
            world = world.with(key, object);
            by_object.insert(key.clone(), (file.clone(), place.clone()));
        }
        Loaded {
            world: world.build(),
            findings,
            locations: Locations { by_object },
        }
    }
}

impl Held {
    /// True when it holds something else than before.
    fn read(&mut self, path: &Path, depth: Depth) -> io::Result<bool> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return self.fail(error),
        };
        let metadata = file.metadata()?;
        let stamp = Some(Stamp::of(&metadata));
        if depth == Depth::Cursory && stamp == self.stamp && !self.is_unsettled() {
            return Ok(false);
        }
        self.stamp = stamp;
        let mut bytes = Vec::new();
        if metadata.len() <= MAX_FILE_LEN {
            // The file may grow while it is read.
            if let Err(error) = file.by_ref().take(MAX_FILE_LEN + 1).read_to_end(&mut bytes) {
                return self.fail(error);
            }
        }
        if metadata.len().max(bytes.len() as u64) > MAX_FILE_LEN {
            let message = format!("is larger than {MAX_FILE_LEN} bytes; split it");
            return self.fail(io::Error::other(message));
        }
        Ok(self.parse(&bytes))
    }

    fn parse(&mut self, bytes: &[u8]) -> bool {
        if !bytes.trim_ascii().is_empty() {
            self.empty_looks = 0;
        } else if self.empty_looks > 0 || !self.entries.is_empty() {
            self.empty_looks = self.empty_looks.saturating_add(1);
            if self.is_unsettled() {
                return false;
            }
        }
        let hash = Some(content_hash(&bytes));
        if hash == self.hash {
            return false;
        }
        self.hash = hash;
        self.entries = match std::str::from_utf8(bytes) {
            Ok(text) => yaml::documents(text).into_iter().flat_map(entries).collect(),
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()]
                    .iter()
                    .filter(|b| **b == b'\n')
                    .count() as u32;
                vec![broken(
                    line,
                    Reason::InvalidYaml,
                    "the file must be UTF-8 text".to_owned(),
                    None,
                )]
            }
        };
        true
    }

    /// Keeps nothing of the file but the reason; NotFound goes to the caller.
    fn fail(&mut self, error: io::Error) -> io::Result<bool> {
        if error.kind() == io::ErrorKind::NotFound {
            return Err(error);
        }
        let message = format!("the file can't be read: {error}");
        let hash = Some(content_hash(&message));
        let changed = hash != self.hash;
        self.hash = hash;
        self.entries = vec![broken(1, Reason::Unreadable, message, None)];
        Ok(changed)
    }

    fn is_unsettled(&self) -> bool {
        (1..EMPTY_LOOKS).contains(&self.empty_looks)
    }

    fn may_hide_objects(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.key.is_none() && entry.is_broken())
    }

    /// The findings of its entries, located, with a word on what keeps serving.
    fn findings(&self, file: &Path, kept: &BTreeSet<ObjectKey>, keeps_any: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for entry in &self.entries {
            let keeps = match &entry.key {
                Some(key) => entry.object.is_none() && kept.contains(key),
                None => entry.is_broken() && keeps_any,
            };
            for finding in &entry.findings {
                let mut finding = finding.clone();
                let line = entry.place.line_of(&finding.field);
                finding.location = Some(Location {
                    file: file.to_owned(),
                    line,
                });
                if keeps && finding.severity == Severity::Error {
                    finding.message.push_str("; the last good version keeps serving");
                }
                findings.push(finding);
            }
        }
        findings
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn entries(document: Result<yaml::Document, yaml::Broken>) -> Vec<Entry> {
    match document {
        Ok(document) => manifest::read(document),
        Err(yaml::Broken { line, message, seen }) => {
            let key = manifest::guess_key(|field| seen.get(field).cloned());
            vec![broken(line, Reason::InvalidYaml, message, key)]
        }
    }
}

fn broken(line: u32, reason: Reason, message: String, key: Option<ObjectKey>) -> Entry {
    let finding = Finding {
        severity: Severity::Error,
        object: key.clone(),
        location: None,
        field: String::new(),
        reason,
        message,
    };
    Entry {
        key,
        object: None,
        findings: vec![finding],
        place: Place::at_line(line),
    }
}

fn folder_finding(path: &Path, message: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        object: None,
        location: Some(Location {
            file: path.to_owned(),
            line: 1,
        }),
        field: String::new(),
        reason: Reason::Unreadable,
        message: format!("the folder {message}"),
    }
}

fn duplicate(key: &ObjectKey, here: Location, first: &Location) -> Finding {
    let at = format!("{}:{}", first.file.display(), first.line);
    Finding {
        severity: Severity::Error,
        object: Some(key.clone()),
        location: Some(here),
        field: String::new(),
        reason: Reason::DuplicateObject,
        message: format!("is already written at {at}, which counts; remove one of them"),
    }
}
