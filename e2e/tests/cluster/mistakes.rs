//! Mistakes in objects that the API server accepts: each is told in a condition and an Event, with what to
//! write instead; the rest goes on, and the condition flips soon after its cause.

use anyhow::{Result, ensure};
use e2e::cluster::expect::{PROMPT, addresses, condition, route as at};
use e2e::cluster::network::Subnet;
use e2e::cluster::trial::trial;
use e2e::deadline::SOON;
use e2e::manifests::Backend;
use libtest_mimic::Trial;

use crate::setting::{Setting, route, simple_route};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("mistakes::of_backends_are_told_and_their_end_is_seen", backends),
        trial("mistakes::a_rule_that_loses_is_told_by_whom", conflicts),
        trial("mistakes::in_certificates_are_told", certificates),
        trial("mistakes::in_authorities_are_told_and_let_nobody_in", authorities),
        trial("mistakes::a_route_that_is_right_is_ready_for_kubectl_wait", ready),
    ]
}

async fn backends(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting {
        server, replica, web, ..
    } = &setting;
    let chat = at("default", "chat");
    setting.serve("chat-svc").await?;
    server.apply(&simple_route("steady")).await?;
    setting.serve("steady").await?;
    server.until_ready(&at("default", "steady"), SOON).await?;

    server.apply(&simple_route("chat")).await?;
    let missing = "Service 'chat' not found in 'default'; similar: 'chat-svc'";
    let unresolved = |reason| ("ResolvedRefs", "False", reason);
    server
        .until_condition(&chat, unresolved("BackendNotFound"), missing, PROMPT)
        .await?;
    server
        .until_event("default", "chat", "BackendNotFound", missing, SOON)
        .await?;
    replica
        .until_reason("chat.test", "/", Some("NoReadyEndpoints"), PROMPT)
        .await?;

    // The Service, but another port.
    let service = |port: u16| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: chat}}\nspec: {{ports: [{{name: web, port: {port}}}]}}\n"
        )
    };
    server.apply(&service(8081)).await?;
    let port = "Service 'chat' has no port 80; it has web (8081)";
    server
        .until_condition(&chat, unresolved("PortNotFound"), port, PROMPT)
        .await?;
    server
        .until_event("default", "chat", "PortNotFound", port, SOON)
        .await?;
    server.delete("service/chat").await?;

    // The port, but no endpoint that is ready.
    let endpoints = |ready: bool| {
        let mut backend = Backend::new("chat", 1, &[web.addr]);
        backend.endpoints[0].1 = ready;
        backend.yaml()
    };
    server.apply(&endpoints(false)).await?;
    let none = "'chat' has 0 of 1 endpoints ready; new handshakes get 503";
    let idle = ("NoReadyEndpoints", "True", "NoReadyEndpoints");
    server.until_condition(&chat, idle, none, PROMPT).await?;
    server
        .until_condition(&chat, ("ResolvedRefs", "True", "ResolvedRefs"), "", PROMPT)
        .await?;

    server.apply(&endpoints(true)).await?;
    let object = server.until_ready(&chat, PROMPT).await?;
    ensure!(condition(&object, "NoReadyEndpoints").is_none(), "{object}");
    replica.until_served("chat.test", "/").await?;

    // Another namespace.
    let elsewhere = "[{backendRefs: [{name: chat, namespace: shared, port: 80}]}]";
    server.apply(&route("stranger", elsewhere)).await?;
    let grant = "ReferenceGrant in 'shared'";
    let stranger = at("default", "stranger");
    server
        .until_condition(&stranger, unresolved("RefNotPermitted"), grant, PROMPT)
        .await?;
    server
        .until_event("default", "stranger", "RefNotPermitted", grant, SOON)
        .await?;
    // Meanwhile nobody else was harmed.
    replica.until_served("steady.test", "/").await?;
    server
        .until_ready(&at("default", "steady"), PROMPT)
        .await
        .map(drop)
}

async fn conflicts(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting { server, replica, .. } = &setting;
    setting.serve("first").await?;
    let hosts = |name: &str| simple_route(name).replace(&format!("{name}.test"), "same.test");
    server.apply(&hosts("first")).await?;
    server.until_ready(&at("default", "first"), SOON).await?;
    // Creation times have whole seconds, and names break ties: 'second' loses either way.
    server
        .apply(&hosts("second").replace("name: second, port", "name: first, port"))
        .await?;
    let second = at("default", "second");
    let winner = "'/' on 'same.test' is already served by WebSocketRoute default/first";
    server
        .until_condition(&second, ("Conflicted", "True", "Conflicted"), winner, PROMPT)
        .await?;
    server
        .until_event("default", "second", "Conflicted", winner, SOON)
        .await?;
    server.until_ready(&at("default", "first"), PROMPT).await?;
    // The winner goes, and the loser takes its place.
    server.delete("websocketroute/first").await?;
    let object = server.until_ready(&second, PROMPT).await?;
    ensure!(condition(&object, "Conflicted").is_none(), "{object}");
    replica.until_served("same.test", "/").await
}

