//! An agent with the very configuration that the example renders; only folders and ports are the test's.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::charts::{Charts, find};
use crate::support::serving::Serving;
use crate::support::{FakeAws, TempHome};

#[test]
fn the_examples_configuration_makes_an_agent_with_credentials_for_any_user() {
    let Some(charts) = Charts::ready() else { return };
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    let values =
        format!("keyfob: {{ extraEnv: [{{ name: AWS_ENDPOINT_URL_STS, value: '{}' }}] }}", aws.url());
    let objects = charts.objects("example", &values, &[]);
    let text = find(&objects, "ConfigMap", "-config")["data"]["keyfob.toml"].as_str().unwrap();
    let run = format!("{}/run/keyfob", home.path().display());
    assert!(text.matches("\"/run/keyfob").count() == 3, "token, admin token, identity\n{text}");
    let config = home.write("keyfob.toml", &text.replace("/run/keyfob", &run));
    let identity = find(&objects, "Deployment", "example").pointer("/spec/template/spec/volumes/4/projected");
    let path = &identity.unwrap()["sources"][0]["serviceAccountToken"]["path"];
    home.write(&format!("run/keyfob-identity/{}", path.as_str().unwrap()), "eyJhbGciOiJub25lIn0.e30.c2ln");

    let container =
        find(&objects, "Deployment", "example").pointer("/spec/template/spec/initContainers/0").unwrap();
    let text = |variable: &serde_json::Value, key: &str| variable[key].as_str().map(str::to_owned);
    let given = container["env"].as_array().unwrap().iter();
    let given = given.filter_map(|variable| Some((text(variable, "name")?, text(variable, "value")?)));
    // The rest is the kubelet's to fill in.
    let given = given.filter(|(_, value)| !value.contains("$("));
    let agent = Serving::start(&["--config", config.to_str().unwrap()], home.env().into_iter().chain(given));
    let begun = Instant::now();
    while agent.admin("/startupz").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(agent.admin(path).status, 200, "{probe}");
    }
    let app = find(&objects, "Deployment", "example").pointer("/spec/template/spec/containers/0").unwrap();
    let (_, uri) = app["env"][1]["value"].as_str().unwrap().split_once(":5397").unwrap();
    let answer = agent.credentials(uri);
    assert_eq!(answer.status, 200, "{}", agent.log());
    assert_eq!(answer.json()["RoleArn"], "arn:aws:iam::111122223333:role/example");
    assert_eq!(aws.calls("AssumeRoleWithWebIdentity"), 1);
    let mode = |file: &str| std::fs::metadata(format!("{run}{file}")).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("/token"), mode("-private/admin.token")), (0o444, 0o600));
}
