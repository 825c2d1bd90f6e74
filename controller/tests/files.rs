//! The folder of manifests over real events of the system: every way that files get saved.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use controller::source::files::Loaded;
use controller::source::files::watch::{Timing, watch};
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bound on everything that must happen.
const SOON: Duration = Duration::from_secs(10);

struct Folder {
    _outer: tempfile::TempDir,
    root: PathBuf,
    loaded: channel::Receiver<Option<Arc<Loaded>>>,
    rescan: mpsc::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Folder {
    /// Watches a folder. Looking without an event is slower than any test's patience, so that only
    /// events count.
    async fn watch(prepare: impl FnOnce(&Path)) -> Self {
        let timing = Timing {
            rescan: Duration::from_secs(600),
            ..Timing::default()
        };
        Self::watch_with(timing, prepare).await
    }

    async fn watch_with(timing: Timing, prepare: impl FnOnce(&Path)) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("manifests");
        fs::create_dir(&root).unwrap();
        prepare(&root);
        let (sender, mut loaded) = channel::channel(None);
        let (rescan, receiver) = mpsc::channel(1);
        let task = tokio::spawn(watch(root.clone(), timing, receiver, sender));
        timeout(SOON, loaded.changed()).await.unwrap().unwrap();
        Self {
            _outer: outer,
            root,
            loaded,
            rescan,
            task,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Waits until the services are these.
    async fn services(&mut self, expected: &[(&str, i32)]) {
        let fits =
            |loaded: &Option<Arc<Loaded>>| loaded.as_ref().is_some_and(|loaded| ports(loaded) == expected);
        let found = timeout(SOON, self.loaded.wait_for(fits)).await;
        let found = found.map(|found| found.is_ok());
        let now = self
            .loaded
            .borrow()
            .as_ref()
            .map(|loaded| format!("{:?}", ports(loaded)));
        assert_eq!(found, Ok(true), "must become {expected:?}, is {now:?}");
    }

    /// Waits until some finding has these words.
    async fn finding(&mut self, words: &str) {
        let fits = |loaded: &Option<Arc<Loaded>>| {
            let findings = loaded.iter().flat_map(|loaded| &loaded.findings);
            findings
                .into_iter()
                .any(|finding| finding.to_string().contains(words))
        };
        let found = timeout(SOON, self.loaded.wait_for(fits))
            .await
            .map(|found| found.is_ok());
        assert_eq!(found, Ok(true), "no finding with '{words}'");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn ports(loaded: &Loaded) -> Vec<(&str, i32)> {
    let services = loaded.world.services.iter();
    services
        .map(|(name, service)| (name.name.as_str(), service.ports[0].number))
        .collect()
}

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n"
    )
}

#[tokio::test]
async fn writes_in_place_new_files_and_removals() {
    let mut folder = Folder::watch(|root| fs::write(root.join("a.yaml"), service("a", 1)).unwrap()).await;
    folder.services(&[("a", 1)]).await;
    fs::write(folder.path("a.yaml"), service("a", 2)).unwrap();
    folder.services(&[("a", 2)]).await;
    fs::write(
        folder.path("b.json"),
        r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},"spec":{"ports":[{"port":3}]}}"#,
    )
    .unwrap();
    folder.services(&[("a", 2), ("b", 3)]).await;
    fs::remove_file(folder.path("a.yaml")).unwrap();
    folder.services(&[("b", 3)]).await;
}

#[tokio::test]
async fn an_empty_folder_is_a_complete_first_look() {
    let mut folder = Folder::watch(|_| {}).await;
    folder.services(&[]).await;
    fs::write(folder.path("a.yaml"), service("a", 1)).unwrap();
    folder.services(&[("a", 1)]).await;
}

#[tokio::test]
async fn the_ways_that_editors_save() {
    let mut folder = Folder::watch(|root| fs::write(root.join("a.yaml"), service("a", 1)).unwrap()).await;
    // A finished file renamed into place (sed -i, many editors).
    fs::write(folder.path("sedXyZ"), service("a", 2)).unwrap();
    fs::rename(folder.path("sedXyZ"), folder.path("a.yaml")).unwrap();
    folder.services(&[("a", 2)]).await;
    // The old file moved away, a new one written, the backup removed (vim).
    fs::write(folder.path(".a.yaml.swp"), "swap").unwrap();
    fs::rename(folder.path("a.yaml"), folder.path("a.yaml~")).unwrap();
    fs::write(folder.path("a.yaml"), service("a", 3)).unwrap();
    fs::remove_file(folder.path("a.yaml~")).unwrap();
    folder.services(&[("a", 3)]).await;
    // A hidden temporary file renamed into place.
    fs::write(folder.path(".#a.yaml"), service("a", 4)).unwrap();
    fs::rename(folder.path(".#a.yaml"), folder.path("a.yaml")).unwrap();
    folder.services(&[("a", 4)]).await;
}

