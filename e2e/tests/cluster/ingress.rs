//! What the conformance suite of Ingress asks of a controller, in a test for each of its features.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use bytes::Bytes;
use e2e::backends::fields;
use e2e::backends::web::Web;
use e2e::clients::http;
use e2e::cluster::expect::{addresses, ingress};
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use e2e::manifests::Backend;
use http_body_util::Full;
use libtest_mimic::Trial;

use crate::setting::{BACKENDS, Setting};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("ingress::hosts_paths_ports_tls_and_classes", rules),
        trial("ingress::the_default_backend_takes_everything", default_backend),
        trial("ingress::a_hundred_requests_reach_all_ten_endpoints", balancing),
    ]
}

/// Paths are `type path` with the port of Service `app` by number, or `type path name`.
fn object(name: &str, host: &str, paths: &[&str]) -> String {
    let mut yaml = format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\nspec:\n  \
         ingressClassName: holdfast\n  rules:\n  - host: '{host}'\n    http:\n      paths:\n"
    );
    for path in paths {
        let mut words = path.split(' ');
        let (kind, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let port = words
            .next()
            .map_or("number: 80".to_owned(), |name| format!("name: {name}"));
        yaml += &format!(
            "      - {{path: {path}, pathType: {kind}, backend: {{service: {{name: app, port: {{{port}}}}}}}}}\n"
        );
    }
    yaml
}

const FOREIGN: &str = "
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: other}
spec: {controller: example.com/other}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: foreign}
spec:
  ingressClassName: other
  rules:
  - host: foreign.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}
";

const TLS: &str = "
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: tls}
spec:
  ingressClassName: holdfast
  tls: [{hosts: [tls.test], secretName: tls}]
  rules:
  - host: tls.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}
";

/// Host and path, and whether the backend answers.
const PROBES: &[(&str, &str, bool)] = &[
    ("exact.test", "/foo", true),
    ("exact.test", "/foo/", false),
    ("exact.test", "/FOO", false),
    ("exact.test", "/bar", false),
    ("exact.test", "/", false),
    ("exact-slash.test", "/foo/", true),
    ("exact-slash.test", "/foo", false),
    ("prefix.test", "/foo", true),
    ("prefix.test", "/foo/", true),
    ("prefix.test", "/foo/bar", true),
    ("prefix.test", "/foobar", false),
    ("prefix.test", "/FOO", false),
    ("prefix.test", "/aaa", true),
    ("prefix.test", "/aaaccc", false),
    ("prefix.test", "/aaa/bbb", true),
    ("prefix-slash.test", "/aaa/bbb", true),
    ("prefix-slash.test", "/aaa/bbb/", true),
    ("prefix-slash.test", "/aaa/bbb/ccc", true),
    ("prefix-slash.test", "/aaa/bbbccc", false),
    ("named-port.test", "/", true),
    ("bar.foo.test", "/", true),
    ("baz.bar.foo.test", "/", false),
    ("foo.test", "/", false),
    ("unknown.test", "/", false),
    ("tls.test", "/", true),
    ("foreign.test", "/", false),
];

async fn rules(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    setting.serve("app").await?;
    let objects = [
        FOREIGN.to_owned(),
        TLS.to_owned(),
        object("exact", "exact.test", &["Exact /foo"]),
        object("exact-slash", "exact-slash.test", &["Exact /foo/"]),
        object(
            "prefix",
            "prefix.test",
            &["Prefix /foo", "Prefix /aaa", "Prefix /aaa/bbb"],
        ),
        object("prefix-slash", "prefix-slash.test", &["Prefix /aaa/bbb/"]),
        object("named-port", "named-port.test", &["Prefix / web"]),
        object("wildcard", "*.foo.test", &["Prefix /"]),
    ];
    setting.server.apply(&objects.concat()).await?;
    for (host, path, _) in PROBES.iter().filter(|(.., served)| *served) {
        setting.replica.until_served(host, path).await?;
    }
    for (host, path, served) in PROBES {
        let answer = http::get(setting.replica.http, host, path).await?;
        let expected = if *served { 200 } else { 404 };
        ensure!(
            answer.status == expected,
            "{host}{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    // Ours have the address at which they are served; the foreign one has none.
    let address = setting.replica.http.ip().to_string();
    for name in ["exact", "tls", "wildcard"] {
        let path = ingress("default", name);
        let has = |object: &serde_json::Value| addresses(object) == [address.clone()];
        setting.server.until("its address", &path, SOON, has).await?;
    }
    let foreign = setting.server.get(&ingress("default", "foreign")).await?;
    ensure!(addresses(&foreign).is_empty(), "{foreign}");
    // Host reaches the backend unchanged, also by a wildcard and with a port.
    let answer = http::get(setting.replica.http, "bar.foo.test:80", "/x?y=1")
        .await?
        .json()?;
    ensure!(fields(&answer, "host") == ["bar.foo.test:80"], "{answer}");
    ensure!(answer["path"] == "/x?y=1", "{answer}");
    Ok(())
}

async fn default_backend(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    setting.serve("app").await?;
    let object = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: all}\nspec:\n  \
                  ingressClassName: holdfast\n  defaultBackend: {service: {name: app, port: {number: 80}}}\n";
    setting.server.apply(object).await?;
    setting.replica.until_served("any.test", "/").await?;
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
        for (host, path) in [("any.test", "/"), ("other.example", "/a/b?c")] {
            let request = ::http::Request::builder()
                .method(method)
                .uri(path)
                .header("host", host)
                .header("user-agent", "conformance")
                .body(Full::<Bytes>::default())?;
            let answer = http::send(setting.replica.http, request).await?;
            ensure!(answer.status == 200, "{method} {host}{path}: {}", answer.status);
            for name in ["content-length", "content-type", "date", "server"] {
                ensure!(answer.field(name).is_some(), "no {name} in {:?}", answer.headers);
            }
            let seen = answer.json()?;
            ensure!(seen["method"] == method && seen["path"] == path, "{seen}");
            ensure!(seen["version"] == "HTTP/1.1", "{seen}");
            ensure!(fields(&seen, "user-agent") == ["conformance"], "{seen}");
        }
    }
    Ok(())
}

async fn balancing(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    setting.serve("app").await?;
    setting
        .server
        .apply(&object("app", "app.test", &["Prefix /"]))
        .await?;
    setting.replica.until_served("app.test", "/").await?;
    let mut more = vec![];
    for number in 1..10 {
        more.push(Web::start_at(subnet.at(BACKENDS + number, 8080)).await?);
    }
    let mut all = vec![setting.web.addr];
    all.extend(more.iter().map(|web| web.addr));
    setting.server.apply(&Backend::new("app", 1, &all).yaml()).await?;
    // The scale-up is seen when a new endpoint answers.
    let reached = |count: usize| {
        let to = setting.replica.http;
        async move {
            let mut seen = BTreeSet::new();
            for _ in 0..count {
                let answer = http::get(to, "app.test", "/").await.ok()?.json().ok()?;
                seen.insert(answer["at"].as_str()?.to_owned());
            }
            Some(seen)
        }
    };
    let all_ten = || async { reached(100).await.filter(|seen| seen.len() == all.len()) };
    e2e::deadline::until("all ten endpoints", SOON, all_ten)
        .await
        .map(drop)
}
