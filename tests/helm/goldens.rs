//! Linting, and renderings held byte for byte: whoever changes a template sees what it does to a cluster.

use super::charts::{CHARTS, CLUSTER, Charts, WITH_OPERATOR, hold};
use crate::support::tools::tool;

/// Rules and dashboards are held to their files elsewhere; here they would only be long.
const SHORT: &str = "prometheusRule: { enabled: false }\ngrafanaDashboards: { enabled: false }\n";

/// A name, a chart, its values, whether the cluster has the operator.
const RENDERINGS: [(&str, &str, &str, bool); 6] = [
    ("keyfob", "keyfob", "", true),
    ("keyfob-plain-cluster", "keyfob", "", false),
    (
        "keyfob-everything",
        "keyfob",
        "
podMonitor: { namespaces: [billing, web], labels: { release: prometheus }, interval: 15s, cluster: eu-1 }
networkPolicy: { enabled: true, aws: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }
test: { serviceAccountName: billing, timeoutSeconds: 30, volumes: [{ name: aws, secret: { secretName: aws } }] }
extraObjects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: '{{ .Release.Name }}-more' } }]
keyfob:
  image: { registry: registry.example.com/mirror, digest: 'sha256:0123456789012345678901234567890123456789012345678901234567890123' }
  region: eu-central-1
  listen: { port: 6397 }
  admin: { address: '[::]', port: 6398 }
  auth: { tokenPath: /var/run/aws/token }
  startup: { requireCredentials: false }
  telemetry: { logLevel: debug, audit: true, metrics: core, otlpEndpoint: 'http://collector:4318' }
  webIdentity: { audience: internal, expirationSeconds: 900 }
  runAsUser: null
  extraEnv: [{ name: HTTPS_PROXY, value: 'http://proxy:3128' }]
  extraVolumeMounts: [{ name: aws, mountPath: /aws, readOnly: true }]
  roles:
    - name: default
      webIdentity: { roleArn: 'arn:aws:iam::111122223333:role/hub' }
      roleArn: arn:aws:iam::444455556666:role/spoke
      externalId: id:1
      sessionName: billing
      duration: 1h
      region: eu-west-1
      required: false
      staticKeys: refuse
      expect: { account: '444455556666', sources: [role_web_identity] }
      allowDrift: true
    - name: reports
      sources: [env, profile]
      profile: reports
",
        true,
    ),
    ("example", "example", "", false),
    ("example-irsa", "example", "keyfob: { roles: [{ name: default }], containers: [app, other] }", false),
    ("example-shared", "example", "keyfob: { existingConfig: keyfob-config, startup: { deadlineSeconds: 0 } }", false),
];

#[test]
fn helm_finds_no_fault_with_the_charts() {
    let Some(charts) = Charts::ready() else { return };
    for name in ["helm", "helm4"] {
        let Some(helm) = tool(name) else { return };
        let lint = [&["lint", "--strict"][..], &CLUSTER, &CHARTS].concat();
        let linted = charts.by(&helm, &lint).expect_code(0);
        let said = format!("{}{}", linted.stdout, linted.stderr);
        assert!(said.contains("3 chart(s) linted, 0 chart(s) failed"), "{name}: {linted:#?}");
        assert!(!said.contains("[WARNING]"), "{name}: {linted:#?}");
    }
}

#[test]
fn renderings_are_those_on_record() {
    let Some(charts) = Charts::ready() else { return };
    for (name, chart, values, with_operator) in RENDERINGS {
        let values = if chart == "keyfob" { format!("{SHORT}{values}") } else { values.to_owned() };
        let args = if with_operator { &WITH_OPERATOR[..] } else { &[] };
        let rendered = charts.template(chart, &values, args).expect_code(0);
        let golden = format!("{}/tests/helm/golden/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        hold(golden.as_ref(), &rendered.stdout);
    }
}

#[test]
fn the_notes_say_what_is_left_out_and_what_to_type_next() {
    let Some(charts) = Charts::ready() else { return };
    let notes = |args: &[&str]| charts.notes("keyfob", args);
    let plain = notes(&[]);
    for line in [
        "keyfob: { existingConfig: keyfob-config }",
        "helm test keyfob --namespace billing",
        "kubectl exec POD -c keyfob -- keyfob explain",
        "NO METRICS",
        "NO ALERTS",
    ] {
        assert!(plain.contains(line), "{line}");
    }
    let quiet = notes(&["--set", "podMonitor.enabled=false,prometheusRule.enabled=false,test.enabled=false"]);
    assert!(quiet.contains("kubectl get nodes"), "{quiet}");
    assert!(!["NO METRICS", "NO ALERTS", "helm test"].iter().any(|line| quiet.contains(line)), "{quiet}");
}
