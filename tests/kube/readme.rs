//! What the READMEs and helm's notes tell people to type, typed: whatever needs no kubelet.

use std::path::Path;

use tempfile::TempDir;

use super::cluster::{Cluster, Version};
use crate::helm::charts::copy;
use crate::support::run::Finished;
use crate::support::tools::tool;

const HELM: &str = include_str!("../../helm/keyfob/README.md");
const ROOT: &str = include_str!("../../README.md");
const KUSTOMIZE: &str = include_str!("../../deploy/kustomize/README.md");

/// A checkout, a shell in it, and a cluster of its own: what is typed there is for all its namespaces.
struct Person {
    cluster: Cluster,
    checkout: TempDir,
    path: String,
}

impl Person {
    fn sits_down() -> Option<Person> {
        let (helm, kubectl) = (tool("helm")?, tool("kubectl")?);
        let cluster = Cluster::start(Version::New)?;
        let checkout = TempDir::new().unwrap();
        for folder in ["helm", "deploy/kustomize"] {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &checkout.path().join(folder));
        }
        let folder = |program: &Path| program.parent().unwrap().display().to_string();
        let path = format!("{}:{}:/usr/bin:/bin", folder(&helm), folder(&kubectl));
        Some(Person { cluster, checkout, path })
    }

    /// Types a command of a text, which must have it.
    #[track_caller]
    fn types(&self, text: &str, command: &str) -> Finished {
        assert!(text.contains(command), "nobody is told to type {command}: {text}");
        let script = format!("PATH={}; {command}", self.path);
        self.cluster.program(Path::new("/bin/sh"), self.checkout.path(), &["-c", &script]).expect_code(0)
    }
}

#[test]
fn what_the_readmes_and_notes_say_works_when_typed() {
    let Some(person) = Person::sits_down() else { return };
    person.types(ROOT, "helm dependency build helm/example && helm install example helm/example");
    let asked = person.types(ROOT, "kubectl get pods");
    assert_eq!(asked.stderr.trim(), "No resources found in default namespace.", "no controllers run");
    assert_eq!(person.cluster.get("default", "deployment", "example")["kind"], "Deployment");

    person.types(HELM, "helm dependency build helm/keyfob");
    let notes =
        person.types(HELM, "helm install keyfob helm/keyfob --namespace keyfob --create-namespace").stdout;
    person.types(
        &notes,
        "kubectl get nodes -o custom-columns=NAME:.metadata.name,KUBELET:.status.nodeInfo.kubeletVersion",
    );
    assert!(notes.contains("keyfob: { existingConfig: keyfob-config }"), "{notes}");
    person.cluster.get("keyfob", "configmap", "keyfob-config");

    let upgrade = "helm upgrade --install keyfob helm/keyfob --namespace keyfob --create-namespace --set injector.mode=policy";
    let notes = person.types(HELM, upgrade).stdout;
    let pod = "{ apiVersion: v1, kind: Pod, metadata: { name: NAME, labels: { keyfob.io/inject: 'true' } },
                 spec: { containers: [{ name: app, image: app }] } }";
    let mut tried = 0;
    // Until the API server has taken notice, pods are admitted as they are, or refused.
    person.cluster.until("an injected pod", || {
        tried += 1;
        let name = format!("web-{tried}");
        person.cluster.create("default", &pod.replace("NAME", &name));
        let look = "kubectl get pod POD -o jsonpath='{.spec.initContainers[0].name}'";
        assert!(HELM.contains(look) && notes.contains(look), "{notes}");
        let look = look.replace("POD", &name);
        let script = format!("PATH={}; {look}", person.path);
        let said = person.cluster.program(Path::new("/bin/sh"), person.checkout.path(), &["-c", &script]);
        (said.stdout == "keyfob").then_some(())
    });
    person
        .types(&notes.replace("POD", &format!("web-{tried}")), &format!("kubectl describe pod web-{tried}"));

    person.types(KUSTOMIZE, "kubectl diff -k deploy/kustomize/example || true");
    person.types(KUSTOMIZE, "kubectl apply -k deploy/kustomize/example");
    let look = "kubectl get deployment web -o jsonpath='{.spec.template.spec.initContainers[0].name}'";
    assert_eq!(person.types(KUSTOMIZE, look).stdout, "keyfob");
}
