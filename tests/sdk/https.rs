//! The real SDKs over https, with a private authority: who can be made to trust it, and by what.

use std::time::Duration;

use super::Sdk;
use crate::support::papers::Papers;
use crate::support::tools::tool;
use crate::support::{FakeAws, Run, Serving, TempHome};

/// What Java is told of the authority: a trust store of its own kind. None: skipped.
fn trusting(papers: &Papers) -> Option<String> {
    let [pem, store] = ["ca.pem", "ca.p12"].map(|name| papers.path(name).display().to_string());
    let import = Run::new(tool("keytool")?).args(["-importcert", "-noprompt", "-alias", "ca", "-file", &pem]);
    import.args(["-keystore", &store, "-storepass", "changeit"]).run().expect_code(0);
    let property = |name: &str, value: &str| format!("-Djavax.net.ssl.trustStore{name}={value}");
    Some(format!("{} {}", property("", &store), property("Password", "changeit")))
}

#[test]
fn sdks_that_can_be_told_of_an_authority_take_https_and_botocore_cannot_be_told() {
    let Some(papers) = Papers::make() else { return };
    papers.issue("server", "IP:127.0.0.1");
    let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
    let path = |name: &str| papers.path(name).display().to_string();
    let listen = format!(
        "[listen]\ncredentials = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\ntls = {{ cert = \"{}\", key = \"{}\" }}\n",
        path("server.pem"),
        path("server.key")
    );
    let config = home.write("keyfob.toml", &listen).display().to_string();
    let runtime = home.path().join("run");
    std::fs::create_dir_all(&runtime).unwrap();
    let run = Run::keyfob().args(["serve", "--log-format", "json", "--config", &config]).envs(home.env());
    let run = run.envs(aws.env()).env("RUNTIME_DIRECTORY", &runtime);
    let agent = Serving::launch(&run).unwrap();
    let admin = agent.bound.admin.to_string();
    Run::keyfob().args(["wait", "--admin", &admin]).envs(home.env()).run().expect_code(0);
    let wiring = Run::keyfob()
        .args(["env", "--format", "json", "--admin", &admin])
        .envs(home.env())
        .run()
        .expect_code(0);
    let wiring = wiring.json()["set"].as_object().unwrap().clone();
    assert!(wiring["AWS_CONTAINER_CREDENTIALS_FULL_URI"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    let client = TempHome::new();
    for sdk in Sdk::ALL {
        let mut env = client.env();
        env.extend(wiring.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
        env.push(("AWS_ENDPOINT_URL".to_owned(), aws.url()));
        env.extend(
            ["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name.to_owned(), "eu-west-1".to_owned())),
        );
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"] {
            env.push((name.to_owned(), path("ca.pem")));
        }
        if sdk == Sdk::Java {
            let Some(options) = trusting(&papers) else { continue };
            env.push(("JAVA_TOOL_OPTIONS".to_owned(), options));
        }
        let Some(done) = sdk.run(&["identity"], Duration::from_secs(60), env) else { continue };
        if matches!(sdk, Sdk::Boto3 | Sdk::Cli) {
            // botocore asks container endpoints with the authorities that it brings along, whatever it is told.
            assert_ne!(done.code(), Some(0), "{sdk:?}: README says that it cannot be told {done:#?}");
            let said = done.stdout.clone() + &done.stderr;
            assert!(said.contains("CERTIFICATE_VERIFY_FAILED"), "{sdk:?}: {done:#?}");
        } else {
            assert_eq!(done.code(), Some(0), "{sdk:?}: {done:#?}");
            assert!(done.stdout.contains("assumed-role/instance-role"), "{sdk:?}: {done:#?}");
        }
    }
}
