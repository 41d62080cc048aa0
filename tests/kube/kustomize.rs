//! The component for manifests that are not ours: built by `kubectl kustomize`, and as an API server stores it.

use std::path::Path;

use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::helm::charts::{Charts, copy, find};
use crate::monitoring::files::documents;
use crate::support::run::{Run, keyfob};
use crate::support::tools::tool;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize");

/// What `kubectl kustomize` makes of a folder.
#[track_caller]
fn built(folder: &Path) -> Option<Vec<Value>> {
    let run = Run::new(tool("kubectl")?).arg("kustomize").arg(folder);
    let text = run.env("HOME", folder).run().expect_code(0).stdout;
    Some(documents(&text).into_iter().filter(|object| !object.is_null()).collect())
}

/// A pod of a template, as a controller would make it.
fn pod_of(template: &Value, name: &str) -> String {
    let mut pod = template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(name);
    pod.to_string()
}

/// Those of a list whose key begins with the given word.
fn ours(list: &Value, key: &str, word: &str) -> Vec<Value> {
    let fits = |item: &&Value| item[key].as_str().is_some_and(|name| name.starts_with(word));
    list.as_array().unwrap().iter().filter(fits).cloned().collect()
}

/// All that the component adds to a pod of the example's, in one value.
fn added(pod: &Value) -> Value {
    let spec = &pod["spec"];
    let mut sidecar = spec["initContainers"][0].clone();
    assert_eq!(sidecar["name"], "keyfob");
    sidecar["volumeMounts"] = ours(&sidecar["volumeMounts"], "name", "keyfob").into();
    sidecar["image"] = json!("whose is another matter");
    let app = &spec["containers"][0];
    let mut env = ours(&app["env"], "name", "AWS_");
    env.retain(|variable| variable["name"] != "AWS_REGION");
    json!({
        "sidecar": sidecar,
        "volumes": ours(&spec["volumes"], "name", "keyfob"),
        "env": env,
        "mounts": ours(&app["volumeMounts"], "name", "keyfob"),
        "label": pod["metadata"]["labels"]["keyfob.io/sidecar"],
    })
}

#[test]
fn the_component_adds_what_the_library_adds_and_restricted_namespaces_admit_it() {
    for cluster in Cluster::each() {
        let (Some(charts), Some(objects)) = (Charts::ready(), built(&Path::new(FOLDER).join("example")))
        else {
            return;
        };
        let space = cluster.namespace("kustomize", &["pod-security.kubernetes.io/enforce=restricted"]);
        let config = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
        let named = config["metadata"]["name"].as_str().unwrap();
        assert!(named.starts_with("keyfob-config-"), "{named}");
        for object in &objects {
            cluster.apply(&space, &object.to_string()).expect_code(0);
        }
        let web = &find(&objects, "Deployment", "web")["spec"]["template"];
        cluster.apply(&space, &pod_of(web, "web")).expect_code(0);
        let clean = &find(&objects, "Job", "clean")["spec"]["template"]["spec"];
        assert!(clean["initContainers"].is_null() && clean["volumes"].is_null(), "{clean}");

        let values = format!("keyfob: {{ region: '', existingConfig: '{named}' }}");
        let library = charts.objects("example", &values, &[]);
        let mut account = find(&library, "ServiceAccount", "example").clone();
        account["metadata"]["namespace"] = json!(space);
        cluster.apply(&space, &account.to_string()).expect_code(0);
        let template = &find(&library, "Deployment", "example")["spec"]["template"];
        cluster.apply(&space, &pod_of(template, "example")).expect_code(0);

        let pod = cluster.get(&space, "pod", "web");
        let wanted = added(&cluster.get(&space, "pod", "example"));
        assert_eq!(added(&pod), wanted);
        assert_eq!(wanted["env"].as_array().unwrap().len(), 3);
        assert_eq!(wanted["volumes"].as_array().unwrap().len(), 4);
        assert_eq!(pod["spec"]["initContainers"][1]["name"], "prepare");
        assert_eq!(pod["spec"]["containers"][0]["env"][0]["name"], "HOME");
    }
}

