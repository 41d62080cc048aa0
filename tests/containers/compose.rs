//! compose: keyfob at the address of ECS's agent, on a bridge, with the file's own addresses, users, variables and words.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use super::image::{Contained, Container, Dockerfile};
use super::network::{Door, Network};
use super::{SOON, ours, text, vars};
use crate::sdk::Sdk;
use crate::support::serving::parse_bound;
use crate::support::tools::tool;
use crate::support::{FakeAws, Finished, Run, TempHome, raw};

const KEY: &str = "AKIDCOMPOSE";
const SECRET: &str = "a-secret-of-the-laptop";
const ROLE: &str = "arn:aws:iam::222233334444:role/app";

/// The project as compose understands it, and the networks and volumes that an engine would make of it.
struct Project {
    understood: Value,
    host: Network,
    keyfob: Network,
    app: Network,
    home: TempHome,
    token: PathBuf,
    aws: FakeAws,
    // For both, under the same address each in its own network.
    doors: [Door; 2],
}

impl Project {
    fn up() -> Option<Project> {
        let (ways, home) = (tool("ways")?, TempHome::new());
        let read = Run::new(ways).arg("compose").arg(ours("deploy/docker/compose.yaml")).envs(home.env());
        let understood = read.run().expect_code(0).json();
        let (host, keyfob, app) = (Network::new()?, Network::new()?, Network::new()?);
        let net = &understood["networks"]["credentials"]["ipam"]["config"][0];
        let (subnet, gateway) = (text(&net["subnet"]), text(&net["gateway"]));
        let length = subnet.split_once('/').unwrap().1;
        host.ip("link add switch type bridge");
        host.ip(&format!("address add {gateway}/{length} dev switch"));
        host.ip("link set switch up");
        let own = text(&understood["services"]["keyfob"]["networks"]["credentials"]["ipv4_address"]);
        keyfob.plug_into(&host, "keyfob", &format!("{own}/{length}"));
        // An address that an engine would give.
        app.plug_into(&host, "app", &format!("{}.77/{length}", own.rsplit_once('.').unwrap().0));
        for (name, value) in understood["services"]["keyfob"]["sysctls"].as_object().unwrap() {
            keyfob.sysctl(name, text(value));
        }
        let token = memory(&home, &understood["volumes"]["token"]["driver_opts"]);
        let aws = FakeAws::spawn_thread();
        aws.add_user(KEY, SECRET, "111122223333", "alice");
        let doors = [&keyfob, &app].map(|net| net.door("127.0.0.1:9", aws.addr()));
        Some(Project { understood, host, keyfob, app, home, token, aws, doors })
    }

    fn service(&self, name: &str) -> &Value {
        &self.understood["services"][name]
    }

    /// What is at this place of a service.
    fn volume(&self, volume: &Value) -> PathBuf {
        match text(&volume["type"]) {
            "bind" => PathBuf::from(text(&volume["source"])),
            _ => self.token.clone(),
        }
    }

    fn container(&self) -> Container {
        let service = self.service("keyfob");
        assert_eq!((&service["command"], &service["entrypoint"]), (&Value::Null, &Value::Null));
        let volumes = service["volumes"].as_array().unwrap().iter();
        let container = volumes.fold(Container::of(&[]).user(text(&service["user"])), |container, volume| {
            let mode = if volume["read_only"] == true { "ro" } else { "" };
            container.volume(self.volume(volume), text(&volume["target"]), mode)
        });
        let container = container.env("AWS_ENDPOINT_URL", &self.endpoint());
        vars(&service["environment"])
            .into_iter()
            .fold(container, |container, (name, value)| container.env(&name, &value))
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.doors[0].at)
    }

    /// The application's variables; AWS is the fake.
    fn env(&self) -> Vec<(String, String)> {
        let mut env = vars(&self.service("app")["environment"]);
        env.push(("AWS_ENDPOINT_URL".to_owned(), self.endpoint()));
        env.extend(TempHome::new().env());
        env
    }

    /// A program with the application's network and volume; none where it is not there.
    fn application(&self, sdk: Sdk, env: Vec<(String, String)>) -> Option<Finished> {
        const SCRIPT: &str = "mount -t tmpfs none /run; mkdir /run/keyfob; mount --bind \"$1\" /run/keyfob; \
                              mount -o remount,bind,ro /run/keyfob; shift; exec \"$@\"";
        let run = Run::new("unshare").args(["--mount", "sh", "-ec", SCRIPT, "sh"]).arg(&self.token);
        let run = sdk.under(run.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(env), &["identity"])?;
        Some(self.app.inside(|| run.run()))
    }

    /// As `depends_on` waits for it.
    fn healthy(&self, agent: &Contained) {
        let end = Instant::now() + SOON;
        loop {
            let check = self.container().command(Dockerfile::read().list("HEALTHCHECK"));
            if self.keyfob.inside(|| check.run().run()).code() == Some(0) {
                return;
            }
            assert!(Instant::now() < end, "{}", agent.process.stderr.text());
        }
    }
}

