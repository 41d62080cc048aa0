//! A real browser without a screen, driven through a pipe (the DevTools protocol): what it shows, says and asks for.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::tools::tool;

const PATIENCE: Duration = Duration::from_secs(60);

/// One browser with one tab; both end when it is dropped.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    asked: u64,
    /// Everything that was not an answer.
    pub events: Vec<Value>,
    _home: tempfile::TempDir,
}

impl Browser {
    /// None where there is no browser: the test that asks is skipped.
    pub fn start() -> Option<Browser> {
        let chromium = tool("chromium")?;
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            // It reads from 3 and writes to 4; what it prints is of no interest.
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .arg(chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", home.path().display()))
            .arg("about:blank")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, told) = channel();
        thread::spawn(move || {
            for message in BufReader::new(from).split(0).map_while(Result::ok) {
                if tell.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser {
            child,
            to,
            from: told,
            session: String::new(),
            asked: 0,
            events: Vec::new(),
            _home: home,
        };
        let tab = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": tab, "flatten": true }));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// A command of the protocol, and its answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let bytes = [message.to_string().as_bytes(), &[0]].concat();
        self.to.write_all(&bytes).unwrap();
        loop {
            let said = self.next(method);
            if said["id"] == self.asked {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    #[track_caller]
    fn next(&mut self, what: &str) -> Value {
        let said = self.from.recv_timeout(PATIENCE);
        let said = said.unwrap_or_else(|error| panic!("waited for {what} in vain: {error}"));
        if said["id"].is_null() {
            self.events.push(said.clone());
        }
        said
    }

    /// The screen that pages are shown on from now on.
    pub fn screen(&mut self, width: u32, height: u32, scheme: &str) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &scheme);
    }

    /// Shows the status page of this agent, whole.
    #[track_caller]
    pub fn open(&mut self, admin: SocketAddr) {
        self.events.clear();
        self.call("Page.navigate", &json!({ "url": format!("http://{admin}/status") }));
        while self.next("the page")["method"] != "Page.loadEventFired" {}
    }

    /// What an expression in the page comes to.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let said = self.call("Runtime.evaluate", &params);
        assert!(said["exceptionDetails"].is_null(), "{expression}: {said}");
        said["result"]["value"].clone()
    }

    /// Until the expression is true.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.eval(expression) != true {
            assert!(begun.elapsed() < PATIENCE, "never true: {expression}\n{}", self.text());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a reader sees.
    #[track_caller]
    pub fn text(&mut self) -> String {
        self.eval("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// A key, pressed and let go.
    pub fn key(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Where the browser has asked for something, in order.
    pub fn requests(&self) -> Vec<String> {
        let events = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        events.map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// What it complained of: scripts that failed, rules that were broken, the console.
    pub fn complaints(&self) -> Vec<&Value> {
        let bad = ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"];
        self.events.iter().filter(|event| bad.iter().any(|method| event["method"] == *method)).collect()
    }

    /// Keeps the first screen, or all of the page, as a picture.
    pub fn picture(&mut self, name: &str, whole: bool) {
        let params = json!({ "format": "png", "captureBeyondViewport": whole });
        let data = self.call("Page.captureScreenshot", &params)["data"].as_str().unwrap().to_owned();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/pictures");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = aws_smithy_types::base64::decode(data).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
