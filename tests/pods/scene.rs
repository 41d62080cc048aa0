//! A cluster with the example's chart in it, an AWS in the pod's network that knows the cluster's tokens, and the pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::plane::Plane;
use super::playing::Playing;
use super::sandbox::Sandbox;
use super::spec::{Pod, TokenAsk};
use crate::helm::charts::Charts;
use crate::kube::cluster::Cluster;
use crate::support::aws::Provider;
use crate::support::tools::tool;
use crate::support::{FakeAws, leaks};

/// The role that the example's values name.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/example";
/// The line of the example that runs the application.
const COMMAND: &str = r#"command: ["/bin/sh", "-c", "trap 'exit 0' TERM; while aws sts get-caller-identity; do sleep 300 & wait $!; done"]"#;

/// What there is before the pod.
pub struct Scene {
    pub cluster: &'static Cluster,
    pub namespace: String,
    pub charts: Charts,
    pub aws: FakeAws,
    sandbox: Arc<Sandbox>,
}

impl Scene {
    /// None where something is missing: the test that asks is skipped.
    pub fn ready() -> Option<Scene> {
        let (charts, sandbox, cluster) = (Charts::ready()?, Sandbox::ready()?, Cluster::shared()?);
        let namespace = cluster.namespace("played", &["pod-security.kubernetes.io/enforce=restricted"]);
        let aws = sandbox.inside(FakeAws::spawn_thread);
        let provider = Provider {
            issuer: cluster.issuer().to_owned(),
            keys: cluster.jwks(),
            audience: "sts.amazonaws.com".to_owned(),
            subject: format!("system:serviceaccount:{namespace}:example"),
        };
        aws.sts().set(|sts| sts.provider = Some(provider));
        Some(Scene { cluster, namespace, charts, aws, sandbox: Arc::new(sandbox) })
    }

    /// The application runs this instead.
    pub fn command(&self, words: &[&str]) {
        self.charts.replace(
            "example/templates/deployment.yaml",
            COMMAND,
            &format!("command: {}", json!(words)),
        );
    }

    /// The example as a Job with the one container that does its work.
    pub fn job(&self) {
        let file = "example/templates/deployment.yaml";
        self.charts.replace(file, "kind: Deployment", "kind: Job");
        self.charts.replace(file, "apiVersion: apps/v1", "apiVersion: batch/v1");
        self.charts.replace(file, "  replicas: 1\n  selector:\n", "");
        self.charts.replace(
            file,
            "    matchLabels: { app.kubernetes.io/instance: {{ .Release.Name }} }\n",
            "",
        );
        self.charts.replace(
            file,
            "      serviceAccountName:",
            "      restartPolicy: Never\n      serviceAccountName:",
        );
        let text = std::fs::read_to_string(self.charts.folder().join(file)).unwrap();
        let (before, rest) = text.split_once("        # Needs no AWS").unwrap();
        let (_, after) = rest.split_once("      volumes:\n").unwrap();
        self.charts.write(file, &format!("{before}      volumes:\n{after}"));
    }

    /// Installs the example or upgrades it. The values are its `keyfob`; an agent of theirs that has a private endpoint
    /// of STS is told so in the same way.
    #[track_caller]
    pub fn install(&self, keyfob: &Value) {
        let mut values = json!({ "extraEnv": [{ "name": "AWS_ENDPOINT_URL_STS", "value": self.aws.url() }] });
        values.as_object_mut().unwrap().extend(keyfob.as_object().unwrap().clone());
        self.charts.write("values.yaml", &json!({ "keyfob": values }).to_string());
        let fixed = ["upgrade", "--install", "example", "example", "--values", "values.yaml", "--namespace"];
        let helm = tool("helm").unwrap();
        let args = [&fixed[..], &[&self.namespace]].concat();
        self.cluster.program(&helm, self.charts.folder(), &args).expect_code(0);
    }

