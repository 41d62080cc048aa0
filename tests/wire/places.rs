//! Which host is asked and for which region the request is signed: settings × regions × services, each row for botocore and
//! for us, through a real proxy and real TLS to the same fake.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::support::aws::sign_in::{key_pem, login_cache, sso_cache};

const WORKERS: usize = 3;

/// Every partition, an old region and a new one, names that are none, and one that nobody knows yet.
const REGIONS: [&str; 10] = [
    "us-east-1",
    "eu-west-1",
    "eu-south-1",
    "us-gov-west-1",
    "cn-north-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eusc-de-east-1",
    "aws-global",
    "eu-nowhere-9",
];

const FIPS: (&str, &str) = ("AWS_USE_FIPS_ENDPOINT", "true");
const DUAL: (&str, &str) = ("AWS_USE_DUALSTACK_ENDPOINT", "true");
const LEGACY: (&str, &str) = ("AWS_STS_REGIONAL_ENDPOINTS", "legacy");

struct Row {
    profile: &'static str,
    env: Vars,
    /// Lines for every profile.
    more: String,
    region: String,
}

fn row(profile: &'static str, env: &[(&str, &str)], more: &str, region: &str) -> Row {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Row { profile, env, more: more.to_owned(), region: region.to_owned() }
}

fn rows() -> Vec<Row> {
    let mut all = Vec::new();
    for region in REGIONS {
        for settings in [&[][..], &[LEGACY], &[FIPS], &[DUAL], &[FIPS, DUAL]] {
            let env = [settings, &[("AWS_DEFAULT_REGION", region)]].concat();
            all.push(row("role", &env, "", region));
        }
    }
    for region in REGIONS.into_iter().filter(|region| *region != "aws-global") {
        for settings in [&[][..], &[FIPS], &[DUAL], &[FIPS, DUAL]] {
            all.push(row("sso", settings, "", region));
            all.push(row("login", settings, "", region));
        }
    }
    let own = "https://own.example";
    let services = "services = mine\nendpoint_url = https://general.example\n";
    let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    for profile in ["role", "sso", "login"] {
        for (env, more) in [
            (&[("AWS_ENDPOINT_URL", own)][..], ""),
            (&[("AWS_ENDPOINT_URL", "https://own.example:8443/path")], ""),
            (&[("AWS_ENDPOINT_URL_STS", own)], ""),
            (&[("AWS_ENDPOINT_URL_SSO", own)], ""),
            (&[("AWS_ENDPOINT_URL_SSO_OIDC", own)], ""),
            (&[("AWS_ENDPOINT_URL_SIGNIN", own)], ""),
            (&[("AWS_ENDPOINT_URL", own), ignore], ""),
            (&[("AWS_ENDPOINT_URL", own), FIPS], ""),
            (&[("AWS_ENDPOINT_URL", own), DUAL], ""),
            (&[], services),
            (&[ignore], services),
            (&[], "services = mine\nignore_configured_endpoint_urls = true\n"),
            (&[], "use_fips_endpoint = true\n"),
            (&[], "use_dualstack_endpoint = true\n"),
            (&[("AWS_USE_FIPS_ENDPOINT", "false")], "use_fips_endpoint = true\n"),
            (&[], "sts_regional_endpoints = legacy\n"),
            (&[("AWS_STS_REGIONAL_ENDPOINTS", "regional")], "sts_regional_endpoints = legacy\n"),
        ] {
            let mut row = row(profile, env, more, "eu-west-1");
            if profile == "role" {
                row.env.insert("AWS_DEFAULT_REGION".to_owned(), "eu-west-1".to_owned());
            }
            all.push(row);
        }
    }
    all.push(row("role", &[("AWS_DEFAULT_REGION", "eu-central-1")], "region = eu-west-1\n", ""));
    all.push(row("role", &[("AWS_REGION", "eu-central-1")], "region = eu-west-1\n", ""));
    all.push(row("role", &[("AWS_REGION", "eu-central-1"), ("AWS_DEFAULT_REGION", "eu-west-1")], "", ""));
    all.push(row("role", &[], "", ""));
    all.push(row("role", &[LEGACY], "", ""));
    all.push(row("role", &[FIPS], "", ""));
    all.push(row("role", &[("AWS_DEFAULT_REGION", "fips-us-gov-west-1")], "", ""));
    all
}

