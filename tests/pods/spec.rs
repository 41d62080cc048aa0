//! The Pod object as the API server admitted it, as far as it is played; a field that is not played is refused, so that
//! nothing it asks for is passed over in silence.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// What asks for nothing here, and what is not played: no scheduler, no image store, no limits, no seccomp.
const PASSED_OVER: [&str; 12] = [
    "automountServiceAccountToken",
    "dnsPolicy",
    "enableServiceLinks",
    "imagePullPolicy",
    "preemptionPolicy",
    "priority",
    "resources",
    "schedulerName",
    "seccompProfile",
    "serviceAccount",
    "terminationMessagePath",
    "tolerations",
];

/// Who the pod is, and what it is made of.
#[derive(Debug)]
pub struct Pod {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    #[serde(default)]
    pub init_containers: Vec<Container>,
    pub containers: Vec<Container>,
    #[serde(default)]
    pub volumes: Vec<Volume>,
    #[serde(default)]
    security_context: Security,
    restart_policy: String,
    termination_grace_period_seconds: u64,
    #[serde(default = "default_account")]
    pub service_account_name: String,
    #[serde(default = "the_node")]
    pub node_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    pub name: String,
    pub image: String,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: Vec<Variable>,
    #[serde(default)]
    pub ports: Vec<Port>,
    #[serde(default)]
    pub volume_mounts: Vec<Mount>,
    #[serde(default)]
    security_context: Security,
    restart_policy: Option<String>,
    pub termination_message_policy: String,
    pub startup_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub liveness_probe: Option<Probe>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Security {
    run_as_non_root: Option<bool>,
    run_as_user: Option<u32>,
    run_as_group: Option<u32>,
    #[serde(default)]
    supplemental_groups: Vec<u32>,
    fs_group: Option<u32>,
    allow_privilege_escalation: Option<bool>,
    read_only_root_filesystem: Option<bool>,
    capabilities: Option<Value>,
}

/// Who a container is, after pod and container had their say.
#[derive(Debug)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub read_only_root: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variable {
    pub name: String,
    #[serde(default)]
    pub value: String,
    pub value_from: Option<ValueFrom>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueFrom {
    field_ref: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    pub name: Option<String>,
    pub container_port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    pub name: String,
    pub mount_path: String,
    #[serde(default)]
    pub read_only: bool,
}

/// Seconds and counts as the API server fills them in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    pub http_get: Option<HttpGet>,
    pub exec: Option<Exec>,
    #[serde(default)]
    pub initial_delay_seconds: u64,
    pub period_seconds: u64,
    pub timeout_seconds: u64,
    pub failure_threshold: u64,
    pub success_threshold: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGet {
    pub path: String,
    pub port: Value,
    pub scheme: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exec {
    pub command: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    pub name: String,
    pub empty_dir: Option<EmptyDir>,
    pub config_map: Option<ConfigMap>,
    pub projected: Option<Projected>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmptyDir {
    #[serde(default)]
    pub medium: String,
    pub size_limit: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMap {
    pub name: String,
    pub default_mode: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Projected {
    pub sources: Vec<Source>,
    pub default_mode: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    pub service_account_token: TokenAsk,
}

/// A token of the pod's service account, for somebody.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenAsk {
    pub audience: String,
    pub expiration_seconds: u64,
    pub path: String,
}

fn default_account() -> String {
    "default".to_owned()
}

fn the_node() -> String {
    "node-of-the-test".to_owned()
}

impl Pod {
    /// Stops the test when the object asks for something that is not played.
    #[track_caller]
    pub fn read(object: &Value) -> Pod {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let mut spec = object["spec"].clone();
        strip(&mut spec);
        let spec: Spec =
            serde_json::from_value(spec).unwrap_or_else(|error| panic!("not played: {error}\n{object:#}"));
        assert!(!text("uid").is_empty(), "no API server has seen this pod: {object:#}");
        Pod { name: text("name"), namespace: text("namespace"), uid: text("uid"), spec }
    }

    /// Of the downward API.
    #[track_caller]
    pub fn field(&self, path: &str) -> String {
        match path {
            "metadata.name" => &self.name,
            "metadata.namespace" => &self.namespace,
            "metadata.uid" => &self.uid,
            "spec.nodeName" => &self.spec.node_name,
            "spec.serviceAccountName" => &self.spec.service_account_name,
            other => panic!("the field {other} is not played"),
        }
        .clone()
    }
}

impl Spec {
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.termination_grace_period_seconds)
    }

    pub fn all(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Whether a container of the pod's own policy starts again after it ended so.
    pub fn starts_again(&self, container: &Container, code: i32) -> bool {
        match self.restart_policy.as_str() {
            _ if container.is_sidecar() => true,
            "Always" => !self.init_containers.iter().any(|init| init.name == container.name) || code != 0,
            "OnFailure" => code != 0,
            _ => false,
        }
    }

    #[track_caller]
    pub fn user(&self, container: &Container) -> User {
        let (pod, own) = (&self.security_context, &container.security_context);
        let name = &container.name;
        let dropped =
            own.capabilities.as_ref().is_some_and(|set| *set == serde_json::json!({ "drop": ["ALL"] }));
        let escalation = own.allow_privilege_escalation.unwrap_or(true);
        assert!(
            dropped && !escalation,
            "{name}: only containers without capabilities and escalation are played"
        );
        let uid = own.run_as_user.or(pod.run_as_user).unwrap_or(0);
        let root_allowed = !own.run_as_non_root.or(pod.run_as_non_root).unwrap_or(false);
        assert!(uid > 0 || root_allowed, "{name}: container has runAsNonRoot and image will run as root");
        let gid = own.run_as_group.or(pod.run_as_group).unwrap_or(0);
        let groups = pod.supplemental_groups.iter().chain(&pod.fs_group).copied().collect();
        User { uid, gid, groups, read_only_root: own.read_only_root_filesystem.unwrap_or(false) }
    }

    pub fn fs_group(&self) -> Option<u32> {
        self.security_context.fs_group
    }

    /// The user of every container, when there is one: the kubelet gives it the tokens' files.
    pub fn only_user(&self) -> Option<u32> {
        let named = |container: &Container| {
            container.security_context.run_as_user.or(self.security_context.run_as_user)
        };
        let first = named(self.all().next()?);
        first.filter(|_| self.all().all(|container| named(container) == first))
    }
}

impl Container {
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// The number behind a probe's port, which may be a name.
    #[track_caller]
    pub fn port(&self, wanted: &Value) -> u16 {
        if let Some(number) = wanted.as_u64() {
            return u16::try_from(number).unwrap();
        }
        let named = |port: &&Port| port.name.as_deref() == wanted.as_str();
        self.ports
            .iter()
            .find(named)
            .unwrap_or_else(|| panic!("{} has no port {wanted}", self.name))
            .container_port
    }
}

impl ValueFrom {
    pub fn path(&self) -> &str {
        self.field_ref["fieldPath"].as_str().unwrap_or_default()
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !PASSED_OVER.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
