//! Every value that cannot be meant is refused, with the sentence that says so.

use std::path::Path;

use serde_json::{Value, json};

use super::charts::{CLUSTER, Charts};
use super::documentation::{Entry, read};
use crate::support::tools::tool;

/// Values of the example chart, below `keyfob`; what helm must say.
const OF_THE_LIBRARY: &[(&str, &str)] = &[
    ("rolls: []", "additional properties 'rolls' not allowed"),
    ("image: { name: x }", "additional properties 'name' not allowed"),
    ("image: { digest: latest }", "at '/image/digest'"),
    ("image: { tag: '' }", "at '/image/tag'"),
    ("image: { repository: 'A b' }", "at '/image/repository'"),
    ("image: { registry: 'https://' }", "at '/image/registry'"),
    ("image: { pullPolicy: Sometimes }", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("roles: []", "minItems: got 0, want 1"),
    ("roles: [{ roleArn: 'arn:aws:iam::111122223333:role/a' }]", "missing property 'name'"),
    ("roles: [{ name: 'a b' }]", "at '/roles/0/name'"),
    ("roles: [{ name: a, rolearn: x }]", "additional properties 'rolearn' not allowed"),
    ("roles: [{ name: a, roleArn: admin }]", "at '/roles/0/roleArn'"),
    ("roles: [{ name: a, webIdentity: {} }]", "missing property 'roleArn'"),
    ("roles: [{ name: a, webIdentity: { roleArn: x } }]", "at '/roles/0/webIdentity/roleArn'"),
    (
        "roles: [{ name: a, webIdentity: { roleArn: 'arn:aws:iam::111122223333:role/a', aud: x } }]",
        "additional properties 'aud' not allowed",
    ),
    ("roles: [{ name: a, sources: [] }]", "minItems: got 0, want 1"),
    ("roles: [{ name: a, sources: [ec2] }]", "at '/roles/0/sources/0'"),
    ("roles: [{ name: a, sources: [env, env] }]", "items at 0 and 1 are equal"),
    ("roles: [{ name: a, required: sure }]", "got string, want boolean"),
    ("roles: [{ name: a, staticKeys: minted }]", "value must be one of 'as-is', 'mint', 'refuse'"),
    ("roles: [{ name: a, expect: {} }]", "minProperties: got 0, want 1"),
    ("roles: [{ name: a, expect: { account: 111122223333 } }]", "at '/roles/0/expect/account'"),
    ("roles: [{ name: a, expect: { sources: [ec2] } }]", "at '/roles/0/expect/sources/0'"),
    ("roles: [{ name: a, expect: { user: x } }]", "additional properties 'user' not allowed"),
    ("roles: [{ name: a, allowDrift: maybe }]", "got string, want boolean"),
    ("roles: [{ name: a, profile: '' }]", "minLength: got 0, want 1"),
    ("roles: [{ name: a, duration: soon }]", "at '/roles/0/duration'"),
    ("roles: [{ name: a, sessionName: 'a b' }]", "at '/roles/0/sessionName'"),
    ("roles: [{ name: a, externalId: x }]", "at '/roles/0/externalId'"),
    ("roles: [{ name: a, region: Frankfurt }]", "at '/roles/0/region'"),
    ("containers: app", "got string, want array"),
    ("containers: [App]", "at '/containers/0'"),
    ("containers: [app, app]", "items at 0 and 1 are equal"),
    ("region: EU", "at '/region'"),
    ("startup: { deadlineSeconds: -1 }", "minimum: got -1, want 0"),
    ("startup: { requireCredentials: never }", "got string, want boolean"),
    ("startup: { deadline: 60s }", "additional properties 'deadline' not allowed"),
    ("client: { instanceMetadata: 1 }", "want boolean"),
    ("client: { imds: true }", "additional properties 'imds' not allowed"),
    ("listen: { port: 80 }", "minimum: got 80, want 1,024"),
    ("listen: { address: 0.0.0.0 }", "additional properties 'address' not allowed"),
    ("admin: { port: 70000 }", "maximum: got 70,000, want 65,535"),
    ("admin: { address: 10.0.0.1 }", "value must be one of '0.0.0.0', '[::]'"),
    ("auth: { tokenPath: token }", "at '/auth/tokenPath'"),
    ("auth: { tokenPath: /run/../etc/token }", "at '/auth/tokenPath'"),
    ("auth: { tokenMode: '0777' }", "additional properties 'tokenMode' not allowed"),
    ("telemetry: { logLevel: loud }", "at '/telemetry/logLevel'"),
    ("telemetry: { audit: on-demand }", "got string, want boolean"),
    ("telemetry: { metrics: some }", "value must be one of 'core', 'full'"),
    ("telemetry: { otlpEndpoint: collector }", "at '/telemetry/otlpEndpoint'"),
    ("webIdentity: { expirationSeconds: 60 }", "minimum: got 60, want 600"),
    ("webIdentity: { audience: '' }", "minLength: got 0, want 1"),
    ("existingConfig: A_b", "at '/existingConfig'"),
    ("resources: { request: {} }", "additional properties 'request' not allowed"),
    ("runAsUser: 0", "minimum: got 0, want 1"),
    ("securityContext: { privileged: true }", "additional properties 'securityContext' not allowed"),
    ("extraEnv: [{ value: x }]", "missing property 'name'"),
    ("extraEnv: [{ name: 'a b' }]", "at '/extraEnv/0/name'"),
    ("extraEnv: [{ name: a, value: 1 }]", "at '/extraEnv/0/value'"),
    ("extraVolumeMounts: [{ name: x }]", "missing property 'mountPath'"),
    // What a schema cannot say.
    (
        "admin: { port: 5397 }",
        "keyfob: listen.port and admin.port are both 5397: give one of them another port",
    ),
    (
        "auth: { tokenPath: /run/keyfob-private/token }",
        "keyfob: auth.tokenPath is in /run/keyfob-private, which is the agent's own: choose another folder",
    ),
    ("containers: []", "keyfob: containers is empty: name the containers that get credentials"),
    (
        "containers: [keyfob]",
        "keyfob: containers names keyfob, the sidecar: name the application's containers",
    ),
    ("roles: [{ name: a }, { name: a }]", "keyfob: two roles are called a: give each a name of its own"),
    ("roles: [{ name: a }, { name: b }]", "keyfob: there are the roles a, b: say which one a container gets"),
    (
        "roles: [{ name: a, sources: [env], webIdentity: { roleArn: 'arn:aws:iam::111122223333:role/a' } }]",
        "keyfob: role a has webIdentity and sources: a role with webIdentity has that one source, leave sources out",
    ),
    (
        "roles: [{ name: a, profile: p, webIdentity: { roleArn: 'arn:aws:iam::111122223333:role/a' } }]",
        "keyfob: role a has webIdentity and profile: choose one",
    ),
    (
        "roles: [{ name: a, webIdentity: { roleArn: 'arn:aws:iam::111122223333:role/a' }, expect: { sources: [web_identity] } }]",
        "keyfob: role a has webIdentity and expects web_identity: its source is role_web_identity",
    ),
    ("roles: [{ name: a, sessionName: 'x{poo}' }]", "at '/roles/0/sessionName'"),
    ("roles: [{ name: a, sources: [role_web_identity] }]", "at '/roles/0/sources/0'"),
    (
        "roles: [{ name: a, duration: 1h }]",
        "keyfob: role a has duration, which is for an assumed role: roleArn is missing",
    ),
    (
        "roles: [{ name: a, sessionName: me }]",
        "keyfob: role a has sessionName, which is for an assumed role: roleArn or webIdentity is missing",
    ),
];

/// Values of the chart `keyfob`.
const OF_THE_CHART: &[(&str, &str)] = &[
    ("mode: node", "at '/mode'"),
    ("modus: sidecar", "additional properties 'modus' not allowed"),
    ("config: { create: true }", "additional properties 'create' not allowed"),
    ("config: { enabled: 'yes' }", "got string, want boolean"),
    ("podMonitor: { scrape: true }", "additional properties 'scrape' not allowed"),
    (
        "podMonitor: { renderMode: maybe }",
        "value must be one of 'skipIfMissing', 'failIfMissing', 'alwaysRender'",
    ),
    ("podMonitor: { interval: 5m }", "at '/podMonitor/interval'"),
    ("podMonitor: { labels: { a: 1 } }", "got number, want string"),
    ("podMonitor: { namespaces: [Web] }", "at '/podMonitor/namespaces/0'"),
    ("podMonitor: { cluster: 1 }", "got number, want string"),
    ("prometheusRule: { thresholds: {} }", "additional properties 'thresholds' not allowed"),
    ("links: { wiki: x }", "additional properties 'wiki' not allowed"),
    ("links: { runbook: wiki }", "at '/links/runbook'"),
    ("links: { grafana: 'https://a b' }", "at '/links/grafana'"),
    ("grafanaDashboards: { folder: x }", "additional properties 'folder' not allowed"),
    ("grafanaDashboards: { labels: x }", "got string, want object"),
    ("networkPolicy: { flavor: cilium }", "additional properties 'flavor' not allowed"),
    ("networkPolicy: { prometheus: [] }", "minItems: got 0, want 1"),
    ("networkPolicy: { aws: anywhere }", "got string, want array"),
    ("test: { image: x }", "additional properties 'image' not allowed"),
    ("test: { timeoutSeconds: 0 }", "minimum: got 0, want 1"),
    ("test: { serviceAccountName: '' }", "minLength: got 0, want 1"),
    ("test: { volumes: [{ secret: {} }] }", "missing property 'name'"),
    ("injector: { mode: webhook }", "value must be one of 'none', 'policy'"),
    ("injector: { namespaceSelector: { labels: {} } }", "additional properties 'labels' not allowed"),
    ("injector: { excludedNamespaces: [Web] }", "at '/injector/excludedNamespaces/0'"),
    (
        "injector: { mode: policy }",
        "keyfob: injector.mode is policy, and the cluster has no MutatingAdmissionPolicy: it takes Kubernetes 1.36, or 1.34 with that feature gate and admissionregistration.k8s.io/v1beta1 switched on",
    ),
    ("extraObjects: [{ kind: Pod }]", "missing property 'apiVersion'"),
    ("keyfob: { rolls: [] }", "additional properties 'rolls' not allowed"),
    (
        "podMonitor: { renderMode: failIfMissing }",
        "keyfob: podMonitor.renderMode is failIfMissing, and the cluster does not know monitoring.coreos.com/v1: install the Prometheus operator first",
    ),
    (
        "prometheusRule: { renderMode: failIfMissing }",
        "keyfob: prometheusRule.renderMode is failIfMissing, and the cluster does not know monitoring.coreos.com/v1",
    ),
];

fn misses(helm: &Path, charts: &Charts, chart: &str, values: &str, sentence: &str) -> Option<String> {
    charts.write("values.yaml", values);
    let fixed = ["template", chart, chart, "--namespace", "billing", "--values", "values.yaml"];
    let rendered = charts.by(helm, &[&fixed[..], &CLUSTER].concat());
    let refused = rendered.code() == Some(1) && rendered.stderr.contains(sentence);
    (!refused).then(|| format!("{values}\n    wanted: {sentence}\n    said: {}", rendered.stderr.trim()))
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_sentence() {
    let Some(charts) = Charts::ready() else { return };
    let block = |values: &&str| format!("keyfob: {{ {values} }}");
    let of_library = OF_THE_LIBRARY.iter().map(|(values, says)| ("example", block(values), says));
    let of_chart = OF_THE_CHART.iter().map(|(values, says)| ("keyfob", (*values).to_owned(), says));
    let all: Vec<_> = of_library.chain(of_chart).collect();
    for name in ["helm", "helm4"] {
        let Some(helm) = tool(name) else { return };
        let missed =
            all.iter().filter_map(|(chart, values, says)| misses(&helm, &charts, chart, values, says));
        let missed: Vec<_> = missed.collect();
        assert!(missed.is_empty(), "{name}\n  {}", missed.join("\n  "));
    }
}

#[test]
fn what_a_cluster_or_a_chart_lacks_is_said() {
    let Some(charts) = Charts::ready() else { return };
    let old = charts.template("example", "", &["--kube-version", "1.28"]);
    assert_eq!(old.code(), Some(1), "{old:#?}");
    assert!(old.stderr.contains("requires kubeVersion: >=1.29.0-0"), "{old:#?}");

    charts.replace("example/Chart.yaml", "kubeVersion: \">=1.29.0-0\"\n", "");
    let old = charts.template("example", "", &["--kube-version", "1.28"]);
    assert!(
        old.stderr.contains("keyfob: Kubernetes v1.28 has no native sidecars: 1.29 or later is needed"),
        "{old:#?}"
    );

    charts.replace(
        "example/templates/deployment.yaml",
        "\"keyfob.clientEnv\" .",
        "\"keyfob.clientEnv\" (dict \"root\" $ \"role\" \"ghost\")",
    );
    let ghost = charts.template("example", "", &[]);
    assert!(ghost.stderr.contains("keyfob: no role is called ghost: there are default"), "{ghost:#?}");
}

#[test]
fn a_container_gets_the_role_that_the_template_names() {
    let Some(charts) = Charts::ready() else { return };
    charts.replace(
        "example/templates/deployment.yaml",
        "\"keyfob.clientEnv\" .",
        "\"keyfob.clientEnv\" (dict \"root\" $ \"role\" \"b\")",
    );
    let rendered =
        charts.template("example", "keyfob: { roles: [{ name: a }, { name: b }] }", &[]).expect_code(0);
    assert!(rendered.stdout.contains("value: http://127.0.0.1:5397/v1/credentials/b\n"), "{rendered:#?}");
}

/// Something else than a key takes: a text for a list or a group, a list for the rest.
fn of_another_kind(key: &Entry) -> Value {
    let default = key.default.as_deref().unwrap_or_default();
    if default.starts_with(['[', '{']) { json!("nonsense") } else { json!([]) }
}

#[test]
fn every_key_refuses_a_value_of_another_kind() {
    let Some(charts) = Charts::ready() else { return };
    for (chart, library, block) in [("example", "keyfob-lib", "keyfob"), ("keyfob", "keyfob", "")] {
        let keys = read(library, None);
        let mut values = json!({});
        for key in &keys {
            let mut at = &mut values;
            for step in Some(block)
                .filter(|block| !block.is_empty())
                .into_iter()
                .chain(key.place.iter().map(String::as_str))
            {
                at = &mut at[step];
            }
            *at = of_another_kind(key);
        }
        let rendered = charts.template(chart, &values.to_string(), &[]);
        assert_eq!(rendered.code(), Some(1), "{chart}");
        let unsaid = keys.iter().map(|key| format!("at '/{}': ", key.place.join("/")));
        let unsaid: Vec<_> = unsaid.filter(|place| !rendered.stderr.contains(place)).collect();
        assert!(unsaid.is_empty(), "{chart} takes {unsaid:?}\n{}", rendered.stderr);
    }
}