impl Row {
    /// A home where somebody has signed in, and both sign-ins have to be refreshed.
    fn set(&self, stage: &Stage) {
        let Row { more, region, .. } = self;
        let services = [("sts", "sts"), ("sso", "sso"), ("sso_oidc", "oidc"), ("signin", "signin")]
            .map(|(service, host)| format!("{service} =\n  endpoint_url = https://{host}.example\n"))
            .concat();
        stage.home.config(&format!(
            "{CONFIG}{more}[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\n{more}\
             [sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = {region}\n\
             [profile login]\nlogin_session = me\nregion = {region}\n{more}[services mine]\n{services}"
        ));
        let at = |seconds| {
            let at = Timestamp::now() + SignedDuration::from_secs(seconds);
            at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let kept = json!({
            "startUrl": "https://corp.awsapps.com/start", "region": region, "accessToken": "sso-access-token-0",
            "expiresAt": at(-60), "clientId": "client-1", "clientSecret": "sso-client-secret-1",
            "registrationExpiresAt": at(86_400), "refreshToken": "sso-refresh-token-0",
        });
        stage.home.write(&sso_cache("corp"), &kept.to_string());
        let kept = json!({
            "accessToken": {
                "accessKeyId": "ASIALOGINLOGINLOGIN0", "secretAccessKey": "secret-of-login-0",
                "sessionToken": "token-of-login-0", "accountId": "123456789012", "expiresAt": at(-60),
            },
            "refreshToken": "login-refresh-token-0", "dpopKey": key_pem(),
            "clientId": "arn:aws:signin:::devtools/same-device", "idToken": "who-somebody-is",
        });
        stage.home.write(&login_cache("me"), &kept.to_string());
    }

    /// Our host and botocore's, where they differ on purpose.
    fn newer(&self) -> Option<[&'static str; 2]> {
        let found = NEWER.iter().find(|(profile, env, region, ..)| {
            (*profile, *region) == (self.profile, self.region.as_str())
                && self.more.is_empty()
                && env.len() == self.env.len()
                && env.iter().all(|(name, value)| self.env.get(*name).is_some_and(|set| set == value))
        });
        found.map(|(.., ours, theirs)| [*ours, *theirs])
    }

    /// What both asked, if it was the same.
    fn compare(&self, stage: &mut Stage, proxy: &str) -> Result<Vec<String>, String> {
        let mut env =
            stage.env(&[("HTTPS_PROXY", proxy), ("AWS_CA_BUNDLE", &stage.ca()), ("AWS_MAX_ATTEMPTS", "3")]);
        env.extend(self.env.clone());
        // botocore first: it has the patience to wait for a new name's certificate.
        self.set(stage);
        let theirs = stage.oracle.find(&env, self.profile);
        let by_them = reached(&stage.aws.requests());
        stage.aws.clear_requests();
        self.set(stage);
        let ours = key(&stage.keyfob(self.profile, &env));
        let by_us = reached(&stage.aws.requests());
        stage.aws.clear_requests();
        let same = match self.newer() {
            None => by_us == by_them && ours.is_ok() == theirs.is_ok(),
            Some(hosts) => {
                let asked = hosts.map(|host| vec![format!("CreateOAuth2Token at {host} ")]);
                [&by_us, &by_them] == [&asked[0], &asked[1]]
            }
        };
        if same {
            return Ok(by_us);
        }
        let Row { profile, env, more, region } = self;
        Err(format!("{profile} {env:?} {more:?} {region}\n  {by_us:?} {ours:?}\n  {by_them:?} {theirs:?}"))
    }
}

/// Where AWS's own rules are newer than botocore's: those know no Sign-In in these partitions and make up a host by the
/// usual pattern, which leads nowhere. Profile, settings, region, our host, botocore's.
const NEWER: [(&str, &[(&str, &str)], &str, &str, &str); 4] = [
    (
        "login",
        &[FIPS],
        "us-gov-west-1",
        "signin-fips.amazonaws-us-gov.com",
        "signin-fips.us-gov-west-1.amazonaws.com",
    ),
    ("login", &[], "us-iso-east-1", "us-iso-east-1.signin.c2shome.ic.gov", "signin.us-iso-east-1.c2s.ic.gov"),
    (
        "login",
        &[],
        "us-isob-east-1",
        "us-isob-east-1.signin.sc2shome.sgov.gov",
        "signin.us-isob-east-1.sc2s.sgov.gov",
    ),
    (
        "login",
        &[],
        "eusc-de-east-1",
        "eusc-de-east-1.signin.amazonaws-eusc.eu",
        "signin.eusc-de-east-1.amazonaws.eu",
    ),
];

#[test]
fn hosts_and_regions_are_botocores() {
    let Some(papers) = Papers::make().map(Arc::new) else { return };
    let (rows, next) = (rows(), AtomicUsize::new(0));
    let (reached, problems) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let Some(mut stage) = Stage::with(&papers) else { return };
                stage.aws.sts().set(|fake| fake.regions.extend(REGIONS.map(str::to_owned)));
                let gate = Relay::proxy(stage.gate(None), None);
                let proxy = format!("http://{}", gate.addr);
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match row.compare(&mut stage, &proxy) {
                        Ok(asked) => reached.lock().unwrap().extend(asked),
                        Err(problem) => problems.lock().unwrap().push(problem),
                    }
                }
            });
        }
    });
    let (reached, problems) = (reached.into_inner().unwrap(), problems.into_inner().unwrap());
    if next.into_inner() == 0 {
        return; // nobody to compare with: said and counted
    }
    println!("{} rows in {:?}, {} requests", rows.len(), began.elapsed(), reached.len());
    assert!(problems.is_empty(), "{} of {} rows differ\n{}", problems.len(), rows.len(), problems.join("\n"));
    for host in [
        "AssumeRole at sts.amazonaws.com signed for sts in us-east-1",
        "AssumeRole at sts-fips.us-east-1.amazonaws.com signed for sts in us-east-1",
        "AssumeRole at sts.cn-north-1.amazonaws.com.cn signed for sts in cn-north-1",
        "AssumeRole at sts.eusc-de-east-1.amazonaws.eu signed for sts in eusc-de-east-1",
        "CreateToken at oidc.us-gov-west-1.amazonaws.com ",
        "GetRoleCredentials at portal.sso.eu-west-1.amazonaws.com ",
        "CreateOAuth2Token at eu-west-1.signin.aws.amazon.com ",
    ] {
        assert!(reached.iter().any(|line| line == host), "nobody asked {host}: {reached:#?}");
    }
    assert!(reached.len() > rows.len() * 3 / 4, "{} requests", reached.len());
}

/// The one variable that is ours: what everybody else reads, last.
#[test]
fn a_region_by_the_other_name_is_taken_last() {
    let Some(mut stage) = Stage::new() else { return };
    let gate = Relay::proxy(stage.gate(None), None);
    let proxy = format!("http://{}", gate.addr);
    let row = row("role", &[("AWS_REGION", "eu-central-1")], "", "");
    let told = row.compare(&mut stage, &proxy).unwrap_err();
    for line in [
        "AssumeRole at sts.eu-central-1.amazonaws.com signed for sts in eu-central-1",
        "AssumeRole at sts.amazonaws.com signed for sts in us-east-1",
    ] {
        assert!(told.contains(line), "{told}");
    }
}
