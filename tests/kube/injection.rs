//! Sidecars put into pods by the API server's own policies.

use serde_json::Value;

use super::cluster::{Cluster, Version};
use crate::helm::charts::Charts;
use crate::support::run::Finished;
use crate::support::tools::tool;

/// Words that a pod's labels, annotations and specification are put into.
fn pod(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{ name: {name}, labels: {{ keyfob.io/inject: 'true' }} }}
spec: {{ {spec} }}
"
    )
}

const PLAIN: &str = "containers: [{ name: app, image: app }, { name: more, image: more }]";

/// The chart with its policies for one namespace, which is the release's.
struct Injected {
    cluster: &'static Cluster,
    charts: Charts,
    space: String,
}

impl Injected {
    fn install(cluster: &'static Cluster, stem: &str) -> Option<Injected> {
        Injected::install_but_for(cluster, stem, "none")
    }

    /// For all namespaces with the label `injected`, the stem, but one.
    fn install_but_for(cluster: &'static Cluster, stem: &str, excluded: &str) -> Option<Injected> {
        let (charts, helm) = (Charts::ready()?, tool("helm")?);
        let space = cluster.namespace(stem, &[&format!("injected={stem}")]);
        let values = format!(
            "injector:
  mode: policy
  namespaceSelector: {{ matchLabels: {{ injected: {stem} }} }}
  excludedNamespaces: [{excluded}]
keyfob: {{ region: eu-central-1, roles: [{{ name: default, webIdentity: {{ roleArn: 'arn:aws:iam::111122223333:role/a' }} }}] }}
"
        );
        charts.write("injector.yaml", &values);
        let args = ["install", "keyfob", "keyfob", "--namespace", &space, "--values", "injector.yaml"];
        cluster.program(&helm, charts.folder(), &args).expect_code(0);
        let injected = Injected { cluster, charts, space };
        // The API server takes notice of new policies after a moment, of each in its own time.
        let mut last = None;
        let begun = std::time::Instant::now();
        let dry = |yaml: &str| cluster.dry_run(&injected.space, yaml);
        loop {
            let made = dry(&pod("first", PLAIN));
            if made.code() == Some(0) && made.json()["spec"]["initContainers"][0]["name"] == "keyfob" {
                break;
            }
            assert!(begun.elapsed().as_secs() < 60, "no policy that works: {last:?}");
            last = Some(made);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Some(injected)
    }

    fn create(&self, yaml: &str) -> Finished {
        self.cluster.create(&self.space, yaml)
    }

    #[track_caller]
    fn admitted(&self, name: &str, spec: &str) -> Value {
        self.create(&pod(name, spec)).expect_code(0);
        self.cluster.get(&self.space, "pod", name)
    }
}

fn names(containers: &Value) -> Vec<&str> {
    containers.as_array().unwrap().iter().map(|container| container["name"].as_str().unwrap()).collect()
}

/// What the pod's own container was given.
#[track_caller]
fn assert_wired(container: &Value) {
    let env = container["env"].as_array().unwrap();
    let value = |name: &str| {
        let found: Vec<_> = env.iter().filter(|var| var["name"] == name).collect();
        assert_eq!(found.len(), 1, "{name} in {container}");
        found[0]["value"].as_str().unwrap()
    };
    let uri = value("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    assert_eq!(uri, "http://127.0.0.1:5397/v1/credentials/default");
    assert_eq!(value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "/run/keyfob/token");
    assert_eq!(value("AWS_EC2_METADATA_DISABLED"), "true");
    let mounts = container["volumeMounts"].as_array().unwrap();
    let ours: Vec<_> = mounts.iter().filter(|mount| mount["mountPath"] == "/run/keyfob").collect();
    assert_eq!(ours.len(), 1, "{container}");
    assert_eq!((&ours[0]["name"], &ours[0]["readOnly"]), (&"keyfob-auth".into(), &true.into()));
}

#[test]
fn the_sidecar_is_first_and_once_in_every_kind_of_pod() {
    for cluster in Cluster::each() {
        let Some(injected) = Injected::install(cluster, "kinds") else { return };
        let bare = injected.admitted("bare", PLAIN);
        assert_eq!(names(&bare["spec"]["initContainers"]), ["keyfob"]);
        bare["spec"]["containers"].as_array().unwrap().iter().for_each(assert_wired);
        let annotation = &bare["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"];
        assert_eq!(annotation, "app,more");
        assert_eq!(bare["metadata"]["labels"]["keyfob.io/sidecar"], "true");

        let own = "initContainers: [{ name: migrate, image: m, env: [{ name: AWS_REGION, value: mine }] }],
                   volumes: [{ name: own, emptyDir: {} }],";
        let own = injected.admitted("own", &format!("{own} {PLAIN}"));
        assert_eq!(names(&own["spec"]["initContainers"]), ["keyfob", "migrate"]);
        let migrate = &own["spec"]["initContainers"][1];
        assert_wired(migrate);
        let regions = migrate["env"].as_array().unwrap().iter().filter(|var| var["name"] == "AWS_REGION");
        assert!(regions.map(|var| &var["value"]).eq(["mine"]), "{migrate}");
        let volumes = names(&own["spec"]["volumes"]);
        assert!(volumes.contains(&"own") && volumes.contains(&"keyfob-identity"), "{volumes:?}");

        // No controllers run: the pod is made of the template as they would.
        for (kind, api, rest) in [
            ("Deployment", "apps/v1", "selector: { matchLabels: { keyfob.io/inject: 'true' } },"),
            ("Job", "batch/v1", ""),
        ] {
            let restart = if kind == "Job" { "restartPolicy: Never," } else { "" };
            let template = format!(
                "{{ metadata: {{ labels: {{ keyfob.io/inject: 'true' }} }}, spec: {{ {restart} {PLAIN} }} }}"
            );
            let yaml = format!(
                "{{ apiVersion: {api}, kind: {kind}, metadata: {{ name: of }}, spec: {{ {rest} template: {template} }} }}"
            );
            injected.create(&yaml).expect_code(0);
            let mut made = cluster.get(&injected.space, kind, "of")["spec"]["template"].clone();
            assert!(made["spec"]["initContainers"].is_null(), "the template stays as it was written: {made}");
            made["apiVersion"] = "v1".into();
            made["kind"] = "Pod".into();
            let name = format!("of-{}", kind.to_lowercase());
            made["metadata"]["name"] = name.clone().into();
            injected.create(&made.to_string()).expect_code(0);
            let pod = cluster.get(&injected.space, "pod", &name);
            assert_eq!(names(&pod["spec"]["initContainers"]), ["keyfob"], "{kind}");
        }
    }
}

#[test]
fn the_injected_sidecar_is_the_librarys_to_the_letter() {
    for cluster in Cluster::each() {
        let Some(injected) = Injected::install(cluster, "same") else { return };
        let pod = injected.admitted("mine", PLAIN);
        let helm = tool("helm").unwrap();
        let show = [
            "template",
            "keyfob",
            "keyfob",
            "--namespace",
            &injected.space,
            "--values",
            "injector.yaml",
            "--show-only",
            "templates/tests/credentials.yaml",
            "--kube-version",
            "1.37",
            "--api-versions",
            "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
        ];
        let rendered = cluster.program(&helm, injected.charts.folder(), &show).expect_code(0);
        cluster.apply(&injected.space, &rendered.stdout).expect_code(0);
        let library = cluster.get(&injected.space, "pod", "keyfob-test");
        // A pod may have the API's own token mounted everywhere: that is none of ours.
        let sidecar = |pod: &Value| {
            let mut sidecar = pod["spec"]["initContainers"][0].clone();
            let mounts = sidecar["volumeMounts"].as_array_mut().unwrap();
            mounts.retain(|mount| mount["name"].as_str().unwrap().starts_with("keyfob"));
            sidecar
        };
        assert_eq!(sidecar(&pod), sidecar(&library));
        let ours = |pod: &Value| {
            let volumes = pod["spec"]["volumes"].as_array().unwrap().iter();
            let ours = |volume: &&Value| volume["name"].as_str().unwrap().starts_with("keyfob");
            volumes.filter(ours).cloned().collect::<Vec<_>>()
        };
        assert_eq!(ours(&pod), ours(&library));
        assert_eq!(ours(&pod).len(), 4);
    }
}

#[test]
fn only_who_asks_is_injected_and_who_asks_in_vain_is_refused() {
    for cluster in Cluster::each() {
        let Some(injected) = Injected::install(cluster, "vain") else { return };
        let unasked = pod("unasked", PLAIN).replace("'true'", "'false'");
        injected.create(&unasked).expect_code(0);
        let unasked = cluster.get(&injected.space, "pod", "unasked");
        assert!(unasked["spec"]["initContainers"].is_null(), "{unasked}");

        let elsewhere = cluster.namespace("elsewhere", &[]);
        cluster.create(&elsewhere, &pod("asks", PLAIN)).expect_code(0);
        let outside = cluster.get(&elsewhere, "pod", "asks");
        assert!(outside["spec"]["initContainers"].is_null(), "{outside}");

        let chosen =
            pod("chosen", PLAIN).replace("labels:", "annotations: { keyfob.io/containers: 'more' }, labels:");
        injected.create(&chosen).expect_code(0);
        let chosen = cluster.get(&injected.space, "pod", "chosen");
        assert!(chosen["spec"]["containers"][0]["env"].is_null(), "{chosen}");
        assert_wired(&chosen["spec"]["containers"][1]);

        let policy = format!("keyfob-{}", injected.space);
        cluster.kubectl(&["delete", "mutatingadmissionpolicy", &policy]).expect_code(0);
        let sentence = format!(
            "keyfob: this pod asks for credentials by the label keyfob.io/inject and got no sidecar: is the MutatingAdmissionPolicy {policy} there?"
        );
        let mut tried = 0;
        cluster.until("a refusal", || {
            tried += 1;
            let made = injected.create(&pod(&format!("late-{tried}"), PLAIN));
            let refused = made.code() != Some(0);
            assert!(!refused || made.stderr.contains(&sentence), "{made:#?}");
            refused.then_some(())
        });
    }
}

#[test]
fn excluded_namespaces_are_left_alone() {
    for cluster in Cluster::each() {
        let excluded = cluster.namespace("excluded", &["injected=but-for"]);
        let Some(injected) = Injected::install_but_for(cluster, "but-for", &excluded) else { return };
        let other = cluster.namespace("other", &["injected=but-for"]);
        let first = |space: &str| {
            cluster.create(space, &pod("asks", PLAIN)).expect_code(0);
            cluster.get(space, "pod", "asks")["spec"]["initContainers"][0]["name"].clone()
        };
        assert_eq!(first(&injected.space), "keyfob");
        assert_eq!(first(&other), "keyfob");
        assert_eq!(first(&excluded), Value::Null);
    }
}

/// Seconds that the API server spent on creating pods, and how many there were.
fn spent(cluster: &Cluster) -> (f64, f64) {
    let text = cluster.kubectl(&["get", "--raw", "/metrics"]).expect_code(0).stdout;
    let of = |name: &str| -> f64 {
        let name = format!("apiserver_request_duration_seconds_{name}{{");
        let ours = |line: &&str| {
            line.starts_with(&name) && line.contains("resource=\"pods\"") && line.contains("verb=\"POST\"")
        };
        text.lines().filter(ours).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    (of("sum"), of("count"))
}

/// Prints what README states; no threshold, a test's machine is busy.
#[test]
fn admission_costs_what_it_costs() {
    let Some(cluster) = Cluster::start(Version::New) else { return };
    let cluster: &'static Cluster = Box::leak(Box::new(cluster));
    let Some(injected) = Injected::install(cluster, "cost") else { return };
    let many = |asks: &str| -> f64 {
        let one = |nth| pod(&format!("{asks}-{nth}"), PLAIN).replace("'true'", &format!("'{asks}'"));
        let yaml: Vec<_> = (0..200).map(one).collect();
        let (sum, count) = spent(cluster);
        injected.create(&yaml.join("---\n")).expect_code(0);
        let (later, number) = spent(cluster);
        assert!((number - count - 200.0).abs() < 0.5, "{number} - {count}");
        (later - sum) / 200.0 * 1000.0
    };
    let (without, with) = (many("false"), many("true"));
    let words = format!("ADMISSION of a pod: {without:.2} ms without injection, {with:.2} ms with it\n");
    std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes()).unwrap();
}
