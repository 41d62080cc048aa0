//! One failure, wherever a person may meet it: the same code, the same sentence, the same first thing to do.

use std::time::Duration;

use serde_json::Value;

use crate::logs::journal::under_a_journal;
use crate::support::aws::FakeAws;
use crate::support::{Run, Serving, TempHome};
use crate::systemd::notify::Ear;

const SOON: Duration = Duration::from_secs(20);
const ROLE: &str = "arn:aws:iam::222233334444:role/app";
const KEYS: &str = "AKIABASE000000000000";

/// What is to be met, as `explain` tells programs.
struct Told {
    code: String,
    sentence: String,
    fix: String,
}

impl Told {
    fn of(failure: &Value) -> Told {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{failure:#}")).to_owned();
        let (code, sentence) = (text(&failure["code"]), text(&failure["message"]));
        Told { code, sentence, fix: text(&failure["fix"][0]["text"]) }
    }

    /// What that place lacks.
    fn missing<'a>(&'a self, place: &str) -> Vec<&'a str> {
        let place = flat(place);
        let wanted = [&self.code, &self.sentence, &self.fix].into_iter();
        wanted.filter(|part| !place.contains(&flat(part))).map(String::as_str).collect()
    }
}

/// Lines may break anywhere.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a page shows.
fn shown(html: &str) -> String {
    let mut parts = html.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, part| text + part.split_once('>').map_or("", |(_, text)| text));
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.into_iter().fold(text, |text, (entity, sign)| text.replace(entity, sign))
}

/// All texts of a document, as they are meant.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => fields.values().map(texts).collect(),
        _ => String::new(),
    }
}

struct Scene {
    home: TempHome,
    aws: FakeAws,
}

impl Scene {
    /// One role, whose profile is that.
    fn new(profile: &str) -> Scene {
        let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
        home.shut();
        let secret = format!("secret-of-{KEYS}");
        aws.add_user(KEYS, &secret, "123456789012", "alice");
        aws.sts().set(|sts| sts.denied = [ROLE.to_owned()].into());
        home.credentials(&format!("[base]\naws_access_key_id = {KEYS}\naws_secret_access_key = {secret}\n"));
        home.config(&format!(
            "[profile app]\nrole_arn = {ROLE}\nsource_profile = base\nregion = eu-west-1\n"
        ));
        home.write("keyfob.toml", &format!("[[role]]\nname = \"bad\"\nprofile = \"{profile}\"\n"));
        std::fs::create_dir_all(home.path().join("run")).unwrap();
        Scene { home, aws }
    }

    fn env(&self) -> Vec<(String, String)> {
        let mut env = self.home.env();
        env.extend(self.aws.env());
        let own = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("RUNTIME_DIRECTORY", self.home.path().join("run").display().to_string()),
            ("KEYFOB_CONFIG", self.home.path().join("keyfob.toml").display().to_string()),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        env
    }

    /// An agent, once its first walk has ended, and what it says to its supervisor.
    fn agent(&self) -> (Serving, String) {
        let socket = self.home.path().join("notify");
        let mut ear = Ear::at(&socket);
        let mut env = self.env();
        env.push(("NOTIFY_SOCKET".to_owned(), socket.display().to_string()));
        env.push(("OTEL_TRACES_EXPORTER".to_owned(), "console".to_owned()));
        env.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "20".to_owned()));
        let agent = Serving::start(&[], env);
        let status = ear.next(|text| text.contains("STATUS=no credentials"));
        (agent, status)
    }

    fn said(&self, args: &[&str], code: i32) -> (String, Value) {
        let ended = Run::keyfob().args(args).envs(self.env()).within(SOON).run().expect_code(code);
        let document = serde_json::from_str(&ended.stdout).unwrap_or_default();
        (format!("{}\n{}", ended.stdout, ended.stderr), document)
    }

    /// What a container leaves behind when its agent gives up: the chart's policy is to show the log's last lines.
    fn last_words(&self) -> String {
        let config = std::fs::read_to_string(self.home.path().join("keyfob.toml")).unwrap();
        self.home.write("hurry.toml", &format!("[startup]\ndeadline = \"300ms\"\n{config}"));
        let hurry = self.home.path().join("hurry.toml").display().to_string();
        let args = [
            "serve",
            "--config",
            &hurry,
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "off",
            "--log-format",
            "text",
        ];
        self.said(&args, 4).0
    }
}

#[test]
fn a_failure_is_told_in_the_same_words_everywhere() {
    for (profile, code) in [("app", "STS-DENIED"), ("ap", "PROFILE-UNKNOWN")] {
        let scene = Scene::new(profile);
        let (agent, status) = scene.agent();
        let admin = agent.bound.admin.to_string();
        let ask = |args: &[&str], code: i32| scene.said(&[&["--admin", &admin], args].concat(), code);
        let (_, document) = ask(&["explain", "--output", "json"], 4);
        let told = Told::of(&document["failure"]);
        assert_eq!(told.code, code, "{document:#}");

        let body = agent.credentials("/v1/credentials/bad").json();
        assert_eq!(body["cause"], code);
        let page = crate::support::raw::get(agent.bound.admin, "/status", &[("Accept", "text/html")]).body;
        let line = |wanted: &str| {
            let of = |line: &str| {
                let line: Value = serde_json::from_str(line).ok()?;
                (texts(&line).contains(wanted) && line.to_string().contains(code)).then(|| texts(&line))
            };
            agent.process.stderr.find(SOON, of).unwrap_or_else(|| panic!("no {wanted}:\n{}", agent.log()))
        };
        let words = scene.last_words();
        let (log, last) =
            words.split_once("Looking for AWS credentials").unwrap_or_else(|| panic!("{words}"));
        let tail = last.get(last.len().saturating_sub(2048)..).unwrap_or(last);
        let places = [
            ("the error body", texts(&body)),
            ("the message that SDKs log", body["message"].as_str().unwrap().to_owned()),
            ("explain", ask(&["explain"], 4).0),
            ("explain where no agent is asked", scene.said(&["explain", "--local"], 4).0),
            ("/v1/explain", texts(&agent.admin("/v1/explain/bad").json())),
            ("status for programs", texts(&ask(&["status", "--output", "json"], 0).1)),
            ("status", ask(&["status"], 0).0),
            ("the status page", shown(&page)),
            ("get", ask(&["get"], 4).0),
            ("get --agent", ask(&["get", "--agent"], 4).0),
            ("wait", ask(&["wait", "--timeout", "300ms"], 4).0),
            ("refresh", ask(&["refresh"], 4).0),
            ("the log in JSON", line("no credentials")),
            ("the log in text", log.to_owned()),
            ("the last 2 KiB of a container's log", tail.to_owned()),
            ("systemctl status", status),
            ("the trace", line("credentials.resolve")),
        ];
        for (place, text) in &places {
            assert_eq!(told.missing(text), Vec::<&str>::new(), "{place} of {code} lacks it:\n{text}");
        }
        // A label is for counting: the code alone.
        let metrics = agent.admin("/metrics").body;
        let of_role = |line: &&str| line.contains("role=\"bad\"") && line.contains(&format!("\"{code}\""));
        assert!(metrics.lines().any(|line| of_role(&line)), "{metrics}");

        let Some((agent, mut journal)) = under_a_journal(&scene.home, scene.env()) else { continue };
        let line = journal.line(|line| line.get("KEYFOB_CAUSE").is_some_and(|cause| cause == code));
        let line = line.into_values().collect::<Vec<_>>().join("\n");
        assert_eq!(told.missing(&line), Vec::<&str>::new(), "the journal:\n{line}");
        agent.stop();
    }
}
