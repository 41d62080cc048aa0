//! The real SDKs, which take the agent for an instance's metadata service.

use std::time::Duration;

use super::Sdk;
use crate::support::raw::{self, Reply};
use crate::support::{FakeAws, Run, Serving, TempHome};

const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aws-ec2-metadata-token";
const ROLE: &str = "/latest/meta-data/iam/security-credentials";

struct Stage {
    aws: FakeAws,
    home: TempHome,
    agent: Serving,
}

impl Stage {
    /// An agent on the fake's metadata service, with these roles.
    #[track_caller]
    fn new(roles: &str) -> Stage {
        let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
        let listen = "[listen]\ncredentials = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\nimds = true\n";
        let config = home.write("keyfob.toml", &format!("{listen}{roles}")).display().to_string();
        let runtime = home.path().join("run");
        std::fs::create_dir_all(&runtime).unwrap();
        let run = Run::keyfob().args(["serve", "--log-format", "json", "--config", &config]).envs(home.env());
        let run = run.envs(aws.env()).env("RUNTIME_DIRECTORY", &runtime).env("AWS_REGION", "eu-west-3");
        let run = run.env("AWS_DEFAULT_REGION", "eu-west-3");
        let agent = Serving::launch(&run).unwrap();
        let admin = agent.bound.admin.to_string();
        Run::keyfob().args(["wait", "--admin", &admin]).envs(home.env()).run().expect_code(0);
        Stage { aws, home, agent }
    }

    fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        raw::request(self.agent.bound.credentials, method, path, fields, "")
    }

    fn session(&self) -> String {
        let reply = self.ask("PUT", "/latest/api/token", &[(TTL, "21600")]);
        assert_eq!((reply.status, reply.header(TTL.to_ascii_lowercase().as_str())), (200, Some("21600")));
        reply.body
    }
}

#[test]
fn sdks_get_credentials_as_on_an_instance() {
    let stage = Stage::new("");
    let client = TempHome::new();
    for sdk in Sdk::ALL {
        let mut env = client.env();
        env.push((
            "AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(),
            format!("http://{}", stage.agent.bound.credentials),
        ));
        env.push(("AWS_ENDPOINT_URL".to_owned(), stage.aws.url()));
        env.extend(
            ["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name.to_owned(), "eu-west-1".to_owned())),
        );
        let Some(done) = sdk.run(&["identity"], Duration::from_secs(60), env) else { continue };
        assert_eq!(done.code(), Some(0), "{sdk:?}: {done:#?}\n{}", stage.agent.log());
        assert!(done.stdout.contains("assumed-role/instance-role"), "{sdk:?}: {done:#?}");
    }
    let metrics = stage.agent.admin("/metrics").body;
    assert!(metrics.contains("handler=\"imds\""), "{metrics}");
    drop(stage.home);
}

#[test]
fn paths_and_refusals_are_those_of_version_2() {
    let private = "[[role]]\nname = \"default\"\n[[role]]\nname = \"own\"\ntokens = [\"RUN/own.token\"]\n";
    let folder = TempHome::new();
    let stage = Stage::new(&private.replace("RUN", &folder.path().display().to_string()));
    let session = stage.session();
    let with = [(TOKEN, session.as_str())];
    for path in [ROLE.to_owned(), format!("{ROLE}/")] {
        assert_eq!(stage.ask("GET", &path, &with).body, "default", "one name, no newline");
    }
    assert_eq!(stage.ask("GET", "/latest/meta-data/placement/region", &with).body, "eu-west-3");
    assert_eq!(stage.ask("GET", "/latest/meta-data/placement/availability-zone/", &with).body, "eu-west-3a");
    let role = format!("{ROLE}/default");
    let body = stage.ask("GET", &role, &with).json();
    let fields: Vec<_> =
        body.as_object().unwrap().keys().map(String::as_str).filter(|key| *key != "AccountId").collect();
    let mut wanted = ["Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"];
    wanted.sort_unstable();
    assert_eq!(fields, wanted);
    assert_eq!((body["Code"].as_str(), body["Type"].as_str()), (Some("Success"), Some("AWS-HMAC")));
    let main = stage.agent.token();
    let cases: [(&str, &str, &[(&str, &str)], u16); 14] = [
        ("GET", &role, &[], 401),
        ("GET", &role, &[("Authorization", &main)], 401),
        ("GET", &role, &[(TOKEN, "0")], 401),
        ("GET", &role, &[(TOKEN, &session), (TOKEN, &session)], 401),
        ("GET", &role, &[(TOKEN, &session), ("X-Forwarded-For", "10.0.0.1")], 403),
        ("PUT", "/latest/api/token", &[(TTL, "60"), ("X-Forwarded-For", "10.0.0.1")], 403),
        ("PUT", "/latest/api/token", &[], 400),
        ("PUT", "/latest/api/token", &[(TTL, "0")], 400),
        ("PUT", "/latest/api/token", &[(TTL, "21601")], 400),
        ("GET", "/latest/api/token", &with, 405),
        ("POST", &role, &with, 405),
        // A role with tokens of its own answers only to these.
        ("GET", "/latest/meta-data/iam/security-credentials/own", &with, 404),
        ("GET", "/latest/meta-data/iam/security-credentials-extended/", &with, 404),
        ("GET", "/v1/credentials", &with, 401),
    ];
    for (method, path, fields, status) in cases {
        let reply = stage.ask(method, path, fields);
        assert_eq!(reply.status, status, "{method} {path} {fields:?}: {}", reply.body);
    }
    assert_eq!(stage.ask("GET", &role, &[]).json()["cause"], "IMDS-V1ONLY");
}