#[test]
fn the_examples_configuration_is_the_librarys_and_right() {
    let (Some(charts), Some(objects)) = (Charts::ready(), built(&Path::new(FOLDER).join("example"))) else {
        return;
    };
    let text = |objects: &[Value]| {
        let config = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
        config["data"]["keyfob.toml"].as_str().unwrap().trim().to_owned()
    };
    // The chart says the region by a variable, which goes to applications as well.
    let region = ", region = \"eu-central-1\"";
    let ours = text(&objects);
    assert!(ours.contains(region), "{ours}");
    assert_eq!(ours.replace(region, ""), text(&charts.objects("example", "", &[])));
    let file = Path::new(FOLDER).join("example/keyfob.toml");
    let checked = Run::new(keyfob()).args(["check", "--config"]).arg(file).run();
    assert_eq!(checked.code(), Some(0), "{checked:#?}");
}

/// A template with a container that has nothing, and one with variables and an address of its own.
const TEMPLATE: &str = "{ metadata: { labels: { app: of } }, spec: { restartPolicy: RESTART, containers: [
    { name: bare, image: a },
    { name: own, image: a, env: [{ name: X, value: x }, { name: AWS_CONTAINER_CREDENTIALS_FULL_URI, value: other }] }] } }";

#[test]
fn every_kind_of_workload_is_wired_and_nothing_else_is_touched() {
    let Some(cluster) = Cluster::shared() else { return };
    let folder = tempfile::TempDir::new().unwrap();
    copy(Path::new(FOLDER), folder.path());
    let labels = "metadata: { name: of, labels: { keyfob.io/inject: 'true' } }";
    let always = TEMPLATE.replace("RESTART", "Always");
    let never = TEMPLATE.replace("RESTART", "Never");
    let selected = format!("selector: {{ matchLabels: {{ app: of }} }}, template: {always}");
    let mut yaml = format!(
        "{{ apiVersion: v1, kind: Service, {labels}, spec: {{ ports: [{{ port: 80 }}] }} }}\n---
{{ apiVersion: v1, kind: Pod, {labels}, spec: {{ containers: [{{ name: a, image: a }}] }} }}\n---
{{ apiVersion: batch/v1, kind: CronJob, {labels}, spec: {{ schedule: '0 * * * *', jobTemplate: {{ spec: {{ template: {never} }} }} }} }}\n"
    );
    let untouched = documents(&yaml);
    for (kind, api, spec) in [
        ("Deployment", "apps/v1", selected.clone()),
        ("StatefulSet", "apps/v1", format!("serviceName: of, {selected}")),
        ("DaemonSet", "apps/v1", selected.clone()),
        ("Job", "batch/v1", format!("template: {never}")),
    ] {
        yaml += &format!("---\n{{ apiVersion: {api}, kind: {kind}, {labels}, spec: {{ {spec} }} }}\n");
    }
    std::fs::write(folder.path().join("example/theirs/web.yaml"), yaml).unwrap();
    let theirs = "{ kind: Kustomization, resources: [web.yaml] }";
    std::fs::write(folder.path().join("example/theirs/kustomization.yaml"), theirs).unwrap();

    let Some(objects) = built(&folder.path().join("example")) else { return };
    assert_eq!(objects.len(), untouched.len() + 4 + 1, "and the ConfigMap: {objects:#?}");
    for kept in &untouched {
        assert!(objects.contains(kept), "{kept} in {objects:#?}");
    }
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "Job"] {
        let object = find(&objects, kind, "of");
        let stored = cluster.dry_run("default", &object.to_string()).expect_code(0).json();
        let spec = &stored["spec"]["template"]["spec"];
        assert_eq!(spec["initContainers"][0]["name"], "keyfob", "{kind}");
        assert_eq!(spec["volumes"].as_array().unwrap().len(), 4, "{kind}");
        for container in spec["containers"].as_array().unwrap() {
            let uris = ours(&container["env"], "name", "AWS_CONTAINER_CREDENTIALS_FULL_URI");
            let ours = json!({
                "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "value": "http://127.0.0.1:5397/v1/credentials/default",
            });
            assert_eq!(uris, [ours], "{kind}");
            assert_eq!(container["volumeMounts"][0]["mountPath"], "/run/keyfob", "{kind}");
        }
        assert_eq!(spec["containers"][1]["env"].as_array().unwrap().len(), 4, "{kind}");
    }
}
