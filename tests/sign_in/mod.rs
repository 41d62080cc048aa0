//! What `aws sso login` and `aws login` leave behind, at work: refreshed by several at once, by programs that are killed
//! half-way, kept by an agent, and told without being touched.

mod agent;
mod crash;
mod together;
mod told;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::aws::sign_in::{key_pem, login_cache, sso_cache};
use crate::support::{FakeAws, Run, TempHome};

/// A profile of each kind.
pub const CONFIG: &str = "\
    [profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\n\
    [sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n\
    [profile login]\nlogin_session = me\nregion = eu-west-1\n";

/// A home where somebody has signed in, and the fake that knows of it.
struct Scene {
    home: TempHome,
    aws: FakeAws,
}

impl Scene {
    /// Both sign-ins end in so many seconds.
    fn ending_in(seconds: i64) -> Scene {
        let scene = Scene { home: TempHome::new(), aws: FakeAws::spawn_thread() };
        scene.home.config(CONFIG);
        scene.sso(seconds);
        scene.login(seconds);
        scene
    }

    fn sso(&self, seconds: i64) {
        self.home.replace(&sso_cache("corp"), &sso_kept(seconds));
    }

    fn login(&self, seconds: i64) {
        self.home.replace(&login_cache("me"), &login_kept(seconds));
    }

    fn sso_file(&self) -> PathBuf {
        self.home.path().join(sso_cache("corp"))
    }

    fn login_file(&self) -> PathBuf {
        self.home.path().join(login_cache("me"))
    }

    fn env(&self) -> Vec<(String, String)> {
        let mut env = self.home.env();
        let more = [("AWS_ENDPOINT_URL", self.aws.url()), ("AWS_EC2_METADATA_DISABLED", "true".to_owned())];
        env.extend(more.map(|(name, value)| (name.to_owned(), value)));
        env
    }

    /// `keyfob get` of that profile.
    fn get(&self, profile: &str) -> Run {
        let args = ["get", "--config", "/dev/null", "--output", "json", "--profile", profile];
        Run::keyfob().args(args).envs(self.env())
    }
}

/// What `aws sso login` leaves in `sso_cache("corp")`, good for so many seconds.
pub fn sso_kept(seconds: i64) -> String {
    let kept = json!({
        "startUrl": "https://corp.awsapps.com/start",
        "region": "eu-west-1",
        "accessToken": "sso-access-token-0",
        "expiresAt": stamp(seconds),
        "clientId": "client-1",
        "clientSecret": "sso-client-secret-1",
        "registrationExpiresAt": stamp(86_400),
        "refreshToken": "sso-refresh-token-0",
    });
    kept.to_string()
}

/// What `aws login` leaves in `login_cache("me")`. Its first keys are known to no fake STS.
pub fn login_kept(seconds: i64) -> String {
    let kept = json!({
        "accessToken": {
            "accessKeyId": "ASIALOGINLOGINLOGIN0",
            "secretAccessKey": "secret-of-login-0",
            "sessionToken": "token-of-login-0",
            "accountId": "123456789012",
            "expiresAt": stamp(seconds),
        },
        "refreshToken": "login-refresh-token-0",
        "dpopKey": key_pem(),
        "clientId": "arn:aws:signin:::devtools/same-device",
        "idToken": "who-somebody-is",
    });
    kept.to_string()
}

/// A moment from now, as AWS writes it.
fn stamp(seconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The file as it is: one whole state, or the test ends.
#[track_caller]
fn whole(file: &PathBuf) -> Value {
    let text = std::fs::read_to_string(file).unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("half a file of {}", text.len()));
    let needed: &[&str] = match kept.get("dpopKey") {
        Some(_) => &["accessToken", "refreshToken", "clientId", "idToken"],
        None => {
            &["accessToken", "expiresAt", "refreshToken", "clientId", "clientSecret", "registrationExpiresAt"]
        }
    };
    assert!(needed.iter().all(|key| kept.get(key).is_some()), "a field is missing");
    kept
}