#[tokio::test]
async fn a_file_seen_empty_while_it_is_written_loses_nothing() {
    let timing = Timing {
        rescan: Duration::from_secs(600),
        unsettled: Duration::from_secs(600),
        ..Timing::default()
    };
    let prepare = |root: &Path| fs::write(root.join("a.yaml"), service("a", 1)).unwrap();
    let mut folder = Folder::watch_with(timing, prepare).await;
    // The neighbour's change proves that the empty file was looked at.
    fs::write(folder.path("a.yaml"), "").unwrap();
    fs::write(folder.path("b.yaml"), service("b", 1)).unwrap();
    folder.services(&[("a", 1), ("b", 1)]).await;
    fs::write(folder.path("a.yaml"), service("a", 2)).unwrap();
    folder.services(&[("a", 2), ("b", 1)]).await;
}

#[tokio::test]
async fn a_file_that_stays_empty_is_meant() {
    let mut folder = Folder::watch(|root| fs::write(root.join("a.yaml"), service("a", 1)).unwrap()).await;
    fs::write(folder.path("a.yaml"), "").unwrap();
    folder.services(&[]).await;
}

#[tokio::test]
async fn a_swapped_link_as_in_a_mounted_config_map() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join("..1")).unwrap();
        fs::write(root.join("..1/a.yaml"), service("a", 1)).unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
    };
    let mut folder = Folder::watch(prepare).await;
    folder.services(&[("a", 1)]).await;
    for (old, new) in [(1, 2), (2, 3)] {
        fs::create_dir(folder.path(&format!("..{new}"))).unwrap();
        fs::write(folder.path(&format!("..{new}/a.yaml")), service("a", new)).unwrap();
        symlink(format!("..{new}"), folder.path("..data_tmp")).unwrap();
        fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
        fs::remove_dir_all(folder.path(&format!("..{old}"))).unwrap();
        folder.services(&[("a", i32::from(new))]).await;
    }
}

#[tokio::test]
async fn new_subfolders_are_watched_too() {
    let mut folder = Folder::watch(|_| {}).await;
    fs::create_dir_all(folder.path("x/y")).unwrap();
    fs::write(folder.path("x/y/a.yaml"), service("a", 1)).unwrap();
    folder.services(&[("a", 1)]).await;
    fs::write(folder.path("x/y/a.yaml"), service("a", 2)).unwrap();
    folder.services(&[("a", 2)]).await;
    fs::rename(folder.path("x"), folder.path("z")).unwrap();
    fs::write(folder.path("z/y/b.yaml"), service("b", 3)).unwrap();
    folder.services(&[("a", 2), ("b", 3)]).await;
    fs::remove_dir_all(folder.path("z")).unwrap();
    folder.services(&[]).await;
}

#[tokio::test]
async fn a_folder_that_goes_away_keeps_serving_until_it_is_back() {
    let mut folder = Folder::watch(|root| fs::write(root.join("a.yaml"), service("a", 1)).unwrap()).await;
    let away = folder.root.with_extension("away");
    fs::rename(&folder.root, &away).unwrap();
    folder.finding("the last good objects keep serving").await;
    folder.services(&[("a", 1)]).await;
    fs::create_dir(&folder.root).unwrap();
    fs::write(folder.path("a.yaml"), service("a", 2)).unwrap();
    folder.services(&[("a", 2)]).await;
    fs::write(folder.path("a.yaml"), service("a", 3)).unwrap();
    folder.services(&[("a", 3)]).await;
    assert!(folder.loaded.borrow().as_ref().unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_broken_save_keeps_the_last_good_version() {
    let mut folder = Folder::watch(|root| fs::write(root.join("a.yaml"), service("a", 1)).unwrap()).await;
    fs::write(
        folder.path("a.yaml"),
        "apiVersion: v1\nkind: Service\nmetadata: {name: a\n",
    )
    .unwrap();
    folder.finding("the last good version keeps serving").await;
    folder.services(&[("a", 1)]).await;
    fs::write(folder.path("a.yaml"), service("a", 2)).unwrap();
    folder.services(&[("a", 2)]).await;
}

#[tokio::test]
async fn a_missed_event_is_healed_by_looking_and_by_asking() {
    // What a link leads to is written outside, of which no event tells.
    let outside = tempfile::tempdir().unwrap();
    let other = outside.path().join("a");
    let write = |text: String| {
        fs::write(&other, text).unwrap();
    };
    let timing = Timing {
        rescan: Duration::from_millis(100),
        ..Timing::default()
    };
    write(service("a", 1));
    let link = |root: &Path| symlink(&other, root.join("a.yaml")).unwrap();
    let mut looking = Folder::watch_with(timing, link).await;
    let mut asked = Folder::watch(link).await;
    write(service("a", 22));
    looking.services(&[("a", 22)]).await;
    asked.rescan.send(()).await.unwrap();
    asked.services(&[("a", 22)]).await;
}

#[tokio::test]
async fn a_missing_folder_at_the_start_is_an_error_that_says_what_to_do() {
    let (sender, _loaded) = channel::channel(None);
    let (_rescan, receiver) = mpsc::channel(1);
    let ended = watch(
        PathBuf::from("/nowhere/at/all"),
        Timing::default(),
        receiver,
        sender,
    )
    .await;
    let error = format!("{:#}", ended.unwrap_err());
    assert!(
        error.contains("/nowhere/at/all") && error.contains("--files"),
        "{error}"
    );
}
