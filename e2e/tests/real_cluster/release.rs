//! The release and the application behind it.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use e2e::binaries::workspace;
use e2e::cluster::live::{apply, get, helm, kubectl};
use e2e::deadline::{SOON, until};

/// Namespace and name of the release.
pub(crate) const RELEASE: &str = "holdfast";
/// Namespace of the application.
pub(crate) const APP: &str = "holdfast-chat";
/// Settings that make a pod's end quick; they stay in proportion.
const QUICK: [&str; 5] = [
    "drain.preStopDelay=2s",
    "drain.window=5s",
    "drain.deadline=20s",
    "ingressClass.default=true",
    "controller.allowExternalNames=true",
];

/// The image to install, as the cluster's nodes know it.
pub(crate) fn image() -> Result<String> {
    let image = std::env::var_os("HOLDFAST_IMAGE").and_then(|image| image.into_string().ok());
    image.context("HOLDFAST_IMAGE must name the image, such as 'holdfast:test'; `make test-cluster` sets it")
}

/// `helm install` or `helm upgrade` with more values; returns when all pods are ready.
pub(crate) async fn deploy(verb: &str, more: &[&str]) -> Result<()> {
    let image = image()?;
    let (repository, tag) = image
        .rsplit_once(':')
        .context("HOLDFAST_IMAGE must be 'NAME:TAG'")?;
    let names = [
        "image.registry=".to_owned(),
        format!("image.repository={repository}"),
        format!("image.tag={tag}"),
    ];
    let chart = workspace().join("charts/holdfast");
    let chart = chart.to_string_lossy();
    let mut arguments = vec![verb, RELEASE, &chart, "-n", RELEASE, "--wait", "--timeout", "3m"];
    let values = names
        .iter()
        .map(String::as_str)
        .chain(QUICK)
        .chain(more.iter().copied());
    arguments.extend(values.flat_map(|value| ["--set", value]));
    match helm(&arguments).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.context(state().await)),
    }
}

/// What the cluster says of the release and of its node: helm says only that it waited in vain.
async fn state() -> String {
    let questions: [&[&str]; 3] = [
        &["describe", "nodes"],
        &["describe", "pods", "-n", RELEASE],
        &[
            "logs",
            "-n",
            RELEASE,
            "-l",
            "app.kubernetes.io/component=proxy",
            "--all-containers",
            "--prefix",
            "--tail=20",
        ],
    ];
    let mut text = String::new();
    for question in questions {
        let answer = kubectl(question)
            .await
            .unwrap_or_else(|error| format!("{error:#}"));
        text.push_str(&format!("$ kubectl {}\n{answer}\n", question.join(" ")));
    }
    text
}

/// Makes a namespace in which Pod Security `restricted` is enforced.
pub(crate) async fn namespace(name: &str) -> Result<()> {
    kubectl(&["create", "namespace", name]).await?;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", name, label]).await.map(drop)
}

/// An echo with three pods, its route, and another that finds it through the cluster's DNS.
pub(crate) async fn application() -> Result<()> {
    let image = image()?;
    let yaml = format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: chat}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: chat}}}}
  template:
    metadata: {{labels: {{app: chat}}}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 10
      securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
      - name: echo
        image: {image}
        imagePullPolicy: IfNotPresent
        command: [/holdfast, echo, '--listen=0.0.0.0:8080']
        ports: [{{name: web, containerPort: 8080}}]
        readinessProbe: {{tcpSocket: {{port: web}}, periodSeconds: 1}}
        lifecycle: {{preStop: {{sleep: {{seconds: 2}}}}}}
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: chat}}
spec: {{selector: {{app: chat}}, ports: [{{name: web, port: 80, targetPort: web}}]}}
---
apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {{name: chat}}
spec:
  hostnames: [chat.test]
  rules: [{{backendRefs: [{{name: chat, port: 80}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: alias}}
spec: {{type: ExternalName, externalName: chat.{APP}.svc.cluster.local, ports: [{{port: 80}}]}}
---
apiVersion: holdfast.dev/v1alpha1
kind: WebSocketRoute
metadata: {{name: alias}}
spec:
  hostnames: [alias.test]
  rules: [{{backendRefs: [{{name: alias, port: 80}}]}}]
"
    );
    apply(APP, &yaml).await?;
    rolled_out().await?;
    kubectl(&[
        "wait",
        "--for=condition=Ready",
        "--timeout=60s",
        "-n",
        APP,
        "wsr/chat",
    ])
    .await
    .map(drop)
}

/// Waits until the application's pods are those of its last version.
pub(crate) async fn rolled_out() -> Result<()> {
    kubectl(&[
        "rollout",
        "status",
        "-n",
        APP,
        "deployment/chat",
        "--timeout=120s",
    ])
    .await
    .map(drop)
}

/// The address of the release's Service, once it is known.
pub(crate) async fn address() -> Result<SocketAddr> {
    let service = get(RELEASE, &["service", RELEASE]).await?;
    let ip = service["spec"]["clusterIP"].as_str().context("no address")?;
    Ok(SocketAddr::new(ip.parse()?, 80))
}

/// Names and addresses of the pods with a label.
pub(crate) async fn pods(namespace: &str, label: &str) -> Result<Vec<(String, String)>> {
    let list = get(namespace, &["pods", "-l", label]).await?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pods = list["items"].as_array().into_iter().flatten();
    Ok(pods
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| (text(&pod["metadata"]["name"]), text(&pod["status"]["podIP"])))
        .collect())
}

/// The pods' two containers: one has a token, the one that reads what clients send has none.
pub(crate) async fn token_is_the_controllers_alone() -> Result<()> {
    let list = get(RELEASE, &["pods", "-l", "app.kubernetes.io/component=proxy"]).await?;
    let pods = list["items"].as_array().context("no pods")?;
    ensure!(!pods.is_empty(), "no pods");
    for pod in pods {
        let spec = &pod["spec"];
        ensure!(
            spec["automountServiceAccountToken"] == false,
            "the token is mounted everywhere"
        );
        let all = [&spec["initContainers"], &spec["containers"]];
        for container in all.into_iter().filter_map(serde_json::Value::as_array).flatten() {
            let mounts = container["volumeMounts"].as_array().into_iter().flatten();
            let has_token = mounts
                .filter_map(|mount| mount["mountPath"].as_str())
                .any(|path| path.contains("serviceaccount"));
            let name = &container["name"];
            ensure!(
                has_token == (name == "controller"),
                "a token in {name}: {has_token}"
            );
        }
        // The same image, asked there to write: nobody asks.
        let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
        let ask = [
            "exec",
            "-n",
            RELEASE,
            pod,
            "-c",
            "dataplane",
            "--",
            "/holdfast",
            "clear-status",
        ];
        let said = match kubectl(&ask).await {
            Ok(said) => anyhow::bail!("the data plane's container reaches the API: {said}"),
            Err(error) => format!("{error:#}"),
        };
        ensure!(said.contains("this is no pod with a service account"), "{said}");
    }
    Ok(())
}

/// Waits until a namespace has no pods of the release.
pub(crate) async fn gone() -> Result<()> {
    until("the end of the pods", SOON * 2, || async {
        let left = pods(RELEASE, "app.kubernetes.io/component=proxy").await.ok()?;
        left.is_empty().then_some(())
    })
    .await
}
