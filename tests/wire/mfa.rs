//! Codes of MFA devices, typed at a real terminal: asked for as botocore asks, never shown, and never where nobody sits.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use super::*;
use crate::sdk::python;
use crate::support::Serving;
use crate::support::run::keyfob;
use crate::support::tools::tool;

const BOUND: Duration = Duration::from_secs(40);

const DEVICE: &str = "arn:aws:iam::123456789012:mfa/alice";
const PROMPT: &str = "Enter MFA code for arn:aws:iam::123456789012:mfa/alice: ";

/// A program with a terminal of its own, and what is seen there.
struct Seat {
    child: Child,
    master: File,
    seen: Arc<(Mutex<String>, Condvar)>,
}

impl Seat {
    /// None where there is no setsid, which gives it the terminal.
    fn at(program: &std::path::Path, args: &[&str], env: &Vars) -> Option<Seat> {
        let setsid = tool("setsid")?;
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let child = Command::new(setsid)
            .args(["--ctty", "--wait"])
            .arg(program)
            .args(args)
            .env_clear()
            .envs(env)
            .env("PATH", "/usr/bin:/bin")
            .stdin::<OwnedFd>(slave)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (master, seen) = (File::from(master), Arc::<(Mutex<String>, Condvar)>::default());
        let (mut reading, noted) = (master.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            // The system says "input/output error" when the last program has left the terminal.
            while let Ok(read @ 1..) = reading.read(&mut bytes) {
                noted.0.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
                noted.1.notify_all();
            }
        });
        Some(Seat { child, master, seen })
    }

    /// Until that was seen so often.
    #[track_caller]
    fn sees(&self, text: &str, times: usize) {
        let seen = self.seen.0.lock().unwrap();
        let fewer = |seen: &mut String| seen.matches(text).count() < times;
        let (seen, late) = self.seen.1.wait_timeout_while(seen, BOUND, fewer).unwrap();
        assert!(!late.timed_out(), "not seen: {text:?} in {seen:?}");
    }

    fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.master)
            .unwrap()
            .local_flags
            .contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG)
    }

    /// The status, both streams, and all that was seen.
    fn ends(self) -> (Option<i32>, String, String, String) {
        let Seat { child, master, seen } = self;
        let (tell, told) = std::sync::mpsc::channel();
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        std::thread::spawn(move || tell.send(child.wait_with_output().unwrap()));
        let output = told.recv_timeout(BOUND).unwrap_or_else(|_| {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            panic!("it did not end; seen: {}", seen.0.lock().unwrap())
        });
        drop(master);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let seen = seen.0.lock().unwrap().clone();
        (output.status.code(), text(&output.stdout), text(&output.stderr), seen)
    }
}

struct Scene {
    stage: Stage,
    env: Vars,
}

impl Scene {
    fn new() -> Option<Scene> {
        let stage = Stage::new()?;
        stage.home.config(&format!("{CONFIG}mfa_serial = {DEVICE}\n"));
        stage.aws.sts().set(|fake| fake.mfa_code = "424242".to_owned());
        let url = stage.aws.url();
        let env = stage.env(&[("AWS_ENDPOINT_URL_STS", &url), ("AWS_DEFAULT_REGION", "eu-west-1")]);
        Some(Scene { stage, env })
    }

    fn get(&self) -> Option<Seat> {
        let args = ["get", "--config", "/dev/null", "--output", "json", "--profile", "role"];
        Seat::at(keyfob(), &args, &self.env)
    }

    /// What STS was asked, device and code.
    #[track_caller]
    fn asked(&self) -> BTreeMap<String, String> {
        let requests = self.stage.aws.requests();
        self.stage.aws.clear_requests();
        assert_eq!(requests.len(), 1, "{:?}", reached(&requests));
        requests[0].form.clone()
    }
}

#[test]
fn get_asks_for_the_code_as_botocore_does() {
    let Some(scene) = Scene::new() else { return };
    let Some(mut seat) = scene.get() else { return };
    seat.sees(PROMPT, 1);
    assert!(!seat.echoes(), "what is typed would be shown");
    // Mistyped, and put right.
    seat.types("4243\x7f242\r");
    let (code, stdout, stderr, seen) = seat.ends();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("\"access_key_id\": \"ASIA"), "{stdout}");
    assert_eq!(seen, format!("{PROMPT}\r\n"));
    assert!(![&stdout, &stderr, &seen].iter().any(|text| text.contains("424242")), "the code was shown");
    let ours = scene.asked();
    assert_eq!((ours["SerialNumber"].as_str(), ours["TokenCode"].as_str()), (DEVICE, "424242"));

    let script = "import botocore.session as s\nprint(s.Session(profile='role').get_credentials().get_frozen_credentials().access_key)";
    let Some(mut seat) = Seat::at(&python(), &["-c", script], &scene.env) else { return };
    seat.sees(PROMPT, 1);
    seat.types("424242\r");
    let (code, stdout, stderr, seen) = seat.ends();
    assert_eq!((code, seen), (Some(0), format!("{PROMPT}\r\n")), "{stdout}{stderr}");
    assert_eq!(scene.asked(), ours);
}

