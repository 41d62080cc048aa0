//! Machines on which credentials are set up as the documentation says, and other things stand around.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::draft::{Draft, header};
use super::words::{self, APP, LOW, MID, START_URL, USERS};
use crate::parity::situation::Fake;

/// A way in which a profile comes to credentials; it is given the draft, the profile's name and its header.
type Way = fn(&mut Maker<'_>, &str, &str);

const WAYS: &[(usize, Way)] = &[
    (3, |maker, name, header| maker.keys_in_credentials(name, header)),
    (2, |maker, name, header| maker.keys_in_config(name, header)),
    (3, |maker, name, header| maker.process(name, header)),
    (3, |maker, name, header| maker.web_identity(name, header)),
    (2, |maker, name, header| maker.sso_of_old(name, header)),
    (4, |maker, name, header| maker.sso_session(name, header)),
    (2, |maker, name, header| maker.login(name, header)),
    (9, |maker, name, header| maker.role_of_a_profile(name, header)),
    (3, |maker, name, header| maker.role_of_a_source(name, header)),
];

struct Maker<'a> {
    dice: &'a mut Dice,
    draft: Draft,
    /// Profiles on the way so far.
    depth: usize,
    /// What the configuration file calls each profile.
    headers: BTreeMap<String, String>,
}

pub fn machine(dice: &mut Dice) -> Draft {
    let mut maker = Maker { dice, draft: Draft::default(), depth: 0, headers: BTreeMap::new() };
    let profile = maker.profile();
    if maker.dice.chance(22) {
        maker.no_profile();
    } else {
        maker.some_way(&profile);
    }
    for _ in 0..maker.dice.pick(&[0, 0, 1, 1, 2]) {
        maker.something_else(&profile);
    }
    maker.draft
}