const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: secure}
spec:
  tls: [{hosts: [secure.test], secretName: chat-tls}]
  rules:
  - host: secure.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: secure, port: {number: 80}}}}]}
";

/// A Secret with a certificate that ends in two days and some hours.
fn secret(host: &str) -> Result<String> {
    let key = rcgen::KeyPair::generate()?;
    let mut parameters = rcgen::CertificateParams::new(vec![host.to_owned()])?;
    let now = time::OffsetDateTime::now_utc();
    parameters.not_before = now - time::Duration::days(80);
    parameters.not_after = now + time::Duration::hours(60);
    let certificate = parameters.self_signed(&key)?;
    let object = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chat-tls"}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate.pem(), "tls.key": key.serialize_pem()},
    });
    Ok(object.to_string())
}

async fn certificates(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &["rbac.secrets=All"]).await?;
    let Setting { server, replica, .. } = &setting;
    setting.serve("secure").await?;
    server.apply(INGRESS).await?;
    replica.until_served("secure.test", "/").await?;
    let missing = "Secret 'chat-tls' not found in 'default'";
    server
        .until_event("default", "secure", "CertificateNotFound", missing, SOON)
        .await?;
    let opaque =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: chat-tls}\nstringData: {tls.crt: nonsense}\n";
    server.apply(opaque).await?;
    let wrong = "'chat-tls' is Opaque and lacks 'tls.key'; must be kubernetes.io/tls";
    server
        .until_event("default", "secure", "InvalidCertificate", wrong, SOON)
        .await?;
    // Another's, and nobody renews it.
    server.delete("secret/chat-tls").await?;
    server.apply(&secret("www.secure.test")?).await?;
    let other = "covers 'www.secure.test', not 'secure.test'; browsers will refuse wss://";
    server
        .until_event("default", "secure", "CertificateNameMismatch", other, SOON)
        .await?;
    server
        .until_event(
            "default",
            "secure",
            "CertificateExpiring",
            "'chat-tls' expires in 2d",
            SOON,
        )
        .await?;
    // Served all the same without TLS.
    replica.until_served("secure.test", "/").await
}

async fn authorities(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &["rbac.secrets=All"]).await?;
    let Setting { server, replica, .. } = &setting;
    setting.serve("members").await?;
    let tls = "tls: {insecurePolicy: Allow, clientValidation: {caRef: {kind: ConfigMap, name: members-ca}}}";
    let spec = simple_route("members").replace("spec:\n", &format!("spec:\n  {tls}\n"));
    server.apply(&spec).await?;
    let members = at("default", "members");
    let missing = "ConfigMap 'members-ca' not found in 'default'; every rule answers 503";
    server
        .until_condition(
            &members,
            ("ResolvedRefs", "False", "CertificateNotFound"),
            missing,
            PROMPT,
        )
        .await?;
    replica
        .until_reason("members.test", "/", Some("NoReadyEndpoints"), PROMPT)
        .await?;
    let key = rcgen::KeyPair::generate()?;
    let mut parameters = rcgen::CertificateParams::new(vec![])?;
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "members-ca"},
        "data": {"ca.crt": parameters.self_signed(&key)?.pem()},
    });
    server.apply(&map.to_string()).await?;
    server.until_ready(&members, SOON).await?;
    // Who has shown no certificate.
    replica
        .until_reason("members.test", "/", Some("TlsRequired"), PROMPT)
        .await
}

async fn ready(subnet: Subnet) -> Result<()> {
    let setting = Setting::start(subnet, &[]).await?;
    let Setting { server, replica, .. } = &setting;
    setting.serve("chat").await?;
    server.apply(&simple_route("chat")).await?;
    server
        .kubectl(&["wait", "--for=condition=Ready", "--timeout=30s", "wsr/chat"])
        .await?;
    let object = server.get(&at("default", "chat")).await?;
    ensure!(object["status"]["endpoints"]["ready"] == 1, "{object}");
    ensure!(object["status"]["urls"][0] == "ws://chat.test/", "{object}");
    ensure!(
        object["status"]["observedGeneration"] == object["metadata"]["generation"],
        "{object}"
    );
    ensure!(addresses(&object) == [replica.http.ip().to_string()], "{object}");
    replica.until_served("chat.test", "/").await?;
    let table = server.kubectl(&["get", "wsr", "chat"]).await?;
    let row = table.lines().nth(1).unwrap_or_default();
    println!("{table}");
    for text in ["chat", "chat.test", "True", "1"] {
        ensure!(row.contains(text), "no '{text}' in\n{table}");
    }
    Ok(())
}