    /// A pod of the installed workload's template, as its controller makes one, and as the API server then has it.
    #[track_caller]
    pub fn admitted(&self, kind: &str) -> Value {
        let workload = self.cluster.get(&self.namespace, kind, "example");
        let mut pod = workload["spec"]["template"].clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "example-7c9f8d6b5-x2x4z".into();
        self.cluster.create(&self.namespace, &pod.to_string()).expect_code(0);
        self.cluster.get(&self.namespace, "pod", "example-7c9f8d6b5-x2x4z")
    }

    /// A pod that says nothing of keyfob but the label, equipped by the policies of a release.
    #[track_caller]
    pub fn injected(&self, words: &[&str]) -> Value {
        let values = json!({
            "injector": {
                "mode": "policy",
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": self.namespace } },
            },
            "keyfob": {
                "region": "eu-central-1",
                "roles": [{ "name": "default", "webIdentity": { "roleArn": ROLE } }],
                "extraEnv": [{ "name": "AWS_ENDPOINT_URL_STS", "value": self.aws.url() }],
            },
        });
        self.charts.write("injector.json", &values.to_string());
        let args =
            ["install", "keyfob", "keyfob", "--values", "injector.json", "--namespace", &self.namespace];
        self.cluster.program(&tool("helm").unwrap(), self.charts.folder(), &args).expect_code(0);
        let account =
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "example" } });
        self.cluster.create(&self.namespace, &account.to_string()).expect_code(0);
        let pod = labelled(words).to_string();
        // The API server takes notice of new policies after a moment, of each in its own time.
        let begun = std::time::Instant::now();
        loop {
            let made = self.cluster.dry_run(&self.namespace, &pod);
            if made.code() == Some(0) && made.json()["spec"]["initContainers"][0]["name"] == "keyfob" {
                break;
            }
            assert!(begun.elapsed().as_secs() < 60, "no policy that works: {made:?}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        self.cluster.create(&self.namespace, &pod).expect_code(0);
        self.cluster.get(&self.namespace, "pod", "labelled")
    }

    /// Does it in the pod's network.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.sandbox.inside(work)
    }

    /// Plays it. The application's image knows where STS is, as AWS's own does; nothing else is told to it.
    #[track_caller]
    pub fn play(&self, admitted: &Value) -> Playing {
        let outside = [("AWS_ENDPOINT_URL_STS".to_owned(), self.aws.url())];
        let plane = Arc::new(ApiServer(self.cluster));
        Playing::start(Arc::clone(&self.sandbox), admitted, plane, &outside)
    }
}

/// Of a user who has never heard of sidecars, in a namespace of the *restricted* kind.
fn labelled(words: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "labelled", "labels": { "keyfob.io/inject": "true" } },
        "spec": {
            "serviceAccountName": "example",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 8,
            "containers": [{
                "name": "app",
                "image": "amazon/aws-cli:2.31.0",
                "command": words,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 10001,
                    "runAsGroup": 10001,
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
            }],
        },
    })
}

struct ApiServer(&'static Cluster);

impl Plane for ApiServer {
    fn config_map(&self, namespace: &str, name: &str) -> BTreeMap<String, String> {
        let object = self.0.get(namespace, "configmap", name);
        serde_json::from_value(object["data"].clone()).unwrap()
    }

    fn token(&self, pod: &Pod, ask: &TokenAsk) -> String {
        let seconds = format!("{}s", ask.expiration_seconds);
        let account = ["--namespace", &pod.namespace, "create", "token", &pod.spec.service_account_name];
        let what = ["--audience", &ask.audience, "--duration", &seconds];
        let bound =
            ["--bound-object-kind", "Pod", "--bound-object-name", &pod.name, "--bound-object-uid", &pod.uid];
        let token = self.0.kubectl(&[&account[..], &what, &bound].concat()).expect_code(0);
        let token = token.stdout.trim().to_owned();
        leaks::secret(&token);
        token
    }
}