/// A volume in memory with the owner and the mode that its options say.
fn memory(home: &TempHome, options: &Value) -> PathBuf {
    assert_eq!(options["type"], "tmpfs");
    let option = |name: &str| {
        let mut pairs = text(&options["o"]).split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).unwrap().1.to_owned()
    };
    let folder = home.path().join("token");
    fs::create_dir(&folder).unwrap();
    let mode = u32::from_str_radix(&option("mode"), 8).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    chown(&folder, Some(option("uid").parse().unwrap()), Some(option("gid").parse().unwrap())).unwrap();
    folder
}

/// The files of the laptop's owner, which nobody else may read.
fn owners_files(home: &TempHome, user: &str) {
    home.credentials(&format!("[base]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"));
    home.config(&format!("[default]\nrole_arn = {ROLE}\nsource_profile = base\nrole_session_name = me\n"));
    let (uid, gid) = user.split_once(':').unwrap();
    for (path, mode) in [(".aws", 0o700), (".aws/config", 0o600), (".aws/credentials", 0o600)] {
        let path = home.path().join(path);
        chown(&path, Some(uid.parse().unwrap()), Some(gid.parse().unwrap())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn every_sdk_asks_keyfob_at_the_address_of_the_ecs_agent() {
    let Some(project) = Project::up() else { return };
    owners_files(&project.home, text(&project.service("keyfob")["user"]));
    let agent = project.keyfob.inside(|| project.container().start());
    assert!(agent.process.stderr.find(SOON, parse_bound).is_some(), "{}", agent.process.stderr.text());
    assert_eq!(project.service("app")["depends_on"]["keyfob"]["condition"], "service_healthy");
    project.healthy(&agent);
    for sdk in Sdk::ALL {
        let Some(done) = project.application(sdk, project.env()) else { continue };
        let done = done.expect_code(0);
        assert!(done.stdout.contains("arn:aws:sts::222233334444:assumed-role/app/me"), "{sdk:?}: {done:#?}");
    }
    assert_eq!(project.aws.calls("AssumeRole"), 1, "one question, whoever asks us");

    // Whoever has not got the volume gets nothing, nor does the host; any user of a container that has it may read it.
    let tokenless = |(name, _): &(String, String)| name != "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    let env = project.env().into_iter().filter(tokenless).collect();
    if let Some(done) = project.application(Sdk::Boto3, env) {
        assert_ne!(done.code(), Some(0), "{done:#?}");
    }
    let stranger = || raw::get("169.254.170.2:80".parse().unwrap(), "/v2/credentials/default", &[]).status;
    assert_eq!(project.host.inside(stranger), 401);
    let token = fs::metadata(project.token.join("token")).unwrap();
    assert_eq!(token.permissions().mode() & 0o777, 0o444);
}

#[test]
fn what_the_file_says_of_the_container_is_what_the_test_plays() {
    let Some(ways) = tool("ways") else { return };
    let file = ours("deploy/docker/compose.yaml");
    let env = [("HOME", "/home/me"), ("KEYFOB_UID", "501"), ("KEYFOB_GID", "20"), ("AWS_PROFILE", "work")];
    let read = Run::new(&ways).arg("compose").arg(&file).envs(env).run().expect_code(0).json();
    let keyfob = &read["services"]["keyfob"];
    assert_eq!(
        (&keyfob["read_only"], &keyfob["cap_drop"]),
        (&Value::from(true), &serde_json::json!(["ALL"]))
    );
    assert_eq!(keyfob["security_opt"], serde_json::json!(["no-new-privileges:true"]));
    assert_eq!((text(&keyfob["user"]), text(&keyfob["environment"]["AWS_PROFILE"])), ("501:20", "work"));
    assert!(text(&read["volumes"]["token"]["driver_opts"]["o"]).contains("uid=501,gid=20"));
    assert_eq!(text(&keyfob["volumes"][1]["source"]), "/home/me/.aws");
    let build = &keyfob["build"];
    let context = PathBuf::from(text(&build["context"])).canonicalize().unwrap();
    assert!(context.join(text(&build["dockerfile"])).is_file());
    // The judge does refuse what compose does not know.
    let home = TempHome::new();
    let wrong = fs::read_to_string(&file)
        .unwrap()
        .replace("read_only: true\n    cap_drop", "readonly: true\n    cap_drop");
    let wrong = home.write("compose.yaml", &wrong);
    let refused = Run::new(ways).arg("compose").arg(wrong).envs(env).run().expect_code(1);
    assert!(refused.stderr.contains("readonly"), "{refused:#?}");
}