impl Maker<'_> {
    /// Which one is asked for, and how.
    fn profile(&mut self) -> String {
        let name = self.dice.usually(60, &["dev", "default", "Prod", "two words", "a.b-c_d", "ü"]).to_owned();
        match self.dice.below(20) {
            0..10 => return "default".to_owned(),
            10..14 => self.draft.rest.profile = Some(name.clone()),
            14..19 => self.draft.env("AWS_PROFILE", &name),
            _ => self.draft.env("AWS_DEFAULT_PROFILE", &name),
        }
        name
    }

    fn header(&mut self, profile: &str) -> String {
        let made_up = || header(self.dice, profile);
        self.headers.entry(profile.to_owned()).or_insert_with(made_up).clone()
    }

    fn some_way(&mut self, profile: &str) {
        let header = self.header(profile);
        let mut thrown = self.dice.below(WAYS.iter().map(|(weight, _)| weight).sum());
        for (weight, way) in WAYS {
            if thrown < *weight {
                return way(self, profile, &header);
            }
            thrown -= weight;
        }
    }

    fn keys_in_credentials(&mut self, profile: &str, _: &str) {
        let user = if self.depth == 0 { self.dice.usually(60, &[USERS[0], USERS[2]]) } else { USERS[2] };
        let (id, secret) = user;
        self.draft.credentials.adds(profile, &[("aws_access_key_id", id), ("aws_secret_access_key", secret)]);
        if self.dice.chance(20) {
            let key = self.dice.pick(&["aws_session_token", "aws_account_id", "aws_security_token"]);
            let value = if key == "aws_account_id" { "666666666666" } else { "token-of-file" };
            self.draft.credentials.add(profile, key, value);
        }
    }

    fn keys_in_config(&mut self, _: &str, header: &str) {
        let (id, secret) = USERS[1];
        self.draft.config.adds(header, &[("aws_access_key_id", id), ("aws_secret_access_key", secret)]);
        if self.dice.chance(20) {
            self.draft.config.add(header, "aws_session_token", "token-of-conf");
        }
    }

    fn process(&mut self, _: &str, header: &str) {
        let command = self.dice.usually(60, &words::PROCESSES[..5]);
        self.draft.config.add(header, "credential_process", command);
        let printed = self.dice.pick(words::PRINTED);
        self.draft.file("helper", &format!("cat <<'END'\n{printed}\nEND\n"));
        if self.dice.chance(15) {
            self.draft.config.add(header, "aws_account_id", "666666666666");
        }
    }

    fn web_identity(&mut self, _: &str, header: &str) {
        let role = self.dice.pick(&[APP, MID]);
        let file = self.dice.usually(70, &["{HOME}/token", "~/token"]);
        self.draft.config.adds(header, &[("role_arn", role), ("web_identity_token_file", file)]);
        self.draft.file("token", "header.payload.signature");
        self.role_options(header);
        self.sts();
    }

    fn sso_of_old(&mut self, _: &str, header: &str) {
        self.draft.config.adds(
            header,
            &[("sso_start_url", START_URL), ("sso_region", "eu-west-1"), ("sso_account_id", "123456789012")],
        );
        self.draft.config.add(header, "sso_role_name", "Reader");
        let cache = self.dice.usually(70, words::SSO_CACHES);
        self.draft.file(&format!("{{sso:{START_URL}}}"), cache);
        self.sign_in_service("SSO");
    }

    fn sso_session(&mut self, _: &str, header: &str) {
        let session = self.dice.usually(80, &["corp", "other corp"]);
        self.draft.config.adds(
            header,
            &[("sso_session", session), ("sso_account_id", "123456789012"), ("sso_role_name", "Reader")],
        );
        let section = if session.contains(' ') {
            format!("sso-session \"{session}\"")
        } else {
            format!("sso-session {session}")
        };
        self.draft.config.adds(&section, &[("sso_start_url", START_URL), ("sso_region", "eu-west-1")]);
        if self.dice.chance(30) {
            self.draft.config.add(&section, "sso_registration_scopes", "sso:account:access");
        }
        if self.dice.chance(15) {
            // As older versions of the CLI want it, too.
            self.draft.config.adds(header, &[("sso_start_url", START_URL), ("sso_region", "eu-west-1")]);
        }
        let cache = self.dice.pick(&words::SSO_CACHES[1..4]);
        self.draft.file(&format!("{{sso:{session}}}"), cache);
        self.sign_in_service("SSO");
        self.sign_in_service("SSO_OIDC");
    }

    fn login(&mut self, _: &str, header: &str) {
        let session = self.dice.pick(&["me", "arn:aws:iam::123456789012:user/somebody"]);
        self.draft.config.add(header, "login_session", session);
        let cache = self.dice.pick(words::LOGIN_CACHES);
        self.draft.file(&format!("{{login:{session}}}"), cache);
        if self.dice.chance(80) {
            self.draft.config.add(header, "region", "eu-west-1");
        }
        self.sign_in_service("SIGNIN");
    }

    fn role_of_a_profile(&mut self, profile: &str, header: &str) {
        let role = [APP, MID, LOW][self.depth.min(2)];
        self.depth += 1;
        let source = match self.depth {
            1 => self.dice.usually(50, &["base", "mid", profile]).to_owned(),
            2 => "low".to_owned(),
            _ => "last".to_owned(),
        };
        // Sometimes all in the other file, which may hold roles as well.
        let in_credentials = self.dice.chance(10);
        let lines = [("role_arn", role), ("source_profile", source.as_str())];
        if in_credentials {
            self.draft.credentials.adds(profile, &lines);
        } else {
            self.draft.config.adds(header, &lines);
            self.role_options(header);
        }
        self.sts();
        if source == profile || self.depth > 3 || self.dice.chance(40) {
            self.keys_in_credentials(&source, "");
        } else {
            self.some_way(&source);
        }
    }

    fn role_of_a_source(&mut self, _: &str, header: &str) {
        let source = self.dice.pick(&["Environment", "EcsContainer", "Ec2InstanceMetadata"]);
        self.draft.config.adds(header, &[("role_arn", APP), ("credential_source", source)]);
        match source {
            "Environment" => self.keys_in_environment(),
            "EcsContainer" => self.container(),
            _ => self.metadata(),
        }
        self.role_options(header);
        self.sts();
    }

    fn role_options(&mut self, header: &str) {
        for (percent, key, value) in [
            (20, "external_id", "id-1"),
            (25, "role_session_name", "me"),
            (15, "duration_seconds", "1800"),
            (4, "mfa_serial", "arn:aws:iam::123456789012:mfa/me"),
        ] {
            if self.dice.chance(percent) {
                self.draft.config.add(header, key, value);
            }
        }
    }

    /// Without a word about credentials in a profile.
    fn no_profile(&mut self) {
        match self.dice.below(9) {
            0 | 1 => self.keys_in_environment(),
            2 | 3 => {
                self.draft.env("AWS_ROLE_ARN", APP);
                self.draft.env("AWS_WEB_IDENTITY_TOKEN_FILE", "{HOME}/token");
                self.draft.file("token", "header.payload.signature");
                if self.dice.chance(40) {
                    self.draft.env("AWS_ROLE_SESSION_NAME", "me");
                }
                self.sts();
            }
            4 | 5 => self.container(),
            6 => self.metadata(),
            7 => {
                self.draft.env("AWS_CREDENTIAL_FILE", "{HOME}/keys");
                self.draft.file("keys", "AWSAccessKeyId=AKIAFILEFILEFILE0001\nAWSSecretKey=secret-of-file\n");
            }
            _ => {
                self.draft.env("BOTO_CONFIG", "{HOME}/boto");
                let keys =
                    "aws_access_key_id = AKIACONFCONFCONF0001\naws_secret_access_key = secret-of-conf\n";
                self.draft.file("boto", &format!("[Credentials]\n{keys}"));
            }
        }
    }

    fn keys_in_environment(&mut self) {
        let (id, secret) = USERS[3];
        self.draft.env("AWS_ACCESS_KEY_ID", id);
        self.draft.env("AWS_SECRET_ACCESS_KEY", secret);
        if self.dice.chance(25) {
            let name = self.dice.usually(70, &["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"]);
            self.draft.env(name, "token-of-env");
        }
        if self.dice.chance(15) {
            self.draft.env("AWS_CREDENTIAL_EXPIRATION", "{+7200}");
        }
        if self.dice.chance(15) {
            self.draft.env("AWS_ACCOUNT_ID", "666666666666");
        }
    }

    fn container(&mut self) {
        self.fake(Fake::Container);
        self.draft.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{CONTAINER}/creds");
        if self.dice.chance(50) {
            self.draft.rest.container.authorization = Some("letmein".to_owned());
            if self.dice.chance(50) {
                self.draft.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{HOME}/auth");
                self.draft.file("auth", "letmein");
            } else {
                self.draft.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "letmein");
            }
        }
    }

    fn metadata(&mut self) {
        self.fake(Fake::Imds);
        self.draft.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{IMDS}");
    }

    fn sign_in_service(&mut self, name: &str) {
        if !self.draft.rest.env.contains_key("AWS_ENDPOINT_URL") {
            self.draft.env(&format!("AWS_ENDPOINT_URL_{name}"), "{AWS}");
        }
    }

    fn fake(&mut self, fake: Fake) {
        if !self.draft.rest.fakes.contains(&fake) {
            self.draft.rest.fakes.push(fake);
        }
    }

    /// STS where it is in tests; sometimes at AWS's own address, which only the proxy hears of.
    fn sts(&mut self) {
        if self.draft.rest.fakes.contains(&Fake::Sts) {
            return;
        }
        self.fake(Fake::Sts);
        match self.dice.below(20) {
            0..9 => self.draft.env("AWS_ENDPOINT_URL_STS", "{STS}"),
            9..14 => self.draft.env("AWS_ENDPOINT_URL", "{AWS}"),
            14..16 => {
                let section = self.asked_for();
                self.draft.config.add(&section, "endpoint_url", "{STS}");
            }
            16..18 => {
                let section = self.asked_for();
                self.draft.config.add(&section, "services", "local");
                self.draft.config.add("services local", "sts", "\n  endpoint_url = {STS}");
            }
            _ => {}
        }
        if self.dice.chance(10) {
            let (name, value) = words::word(
                self.dice,
                &[
                    ("AWS_STS_REGIONAL_ENDPOINTS", &["legacy", "regional"]),
                    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", &["true", "false"]),
                    ("AWS_USE_FIPS_ENDPOINT", &["true", "false"]),
                    ("AWS_USE_DUALSTACK_ENDPOINT", &["true", "false"]),
                ],
            );
            self.draft.env(name, value);
        }
        let region = self.dice.usually(60, &["eu-west-1", "us-east-1", "us-west-2", "ap-south-1"]);
        match self.dice.below(10) {
            0..6 => self.draft.env("AWS_DEFAULT_REGION", region),
            6..9 => {
                let section = self.asked_for();
                self.draft.config.add(&section, "region", region);
            }
            _ => self.draft.env("AWS_REGION", region),
        }
    }

    /// The section of the profile that is asked for.
    fn asked_for(&mut self) -> String {
        let env = |name| self.draft.rest.env.get(name);
        let named = self.draft.rest.profile.as_ref().or(env("AWS_PROFILE")).or(env("AWS_DEFAULT_PROFILE"));
        let name = named.cloned().unwrap_or_else(|| "default".to_owned());
        self.header(&name)
    }

    /// What else stands there: another way of the same profile, another source, a setting.
    fn something_else(&mut self, profile: &str) {
        match self.dice.below(8) {
            0 => self.some_way(profile),
            1 => self.no_profile(),
            2 => self.some_way("unrelated"),
            3 | 4 => {
                let header = self.header(profile);
                let (key, value) = words::word(self.dice, words::PROFILE);
                self.draft.config.add(&header, key, value);
            }
            5 | 6 => {
                let (name, value) = words::word(self.dice, words::VARIABLES);
                self.draft.rest.env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
            _ => {
                let (key, value) = words::word(self.dice, words::PROFILE);
                self.draft.credentials.add(profile, key, value);
            }
        }
    }
}
