//! Who the spans are from: this process, its pod and its node, as the environment says.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::span::Value;
use crate::config::env::Env;
use crate::report::TraceId;

/// Attributes by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resource(pub(super) BTreeMap<String, Value>);

/// What the downward API's usual variables are called, and what they say.
pub(super) const POD: [(&str, &str); 5] = [
    ("POD_NAME", "k8s.pod.name"),
    ("POD_NAMESPACE", "k8s.namespace.name"),
    ("POD_UID", "k8s.pod.uid"),
    ("NODE_NAME", "k8s.node.name"),
    ("CONTAINER_NAME", "k8s.container.name"),
];

/// The namespace that semantic conventions give to names of service instances.
const INSTANCES: [u8; 16] =
    [0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee, 0xaa, 0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20];

impl Resource {
    /// What `named` says wins; then what is known of the pod and of this process.
    pub(super) fn new(env: &Env, named: BTreeMap<String, String>, service: Option<&str>) -> Self {
        let mut all: BTreeMap<String, Value> =
            named.into_iter().map(|(name, value)| (name, Value::Text(value))).collect();
        if let Some(service) = service {
            all.insert("service.name".to_owned(), service.into());
        }
        let mut found = Self(all);
        for (variable, name) in POD {
            found.unless_named(name, env.filled(variable));
        }
        found.unless_named("service.name", Some("keyfob"));
        found.unless_named("service.version", Some(env!("CARGO_PKG_VERSION")));
        let namespace = found.text("k8s.namespace.name");
        found.unless_named("service.namespace", namespace.as_deref());
        found.unless_named("service.instance.id", Some(found.instance().as_str()));
        found.unless_named("host.arch", Some(arch()));
        found.0.entry("process.pid".to_owned()).or_insert(u64::from(std::process::id()).into());
        found.cloud(env);
        found
    }

    /// For people: what does not differ from start to start.
    pub(super) fn shown(&self) -> String {
        let lasting = |name: &str| !["process.pid", "service.instance.id"].contains(&name);
        let texts = self.0.iter().filter(|(name, _)| lasting(name)).filter_map(|(name, value)| match value {
            Value::Text(text) => Some(format!("{name}={text}")),
            _ => None,
        });
        texts.collect::<Vec<_>>().join(",")
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn unless_named(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.entry(name.to_owned()).or_insert_with(|| value.into());
        }
    }

    /// The same for every start of one container of one pod; else a random one, never the host's name.
    fn instance(&self) -> String {
        let Some(pod) = self.text("k8s.pod.uid") else {
            return uuid(TraceId::random().0, 4);
        };
        let container = self.text("k8s.container.name").unwrap_or_else(|| "keyfob".to_owned());
        let mut named = INSTANCES.to_vec();
        named.extend(format!("{pod}.{container}").bytes());
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &named);
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        uuid(bytes, 5)
    }

    /// Where it runs, if what AWS sets in a container says so. A region alone does not.
    fn cloud(&mut self, env: &Env) {
        let uri = env.filled("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap_or_default();
        let token = env.filled("AWS_WEB_IDENTITY_TOKEN_FILE").unwrap_or_default();
        let platform = if env.filled("ECS_CONTAINER_METADATA_URI_V4").is_some() {
            "aws_ecs"
        } else if uri.starts_with("http://169.254.170.23/") || token.contains("/eks.amazonaws.com/") {
            "aws_eks"
        } else {
            return;
        };
        self.unless_named("cloud.provider", Some("aws"));
        self.unless_named("cloud.platform", Some(platform));
        let region = env.filled("AWS_REGION").or_else(|| env.filled("AWS_DEFAULT_REGION"));
        self.unless_named("cloud.region", region);
    }
}

/// As semantic conventions spell it.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    let [_, _, _, _, _, _, kind, _, variant, ..] = &mut bytes;
    *kind = *kind & 0x0f | version << 4;
    *variant = *variant & 0x3f | 0x80;
    let hex = TraceId(bytes).to_string();
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(from, to)| hex.get(from..to).unwrap_or_default()).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)], named: &[(&str, &str)], service: Option<&str>) -> Resource {
        let named = named.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Resource::new(&env.iter().copied().collect(), named, service)
    }

    #[test]
    fn a_pod_is_known_by_the_downward_apis_variables_and_keeps_its_instance() {
        let pod = [
            ("POD_NAME", "web-7c9"),
            ("POD_NAMESPACE", "web"),
            ("POD_UID", "2c3f"),
            ("NODE_NAME", "node-1"),
            ("CONTAINER_NAME", "keyfob"),
        ];
        let found = of(&pod, &[], None);
        for (name, value) in [
            ("k8s.pod.name", "web-7c9"),
            ("k8s.namespace.name", "web"),
            ("k8s.pod.uid", "2c3f"),
            ("k8s.node.name", "node-1"),
            ("k8s.container.name", "keyfob"),
            ("service.name", "keyfob"),
            ("service.namespace", "web"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            // python3 -c 'import uuid; print(uuid.uuid5(uuid.UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320"), "2c3f.keyfob"))'
            ("service.instance.id", "4c2fcf74-6180-5fe7-a111-f274b27571df"),
        ] {
            assert_eq!(found.text(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(found.0["process.pid"], Value::Number(std::process::id().into()));
        assert!(!found.0.contains_key("cloud.provider"));
    }

    #[test]
    fn without_a_pod_each_start_is_another_instance() {
        let [one, two] = [(); 2].map(|()| of(&[], &[], None).text("service.instance.id").unwrap());
        assert_ne!(one, two);
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
        assert!(["8", "9", "a", "b"].contains(&&one[19..20]), "{one}");
    }

    #[test]
    fn what_is_named_wins_and_the_services_own_variable_most_of_all() {
        let named =
            [("service.name", "b"), ("service.instance.id", "i"), ("k8s.pod.name", "p"), ("team", "t")];
        let found = of(&[("POD_NAME", "other")], &named, Some("a"));
        for (name, value) in
            [("service.name", "a"), ("service.instance.id", "i"), ("k8s.pod.name", "p"), ("team", "t")]
        {
            assert_eq!(found.text(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(of(&[], &named, None).text("service.name").as_deref(), Some("b"));
    }

    #[test]
    fn the_cloud_is_named_only_where_aws_set_up_the_container() {
        let platform = |env: &[(&str, &str)]| of(env, &[], None).text("cloud.platform");
        assert_eq!(platform(&[("AWS_REGION", "eu-west-1")]), None);
        assert_eq!(platform(&[("ECS_CONTAINER_METADATA_URI_V4", "http://x")]).as_deref(), Some("aws_ecs"));
        let token =
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token");
        assert_eq!(platform(&[token]).as_deref(), Some("aws_eks"));
        let found = of(&[token, ("AWS_REGION", "eu-west-1")], &[], None);
        assert_eq!(found.text("cloud.region").as_deref(), Some("eu-west-1"));
    }
}