#[test]
fn a_wrong_code_is_refused_and_not_repeated() {
    let Some(scene) = Scene::new() else { return };
    for (typed, cause, requests) in
        [("111111\r", "[STS-DENIED]", 1), ("11\r", "[PROFILE-MFA]", 0), ("\x04", "[PROFILE-MFA]", 0)]
    {
        let Some(mut seat) = scene.get() else { return };
        seat.sees(PROMPT, 1);
        seat.types(typed);
        let (code, stdout, stderr, _) = seat.ends();
        assert!(
            code != Some(0) && stdout.is_empty() && stderr.contains(cause),
            "{typed:?}: {code:?} {stderr}"
        );
        assert!(!stderr.contains("111111"), "{stderr}");
        assert_eq!(scene.stage.aws.requests().len(), requests);
        scene.stage.aws.clear_requests();
    }
}

#[test]
fn whoever_interrupts_gets_the_terminal_back_as_it_was() {
    let Some(scene) = Scene::new() else { return };
    let Some(mut seat) = scene.get() else { return };
    seat.sees(PROMPT, 1);
    assert!(!seat.echoes());
    seat.types("42\x03");
    // The terminal outlives the program here: we hold its other side.
    let (master, (code, stdout, ..)) = (seat.master.try_clone().unwrap(), seat.ends());
    assert_eq!((code, stdout.as_str()), (Some(130), ""));
    let flags = tcgetattr(&master).unwrap().local_flags;
    assert!(flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG), "{flags:?}");
    assert!(scene.stage.aws.requests().is_empty());
}

#[test]
fn exec_asks_before_the_command_has_the_terminal() {
    let Some(scene) = Scene::new() else { return };
    let command =
        "stty -a | grep -q ' echo ' && echo it is shown; printenv AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let args = ["exec", "--config", "/dev/null", "--profile", "role", "--", "sh", "-c", command];
    let Some(mut seat) = Seat::at(keyfob(), &args, &scene.env) else { return };
    seat.sees(PROMPT, 1);
    seat.types("424242\r");
    let (code, stdout, stderr, seen) = seat.ends();
    assert_eq!((code, seen), (Some(0), format!("{PROMPT}\r\n")), "{stdout}{stderr}");
    assert!(stdout.starts_with("it is shown\nhttp://127.0.0.1:"), "{stdout}");
    assert_eq!(scene.asked()["TokenCode"], "424242");
}

/// At once, with nobody asked and nothing sent: in a pipe, in a service, and where somebody only wants an explanation.
#[test]
fn where_nobody_sits_it_fails_at_once() {
    let Some(scene) = Scene::new() else { return };
    // A session of its own has no terminal, whatever this test was started from.
    let Some(setsid) = tool("setsid") else { return };
    let args = ["get", "--config", "/dev/null", "--profile", "role"];
    let done = Run::new(&setsid).arg("--wait").arg(keyfob()).args(args).envs(&scene.env).run();
    assert!(done.stderr.contains("[PROFILE-MFA]") && done.stderr.contains("no terminal"), "{done:#?}");

    let args = ["explain", "--local", "--config", "/dev/null", "--profile", "role"];
    let Some(seat) = Seat::at(keyfob(), &args, &scene.env) else { return };
    let (_, stdout, stderr, seen) = seat.ends();
    assert!(stdout.contains("PROFILE-MFA") && stdout.contains("mfa_serial"), "{stdout}{stderr}");
    assert!(!seen.contains("Enter MFA"), "{seen}");

    let folder = scene.stage.home.path().join("run");
    std::fs::create_dir_all(&folder).unwrap();
    let mut env = scene.env.clone();
    env.insert("RUNTIME_DIRECTORY".to_owned(), folder.display().to_string());
    let agent = Serving::start(&["--profile", "role"], env);
    let begun = std::time::Instant::now();
    while agent.credentials("/v1/credentials").json()["cause"] != "PROFILE-MFA" {
        assert!(begun.elapsed() < BOUND, "{}", agent.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(scene.stage.aws.requests().is_empty(), "{:?}", reached(&scene.stage.aws.requests()));
}
