//! ECS and Nomad: the task definition's own words beside a fake of ECS's agent, the job's tasks in one network.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::Value;

use super::image::Container;
use super::network::Network;
use super::{SOON, ours, text, vars};
use crate::sdk::{Sdk, python};
use crate::support::run::skip;
use crate::support::serving::parse_bound;
use crate::support::tools::tool;
use crate::support::{FakeAws, Finished, Run, TempHome, keyfob};

const TASK_ROLE: &str = "arn:aws:sts::123456789012:assumed-role/task-role/container";
const RELATIVE: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/0e5f4a12-task");

/// The one container of the task definition.
fn definition() -> Value {
    let file = fs::read_to_string(ours("deploy/ecs/task-definition.json")).unwrap();
    let mut file: Value = serde_json::from_str(&file).unwrap();
    file["containerDefinitions"][0].take()
}

fn words(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

/// Where a task runs: ECS's agent at its address, AWS.
struct Task {
    aws: FakeAws,
    network: Network,
    home: TempHome,
}

impl Task {
    fn new() -> Option<Task> {
        let (aws, network) = (FakeAws::spawn_thread(), Network::new()?);
        network.ip("address add 169.254.170.2/32 dev lo");
        Some(Task { aws, network, home: TempHome::new() })
    }

    /// The task's entry point with this command, as in the application's image, where keyfob is on the path.
    fn run(&self, command: &[String]) -> Finished {
        self.waiting(command, "30s")
    }

    /// The same, waiting for so long in place of what the file says.
    fn waiting(&self, command: &[String], patience: &str) -> Finished {
        let _agent = self.network.door("169.254.170.2:80", self.aws.addr());
        let aws = self.network.door("127.0.0.1:0", self.aws.addr());
        let definition = definition();
        let mut entry = words(&definition["entryPoint"]);
        *entry.iter_mut().find(|word| *word == "30s").unwrap() = patience.to_owned();
        let own = definition["environment"].as_array().unwrap().iter();
        let own = own.map(|pair| (text(&pair["name"]).to_owned(), text(&pair["value"]).to_owned()));
        let folders = [keyfob().parent().unwrap().to_owned(), python().parent().unwrap().to_owned()];
        let path = folders.map(|folder| folder.display().to_string()).join(":") + ":/usr/bin:/bin";
        let run = Run::new(&entry[0]).args(&entry[1..]).args(command).envs(own).envs(self.home.env());
        let run = run
            .env(RELATIVE.0, RELATIVE.1)
            .env("AWS_ENDPOINT_URL", format!("http://{}", aws.at))
            .env("PATH", path);
        self.network.inside(|| run.run())
    }
}

#[test]
fn a_task_gets_its_role_through_keyfob() {
    let Some(task) = Task::new() else { return };
    if !ours("build/venv/bin/aws").is_file() {
        return skip("the AWS CLI is not there; run `make clients`");
    }
    let done = task.run(&words(&definition()["command"])).expect_code(0);
    assert_eq!(done.json()["Arn"], TASK_ROLE);
    let asked = task.aws.requests().into_iter().filter(|entry| entry.op == "ContainerCredentials");
    let agents: Vec<_> =
        asked.map(|entry| entry.header("user-agent").unwrap_or_default().to_owned()).collect();
    assert!(agents.len() == 1 && agents[0].starts_with("keyfob/"), "{agents:?}");
}

#[test]
fn a_task_sees_keyfob_in_place_of_the_relative_address_that_ecs_sets() {
    let Some(task) = Task::new() else { return };
    let seen = task.run(&["env".to_owned()]).expect_code(0);
    let value = |name: &str| {
        let mut pairs = seen.stdout.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
    };
    assert_eq!(value(RELATIVE.0), None);
    let uri = value("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap();
    assert!(uri.starts_with("http://127.0.0.1:"), "{uri}");

    // Why it is no sidecar: every SDK prefers what ECS sets to any other address.
    let _agent = task.network.door("169.254.170.2:80", task.aws.addr());
    for sdk in Sdk::PROGRAMS {
        let env = [RELATIVE, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v1/credentials")];
        let env =
            env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(task.home.env());
        let Some(found) = task.network.inside(|| sdk.credentials(env)) else { continue };
        assert!(task.aws.issued(text(&found["AccessKeyId"])).is_some(), "{sdk:?}");
    }
}

#[test]
fn a_task_without_a_role_says_so_and_the_command_is_not_started() {
    let Some(task) = Task::new() else { return };
    task.aws.container().set(|container| container.trouble = crate::support::aws::Trouble::status(404));
    let done = task.waiting(&["echo".to_owned(), "started".to_owned()], "1s").expect_code(125);
    assert!(done.stdout.is_empty() && done.stderr.contains("CONT-DENIED"), "{done:#?}");
}

#[test]
fn ecs_would_take_the_task_definition() {
    const SCRIPT: &str = "import json, sys, botocore.session, botocore.validate\n\
        model = botocore.session.get_session().get_service_model('ecs')\n\
        shape = model.operation_model('RegisterTaskDefinition').input_shape\n\
        found = botocore.validate.ParamValidator().validate(json.load(open(sys.argv[1])), shape)\n\
        sys.exit(found.generate_report() or 0)\n";
    if !python().is_file() {
        return skip("botocore is not there; run `make clients`");
    }
    let home = TempHome::new();
    let judge = |file| Run::new(python()).arg("-c").arg(SCRIPT).arg(file).envs(home.env()).run();
    judge(ours("deploy/ecs/task-definition.json")).expect_code(0);
    let wrong = fs::read_to_string(ours("deploy/ecs/task-definition.json"))
        .unwrap()
        .replace("entryPoint", "entrypoint");
    let refused = judge(home.write("wrong.json", &wrong)).expect_code(1);
    assert!(refused.stderr.contains("entrypoint"), "{refused:#?}");

    // The image of the task says the same words.
    let image = fs::read_to_string(ours("deploy/ecs/Dockerfile")).unwrap();
    for (word, key) in [("ENTRYPOINT ", "entryPoint"), ("CMD ", "command")] {
        let line = image.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(line).unwrap(), definition()[key], "{word}");
    }
}

/// What Nomad puts for its variables, in a task's own view.
fn filled(text: &str) -> String {
    let folders =
        [("NOMAD_TASK_DIR", "/local"), ("NOMAD_SECRETS_DIR", "/secrets"), ("NOMAD_ALLOC_DIR", "/alloc")];
    folders.iter().fold(text.to_owned(), |text, (name, path)| {
        text.replace(&format!("${{{name}}}"), path).replace(&format!("{{{{ env \"{name}\" }}}}"), path)
    })
}

#[test]
fn a_nomad_groups_application_starts_with_the_credentials_of_its_sidecar() {
    let Some(ways) = tool("ways") else { return };
    let Some(network) = Network::new() else { return };
    let job =
        Run::new(ways).arg("hcl").arg(ours("deploy/nomad/keyfob.nomad.hcl")).run().expect_code(0).json();
    let tasks = &job["job"]["app"]["group"]["app"]["task"];
    let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
    let sts = network.door("127.0.0.1:0", aws.addr());
    let endpoint = format!("http://{}", sts.at);
    let sidecar = &tasks["keyfob"];
    assert_eq!(
        (&sidecar["lifecycle"]["sidecar"], text(&sidecar["lifecycle"]["hook"])),
        (&Value::from(true), "prestart")
    );
    home.write(text(&sidecar["template"]["destination"]), &filled(text(&sidecar["template"]["data"])));
    let identity = home.write(text(&sidecar["identity"]["filepath"]), "header.payload.signature");
    for folder in ["alloc", "alloc/tmp", "secrets", "local"] {
        let path = home.path().join(folder);
        fs::create_dir_all(&path).unwrap();
        // As Nomad makes them.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    chown(&identity, Some(65532), None).unwrap();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();

    let container = |task: &Value| {
        let args = &task["config"]["args"];
        // With a variable in it, the list stands as it is written.
        let args =
            args.as_str().map_or(args.clone(), |written| serde_json::from_str(&filled(written)).unwrap());
        let args = words(&args);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let folders = ["alloc", "secrets", "local"].into_iter();
        let container = folders.fold(Container::of(&args).user(text(&task["user"])), |container, folder| {
            container.volume(home.path().join(folder), &format!("/{folder}"), "")
        });
        let container = container.env("AWS_ENDPOINT_URL", &endpoint);
        vars(&task["env"])
            .into_iter()
            .fold(container, |container, (name, value)| container.env(&name, &unquoted(&value)))
    };
    let agent = network.inside(|| container(sidecar).start());
    assert!(agent.process.stderr.find(SOON, parse_bound).is_some(), "{}", agent.process.stderr.text());
    let gate = &tasks["credentials"];
    assert_eq!((text(&gate["lifecycle"]["hook"]), &gate["lifecycle"]["sidecar"]), ("prestart", &Value::Null));
    network.inside(|| container(gate).run().run()).expect_code(0);

    let alloc = home.path().join("alloc").display().to_string();
    let env = vars(&tasks["app"]["env"])
        .into_iter()
        .map(|(name, value)| (name, unquoted(&value).replace("/alloc", &alloc)));
    let env = env.chain([("AWS_ENDPOINT_URL".to_owned(), endpoint.clone())]);
    let Some(me) = network.inside(|| Sdk::Boto3.identity(env)) else { return };
    assert!(me.arn.starts_with("arn:aws:sts::111122223333:assumed-role/app/"), "{me:?}");
}

/// A text with a variable in it stands as it is written, quotes and all.
fn unquoted(text: &str) -> String {
    filled(text.trim_matches('"'))
}
