//! What the library puts into a pod, held against what the agent reads and what clusters demand.

use keyfob::config::parse::parse;
use keyfob::config::{Config, LogFormat, Own, Token};
use keyfob::credentials::SourceKind;
use keyfob::wiring::{Caller, Wiring};
use serde_json::{Value, json};

use super::charts::{Charts, find};

struct Nobody;

impl Caller for Nobody {
    fn value(&self, _: &str) -> Option<&str> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The specification of every pod among these objects.
fn pods(objects: &[Value]) -> Vec<&Value> {
    let spec = |object: &'_ Value| match object["kind"].as_str() {
        Some("Pod") => Some("/spec"),
        Some("Deployment") => Some("/spec/template/spec"),
        _ => None,
    };
    objects.iter().filter_map(|object| object.pointer(spec(object)?)).collect()
}

fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "initContainers").iter().chain(list(pod, "containers"))
}

#[track_caller]
fn named<'v>(items: impl IntoIterator<Item = &'v Value>, name: &str) -> &'v Value {
    items.into_iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("nothing is called {name}"))
}

fn mounted(container: &Value) -> Vec<&str> {
    let names = list(container, "volumeMounts").iter().map(|mount| mount["name"].as_str().unwrap());
    names.filter(|name| name.starts_with("keyfob")).collect()
}

