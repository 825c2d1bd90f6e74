use std::fs;

use super::store::{Depth, EMPTY_LOOKS};
use super::*;
use crate::compile::Severity;
use crate::world::Kind;

fn service(name: &str, port: u16) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  ports:\n  - port: {port}\n")
}

struct Folder {
    dir: tempfile::TempDir,
    store: Store,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        Self { dir, store }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn look(&mut self) -> Loaded {
        let listing = scan::list(self.dir.path()).unwrap();
        self.store.take(listing, Depth::Thorough);
        self.store.merge()
    }
}

/// Names and first ports of the services.
fn ports(loaded: &Loaded) -> Vec<(String, i32)> {
    let services = loaded.world.services.iter();
    services
        .map(|(name, service)| (name.name.clone(), service.ports[0].number))
        .collect()
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let errors = loaded
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

#[test]
fn a_broken_document_keeps_the_last_good_version_and_spares_the_others() {
    let mut folder = Folder::new();
    folder.write(
        "a.yaml",
        &format!("{}---\n{}", service("one", 1), service("two", 2)),
    );
    assert_eq!(ports(&folder.look()), [("one".into(), 1), ("two".into(), 2)]);

    // A wrong field: the object is known by name.
    let wrong = service("one", 10).replace("ports", "porst");
    folder.write("a.yaml", &format!("{wrong}---\n{}", service("two", 20)));
    let loaded = folder.look();
    assert_eq!(ports(&loaded), [("one".into(), 1), ("two".into(), 20)]);
    let expected = format!(
        "{}:5: error: Service default/one: unknown field `spec.porst`; did you mean `spec.ports`?; the last good version keeps serving (UnknownField)",
        folder.dir.path().join("a.yaml").display()
    );
    assert_eq!(errors(&loaded), [expected]);

    // No YAML, and broken before its name: any object of the file may be meant.
    folder.write("a.yaml", &format!("kind: {{Service\n---\n{}", service("two", 21)));
    let loaded = folder.look();
    assert_eq!(ports(&loaded), [("one".into(), 1), ("two".into(), 21)]);
    assert_eq!(errors(&loaded).len(), 1);

    // Healed without "one": now it is gone.
    folder.write("a.yaml", &service("two", 22));
    assert_eq!(ports(&folder.look()), [("two".into(), 22)]);
}

#[test]
fn deleting_a_document_or_file_removes_its_objects() {
    let mut folder = Folder::new();
    folder.write("a.yaml", &service("one", 1));
    folder.write("sub/b.yml", &service("two", 2));
    folder.write(".hidden.yaml", &service("three", 3));
    folder.write("notes.txt", &service("four", 4));
    assert_eq!(ports(&folder.look()), [("one".into(), 1), ("two".into(), 2)]);
    fs::remove_dir_all(folder.dir.path().join("sub")).unwrap();
    assert_eq!(ports(&folder.look()), [("one".into(), 1)]);
    // Moving to another file is no change.
    fs::rename(folder.dir.path().join("a.yaml"), folder.dir.path().join("c.yaml")).unwrap();
    assert_eq!(ports(&folder.look()), [("one".into(), 1)]);
}

#[test]
fn of_an_object_written_twice_the_first_file_counts() {
    let mut folder = Folder::new();
    folder.write("b.yaml", &service("one", 2));
    folder.write("a.yaml", &service("one", 1));
    let loaded = folder.look();
    assert_eq!(ports(&loaded), [("one".into(), 1)]);
    assert_eq!(loaded.findings.len(), 1);
    assert!(
        errors(&loaded)[0].contains("b.yaml:1: error: Service default/one"),
        "{:?}",
        errors(&loaded)
    );
    assert!(errors(&loaded)[0].contains("a.yaml:1, which counts"));
}

#[test]
fn an_emptied_file_keeps_its_objects_for_a_few_looks() {
    let mut folder = Folder::new();
    folder.write("a.yaml", &service("one", 1));
    folder.look();
    folder.write("a.yaml", "");
    for _ in 1..EMPTY_LOOKS {
        assert_eq!(ports(&folder.look()), [("one".into(), 1)]);
        assert!(folder.store.is_unsettled());
    }
    assert_eq!(ports(&folder.look()), []);
    assert!(!folder.store.is_unsettled());

    folder.write("a.yaml", &service("one", 2));
    folder.look();
    folder.write("a.yaml", "\n");
    folder.look();
    folder.write("a.yaml", &service("one", 3));
    assert_eq!(ports(&folder.look()), [("one".into(), 3)]);
    assert!(!folder.store.is_unsettled());
}

#[test]
fn sizes_are_bounded_and_a_file_too_large_keeps_what_it_held() {
    let mut folder = Folder::new();
    folder.write("a.yaml", &service("one", 1));
    folder.look();
    let filler = "#".repeat(MAX_FILE_LEN as usize);
    folder.write("a.yaml", &format!("{filler}\n{}", service("one", 2)));
    let loaded = folder.look();
    assert_eq!(ports(&loaded), [("one".into(), 1)]);
    assert!(
        errors(&loaded)[0].contains("larger than"),
        "{:?}",
        errors(&loaded)
    );
}

#[test]
fn links_in_a_circle_end() {
    let mut folder = Folder::new();
    folder.write("sub/a.yaml", &service("one", 1));
    std::os::unix::fs::symlink(folder.dir.path(), folder.dir.path().join("sub/again")).unwrap();
    assert_eq!(ports(&folder.look()), [("one".into(), 1)]);
}

#[test]
fn lists_are_unpacked_and_located() {
    let mut folder = Folder::new();
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: one\n  spec:\n    ports:\n    - port: 1\n- kind: Service\n  apiVersion: v1\n  metadata:\n    name: two\n  spec:\n    ports:\n    - port: high\n";
    folder.write("a.yaml", list);
    let loaded = folder.look();
    assert_eq!(ports(&loaded), [("one".into(), 1)]);
    assert!(
        errors(&loaded)[0]
            .contains("a.yaml:17: error: Service default/two: `spec.ports[0].port` must be a whole number"),
        "{:?}",
        errors(&loaded)
    );
    let key = ObjectKey {
        kind: Kind::Service,
        namespace: "default".into(),
        name: "one".into(),
    };
    assert_eq!(
        loaded.locations.find(&key, "spec.ports[0].port").unwrap().line,
        10
    );
}

#[test]
fn other_kinds_are_passed_over_and_misspelled_ones_are_not() {
    let mut folder = Folder::new();
    folder.write(
        "a.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
    );
    folder.write(
        "b.yaml",
        "apiVersion: holdfast.dev/v1alpha1\nkind: WebsocketRoute\nmetadata: {name: x}\n",
    );
    folder.write(
        "c.yaml",
        "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: x}\n",
    );
    folder.write("d.yaml", "apiVersion: v1\nkind: Endpoints\nmetadata: {name: x}\n");
    let loaded = folder.look();
    let reasons: Vec<&str> = loaded
        .findings
        .iter()
        .map(|finding| finding.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        ["IgnoredKind", "UnknownKind", "UnknownKind", "IgnoredKind"]
    );
    assert!(
        loaded.findings[1]
            .message
            .ends_with("did you mean 'WebSocketRoute'?")
    );
    assert!(
        loaded.findings[2]
            .message
            .contains("must be 'networking.k8s.io/v1'")
    );
}

#[test]
fn a_secret_that_breaks_keeps_the_certificate_that_it_held() {
    let pair = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let secret = |chain: &str, key: &str| {
        let value = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": chain, "tls.key": key},
        });
        value.to_string()
    };
    let usable = |loaded: &Loaded| {
        let name = crate::world::Name::new("default", "tls");
        loaded
            .world
            .secrets
            .get(&name)
            .and_then(|secret| secret.certificate.usable().cloned())
    };
    let ((chain, key), (_, other)) = (pair(), pair());
    let mut folder = Folder::new();
    folder.write("tls.json", &secret(&chain, &key));
    let good = usable(&folder.look());
    assert!(good.is_some());
    // Twice: what is kept is kept from one look to the next.
    for key in [&other, &chain] {
        folder.write("tls.json", &secret(&chain, key));
        assert_eq!(usable(&folder.look()), good);
    }
    fs::remove_file(folder.dir.path().join("tls.json")).unwrap();
    folder.look();
    folder.write("tls.json", &secret(&chain, &other));
    assert_eq!(usable(&folder.look()), None, "what was removed is gone");
}
