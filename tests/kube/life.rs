//! The charts' life in a cluster: installed, upgraded, rolled back, removed; with the Prometheus operator and without.

use serde_json::json;

use super::cluster::{Cluster, Version};
use crate::helm::charts::{Charts, WITH_OPERATOR, find};
use crate::support::run::Finished;
use crate::support::tools::tool;

const OPERATOR: &str = include_str!("operator.yaml");

#[test]
fn both_helms_install_upgrade_roll_back_and_uninstall() {
    for version in [Version::New, Version::Old] {
        let Some(charts) = Charts::ready() else { return };
        let Some(cluster) = Cluster::start(version) else { continue };
        for (name, with_operator) in [("helm", false), ("helm4", false), ("helm", true), ("helm4", true)] {
            let Some(program) = tool(name) else { return };
            if with_operator {
                cluster.apply("default", OPERATOR).expect_code(0);
                let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
                cluster.kubectl(&wait).expect_code(0);
            }
            let space = cluster.namespace("life", &[]);
            let helm = |args: &[&str]| -> Finished {
                let all = [args, &["--namespace", &space]].concat();
                cluster.program(&program, charts.folder(), &all).expect_code(0)
            };
            let port = || {
                let map = cluster.get(&space, "configmap", "keyfob-config");
                map["data"]["keyfob.toml"].as_str().unwrap().contains("127.0.0.1:6397")
            };
            let said = helm(&["install", "keyfob", "keyfob"]).stdout;
            assert_eq!(said.contains("NO METRICS"), !with_operator, "{name}: {said}");
            if with_operator {
                cluster.get(&space, "podmonitor", "keyfob");
                cluster.get(&space, "prometheusrule", "keyfob-alerts");
            }
            assert!(!port());
            helm(&["upgrade", "keyfob", "keyfob", "--set", "keyfob.listen.port=6397,injector.mode=policy"]);
            assert!(port());
            cluster.kubectl(&["get", "mutatingadmissionpolicy", &format!("keyfob-{space}")]).expect_code(0);
            helm(&["rollback", "keyfob", "1"]);
            assert!(!port());
            let policies = cluster.kubectl(&["get", "mutatingadmissionpolicies", "--output", "name"]);
            assert_eq!(policies.expect_code(0).stdout, "", "{name}");
            helm(&["uninstall", "keyfob"]);
            let left = cluster.kubectl(&["--namespace", &space, "get", "configmaps", "--output", "name"]);
            assert_eq!(left.expect_code(0).stdout, "", "{name}");
        }
        every_object_is_valid(&cluster, &charts);
    }
}

const EVERYTHING: &str = "
podMonitor: { namespaces: [billing], labels: { release: prometheus }, cluster: eu-1 }
networkPolicy: { enabled: true, aws: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }
grafanaDashboards: { annotations: { grafana_folder: AWS } }
injector: { mode: policy, namespaceSelector: { matchLabels: { team: a } } }
extraObjects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: '{{ .Release.Name }}-more', namespace: '{{ .Release.Namespace }}' } }]
keyfob: { region: eu-central-1, roles: [{ name: default, webIdentity: { roleArn: 'arn:aws:iam::111122223333:role/a' } }] }
";

/// All that the chart can bring, each object held to the API server's own schemas, unknown fields refused.
fn every_object_is_valid(cluster: &Cluster, charts: &Charts) {
    let space = cluster.namespace("billing", &["pod-security.kubernetes.io/enforce=restricted"]);
    let group = match cluster.version {
        Version::New => "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
        Version::Old => "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy",
    };
    let objects =
        charts.objects("keyfob", EVERYTHING, &[&WITH_OPERATOR[..], &["--api-versions", group]].concat());
    let mut kinds = Vec::new();
    for mut object in objects {
        if object["metadata"]["namespace"] == "billing" {
            object["metadata"]["namespace"] = json!(space);
        }
        let stored = cluster.dry_run(&space, &object.to_string()).expect_code(0).json();
        kinds.push(stored["kind"].as_str().unwrap().to_owned());
    }
    kinds.sort();
    let wanted = [
        "ConfigMap",
        "ConfigMap",
        "ConfigMap",
        "ConfigMap",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "NetworkPolicy",
        "Pod",
        "PodMonitor",
        "PrometheusRule",
        "PrometheusRule",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    assert_eq!(kinds, wanted);
}

#[test]
fn the_examples_pod_is_admitted_where_restricted_is_enforced() {
    for cluster in Cluster::each() {
        let Some(charts) = Charts::ready() else { return };
        let space = cluster.namespace("strict", &["pod-security.kubernetes.io/enforce=restricted"]);
        let mut objects = charts.objects("example", "", &[]);
        let mut pod = find(&objects, "Deployment", "example")["spec"]["template"].clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!("example");
        objects.push(pod);
        for mut object in objects {
            object["metadata"]["namespace"] = json!(space);
            cluster.apply(&space, &object.to_string()).expect_code(0);
        }
        let pod = cluster.get(&space, "pod", "example");
        assert_eq!(pod["spec"]["initContainers"][0]["restartPolicy"], "Always");
    }
}