/// The configuration that the sidecar will read, as it will read it.
#[track_caller]
fn config(objects: &[Value]) -> Config {
    let text = find(objects, "ConfigMap", "-config")["data"]["keyfob.toml"].as_str().unwrap();
    parse(text, "keyfob.toml".as_ref()).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

/// What a pod of the example is made of.
fn example(charts: &Charts, values: &str) -> (Vec<Value>, Value) {
    let objects = charts.objects("example", values, &[]);
    let pod = find(&objects, "Deployment", "example")["spec"]["template"].clone();
    (objects, pod)
}

#[test]
fn every_container_is_one_that_a_restricted_namespace_takes() {
    let Some(charts) = Charts::ready() else { return };
    let mut seen = 0;
    for chart in ["example", "keyfob"] {
        let objects = charts.objects(chart, "", &[]);
        for container in pods(&objects).into_iter().flat_map(containers) {
            let name = &container["name"];
            let context = &container["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{name}");
            assert!(context["runAsUser"].as_u64().unwrap() > 0, "{name}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            let resources = &container["resources"];
            assert_eq!(resources["requests"], resources["limits"], "{name}");
            assert!(resources["limits"]["memory"].is_string(), "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 5, "containers");
}

#[test]
fn the_agent_is_a_native_sidecar_that_starts_first_and_holds_the_others_back() {
    let Some(charts) = Charts::ready() else { return };
    let (_, pod) = example(&charts, "");
    let agent = &list(&pod["spec"], "initContainers")[0];
    assert_eq!((&agent["name"], &agent["restartPolicy"]), (&json!("keyfob"), &json!("Always")));
    assert_eq!(agent["terminationMessagePolicy"], "FallbackToLogsOnError");
    let probe = &agent["startupProbe"];
    assert_eq!(probe["httpGet"], json!({ "path": "/startupz", "port": "keyfob-admin" }));
    let patience = probe["periodSeconds"].as_u64().unwrap() * probe["failureThreshold"].as_u64().unwrap();
    assert_eq!(patience, 90, "longer than the agent's own deadline, which tells why");
    assert_eq!(agent["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(agent["livenessProbe"]["httpGet"]["path"], "/livez");
}

#[test]
fn only_the_containers_that_ask_for_it_see_the_token_and_only_the_agent_the_rest() {
    let Some(charts) = Charts::ready() else { return };
    let (_, pod) = example(&charts, "");
    let spec = &pod["spec"];
    let all = ["keyfob-config", "keyfob-auth", "keyfob-private", "keyfob-identity"];
    assert_eq!(mounted(named(containers(spec), "keyfob")), all);
    let app = named(containers(spec), "app");
    assert_eq!(mounted(app), ["keyfob-auth"]);
    let mount = named(list(app, "volumeMounts"), "keyfob-auth");
    assert_eq!(*mount, json!({ "name": "keyfob-auth", "mountPath": "/run/keyfob", "readOnly": true }));
    let bystander = named(containers(spec), "bystander");
    assert!(mounted(bystander).is_empty() && bystander["env"].is_null(), "{bystander}");
    for name in ["keyfob-auth", "keyfob-private"] {
        assert_eq!(named(list(spec, "volumes"), name)["emptyDir"]["medium"], "Memory", "{name}");
    }
    // Nothing of the pod's gives another way to the token or to AWS.
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert!(spec["securityContext"]["fsGroup"].is_null());
}

#[test]
fn the_web_identity_of_the_service_account_goes_around_the_application() {
    let Some(charts) = Charts::ready() else { return };
    let (_, pod) = example(&charts, "keyfob: { containers: [app, other] }");
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations["eks.amazonaws.com/skip-containers"], "app,other");
}

#[test]
fn an_application_is_told_what_every_other_wiring_tells() {
    let Some(charts) = Charts::ready() else { return };
    let (objects, pod) = example(&charts, "");
    let config = config(&objects);
    let address = &config.listen.credentials[0];
    let endpoint = format!("http://{address}/v1/credentials/{}", config.roles[0].name);
    let token = config.auth.token_file.unwrap();
    let wiring = Wiring::new(&endpoint, token.to_str().unwrap(), Some("eu-central-1"), &Nobody);
    let env = list(named(containers(&pod["spec"]), "app"), "env").iter();
    let told =
        env.map(|var| (var["name"].as_str().unwrap().to_owned(), var["value"].as_str().unwrap().to_owned()));
    let told: Vec<_> = told.filter(|(name, _)| name != "HOME").collect();
    assert_eq!(told, wiring.set);
    assert!(told.contains(&("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned())), "{told:?}");

    let (_, pod) = example(&charts, "keyfob: { client: { instanceMetadata: true } }");
    let env = list(named(containers(&pod["spec"]), "app"), "env");
    assert!(!env.iter().any(|var| var["name"] == "AWS_EC2_METADATA_DISABLED"), "{env:?}");
}

#[test]
fn the_agent_reads_what_the_values_said() {
    let Some(charts) = Charts::ready() else { return };
    let (objects, pod) = example(&charts, "");
    let read = config(&objects);
    assert_eq!(read.auth.token_mode, 0o444);
    assert_eq!(read.startup.deadline, Some(std::time::Duration::from_mins(1)));
    assert_eq!(read.telemetry.log_format, LogFormat::Json);
    let ports = list(&list(&pod["spec"], "initContainers")[0], "ports");
    let port = u64::from(read.listen.admin.unwrap().port());
    assert_eq!(ports[0], json!({ "name": "keyfob-admin", "containerPort": port, "protocol": "TCP" }));
    let role = &read.roles[0];
    let Some(Own::WebIdentity(identity)) = &role.own else { panic!("{role:?}") };
    assert_eq!(identity.token, Token::File("/run/keyfob-identity/token".into()));
    assert_eq!(identity.role_arn, "arn:aws:iam::111122223333:role/example");
    assert_eq!(role.expect.sources, Some(vec![SourceKind::RoleWebIdentity]));
    let env = list(&list(&pod["spec"], "initContainers")[0], "env");
    assert_eq!(named(env, "AWS_REGION")["value"], "eu-central-1");
    let account = &named(env, "POD_SERVICE_ACCOUNT")["valueFrom"]["fieldRef"]["fieldPath"];
    assert_eq!(account, "spec.serviceAccountName");

    let values = r#"keyfob: { startup: { requireCredentials: false }, roles: [{ name: default, required: false,
        sources: [profile], profile: 'it''s "p"', roleArn: 'arn:aws:iam::111122223333:role/b', duration: 1h,
        externalId: 'a:b', sessionName: 'me.{pod}', region: eu-west-1, staticKeys: refuse, allowDrift: true,
        expect: { account: '111122223333' } }] }"#;
    let read = config(&example(&charts, values).0);
    assert_eq!(read.startup.deadline, None);
    let role = &read.roles[0];
    let assume = role.assume.as_ref().unwrap();
    assert_eq!(role.profile.as_deref(), Some("it's \"p\""));
    assert_eq!(assume.session_name.as_ref().unwrap().to_string(), "me.{pod}");
    assert_eq!(assume.external_id.as_deref(), Some("a:b"));
    assert!(role.allow_drift && !role.required && role.expect.account.is_some());
}

#[test]
fn pods_are_rolled_when_their_configuration_changes_and_not_otherwise() {
    let Some(charts) = Charts::ready() else { return };
    let sum = |values: &str| {
        let pod = example(&charts, values).1;
        pod["metadata"]["annotations"]["keyfob.io/config-checksum"].as_str().map(str::to_owned)
    };
    let (plain, other) = (sum(""), sum("keyfob: { telemetry: { logLevel: debug } }"));
    assert!(plain.is_some() && other.is_some() && plain != other);
    assert_eq!(plain, sum("keyfob: { image: { tag: '9' } }"));
    assert_eq!(sum("keyfob: { existingConfig: of-others }"), None, "its text is not known");
}
