//! The charts' life in a cluster: installed, upgraded, rolled back, removed; with the Prometheus operator and without.

use serde_json::json;

use super::cluster::{Cluster, Version};
use crate::helm::charts::{Charts, find};
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
    }
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
