//! Whole walks over small files: which source answers, and what stops the chain.

use super::super::testing::{Home, surroundings, walked};
use super::*;
use crate::config::Assume;
use crate::failure::FailureKind;
use crate::http::fake::{Fake, Reply, ok};
use crate::report::{Look, Outcome};

const KEYS: &str = "aws_access_key_id=FILE\naws_secret_access_key=S\n";
const CONFIG_KEYS: &str = "aws_access_key_id=CONF\naws_secret_access_key=S\n";
const ENV: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENVK"), ("AWS_SECRET_ACCESS_KEY", "S")];
const PRINTS: &str =
    r#"credential_process = printf '{"Version":1,"AccessKeyId":"PROC","SecretAccessKey":"S"}'"#;

/// A role's chain over a home folder; `explicit` is a profile chosen in code.
fn lineup(home: &Home, explicit: Option<&str>) -> Botocore {
    let mut role = Role::named(RoleName::default_role());
    role.profile = explicit.map(str::to_owned);
    Botocore::new(role, home.env(), Arc::new(surroundings()))
}

async fn told(home: &Home, explicit: Option<&str>) -> String {
    walked(&lineup(home, explicit)).await.0
}

/// Walks with these variables over these two files.
async fn is(env: &[(&str, &str)], config: &str, credentials: &str, want: &str) {
    let mut home = Home::with(config, credentials);
    env.iter().for_each(|(name, value)| home.set(name, *value));
    assert_eq!(told(&home, None).await, want, "{env:?}\n{config}\n--\n{credentials}");
}

/// The order of the sources and what a profile with several kinds means.
#[tokio::test]
async fn the_first_source_that_is_configured_answers() {
    let file = format!("[default]\n{KEYS}");
    let both = format!("[default]\n{CONFIG_KEYS}{PRINTS}\n");
    is(&[], "", "", "nothing").await;
    is(&ENV, "", &file, "env ENVK").await;
    is(&[ENV[0]], "", &file, "env! ENV-PARTIAL").await;
    is(&[ENV[1]], "", &file, "static_file FILE").await;
    is(&[], &both, &file, "static_file FILE").await;
    is(&[], &both, "", "process PROC").await;
    is(&[], &format!("[default]\n{CONFIG_KEYS}"), "", "static_config CONF").await;
    is(&[], "", "[default]\naws_access_key_id=K", "static_file! FILE-PARTIAL").await;
    is(&[], "", "[default]\naws_secret_access_key=S", "nothing").await;
    is(
        &[],
        "[default]\naws_secret_access_key=S",
        "[default]\naws_access_key_id=K",
        "static_file! FILE-PARTIAL",
    )
    .await;
    is(
        &[],
        "[default]\naws_access_key_id=K",
        "[default]\naws_secret_access_key=S",
        "static_config! FILE-PARTIAL",
    )
    .await;
    is(&[], "", "[default]\naws_access_key_id=\naws_secret_access_key=S", "static_file! FILE-EMPTYVAL").await;
    is(&[], "", &format!("[profile default]\n{KEYS}"), "nothing").await;
    is(&[], &format!("[DEFAULT]\n{CONFIG_KEYS}"), "", "nothing").await;
    is(&[], &format!("[DEFAULT]\n{CONFIG_KEYS}[default]\n"), "", "static_config CONF").await;
    is(&[], "", &format!("[default]\n{KEYS}aws_account_id=111\n"), "static_file FILE@111").await;
    is(&[ENV[0], ENV[1], ("AWS_ACCOUNT_ID", "222")], "", "", "env ENVK@222").await;
}

/// A broken file or profile ends the walk before anybody is asked, keys in the environment or not.
#[tokio::test]
async fn what_is_broken_ends_the_walk() {
    let named = |name| [ENV[0], ENV[1], ("AWS_PROFILE", name)];
    let sso = "[default]\nsso_account_id=1\n";
    is(&ENV, "x", "", "profile! FILE-PARSE").await;
    is(&ENV, "", "[a]\n[a]", "profile! FILE-PARSE").await;
    is(&named("gone"), "", "", "profile! PROFILE-UNKNOWN").await;
    is(&named(""), "", "", "profile! PROFILE-UNKNOWN").await;
    is(&named("default"), "", "", "profile! PROFILE-UNKNOWN").await;
    is(&named("p"), "[p]", "", "profile! PROFILE-PREFIX").await;
    is(&named("p"), "[profile p]", "", "env ENVK").await;
    is(&[], sso, &format!("[default]\n{KEYS}"), "sso! SSO-CONFIG").await;
    is(&[], "[default]\nsso_start_url=x\nsso_region=y", "", "nothing").await;
    is(&[], "[default]\nlogin_session=x", "", "login! LOGIN-NOLOGIN").await;
    is(&[], "[default]\nlogin_session=x", &format!("[default]\n{KEYS}"), "static_file FILE").await;
    is(&[("AWS_CREDENTIAL_FILE", "/gone")], "", "", "boto_file! FILE-UNREADABLE").await;
    is(
        &[("AWS_CREDENTIAL_FILE", "HOME/config")],
        "[profile AWSAccessKeyId]\nAWSAccessKeyId=x",
        "",
        "boto_file! FILE-PARTIAL",
    )
    .await;
    is(&[("AWS_CREDENTIAL_FILE", "HOME/config")], "", "", "nothing").await;
    is(
        &[("BOTO_CONFIG", "HOME/config")],
        "[Credentials]\naws_access_key_id=x",
        "",
        "boto_file! FILE-PARTIAL",
    )
    .await;
    is(&[ENV[0], ENV[1], ("AWS_METADATA_SERVICE_TIMEOUT", "1s")], "", "", "profile! PROFILE-VALUE").await;
    is(
        &[ENV[0], ENV[1], ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv5")],
        "",
        "",
        "profile! IMDS-ENDPOINT",
    )
    .await;
    is(&[], "[default]\ncredential_process=false", "", "process! PROC-EXIT").await;
}

#[tokio::test]
async fn an_explicit_profile_leaves_the_environment_aside() {
    let mut home = Home::with(&format!("[profile p]\n{CONFIG_KEYS}"), "");
    ENV.iter().for_each(|(name, value)| home.set(name, *value));
    home.set("AWS_WEB_IDENTITY_TOKEN_FILE", "/gone");
    home.set("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/app");
    assert_eq!(told(&home, Some("p")).await, "static_config CONF");
    home.set("AWS_PROFILE", "p");
    assert_eq!(told(&home, None).await, "env ENVK");
    home.set("AWS_ACCESS_KEY_ID", "");
    assert_eq!(told(&home, None).await, "web_identity! WI-NOFILE");
    assert_eq!(told(&home, Some("default")).await, "profile! PROFILE-UNKNOWN");
}

#[tokio::test]
async fn the_older_profile_variable_wins() {
    let mut home = Home::with("", &format!("[a]\n{KEYS}[b]\naws_access_key_id=B\naws_secret_access_key=S\n"));
    home.set("AWS_PROFILE", "a");
    assert_eq!(told(&home, None).await, "static_file FILE");
    home.set("AWS_DEFAULT_PROFILE", "b");
    assert_eq!(told(&home, None).await, "static_file B");
}

/// A fake STS whose key ids tell who assumed what: `app<FILE`.
pub(super) fn sts() -> Fake {
    Fake::serving(|request| {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let field = |name: &str| {
            let value =
                body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
            value.replace("%3A", ":").replace("%2F", "/")
        };
        let caller = head.split("Credential=").nth(1).map_or("token", |rest| rest.split('/').next().unwrap());
        let (arn, operation) = (field("RoleArn"), field("Action"));
        let (account, name) = (arn.split(':').nth(4).unwrap(), arn.rsplit('/').next().unwrap());
        let expiry = if name == "dead" { "2020-01-31T12:00:00Z" } else { "2040-01-31T12:00:00Z" };
        if name == "denied" {
            let error = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
            return Reply::Status(403, error.to_owned());
        }
        ok(format!(
            "<{operation}Response><{operation}Result><AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId>\
             <Arn>arn:aws:sts::{account}:assumed-role/{name}/s</Arn></AssumedRoleUser><Credentials>\
             <AccessKeyId>{name}-by-{caller}</AccessKeyId><SecretAccessKey>S</SecretAccessKey>\
             <SessionToken>T</SessionToken><Expiration>{expiry}</Expiration></Credentials>\
             </{operation}Result></{operation}Response>"
        ))
    })
}

fn arn(name: &str) -> String {
    format!("arn:aws:iam::111122223333:role/{name}")
}

/// The default profile with a role of that name, and more below it.
fn role(name: &str, more: &str) -> String {
    format!("[default]\nrole_arn={}\n{more}", arn(name))
}

/// Walks with a fake STS, keys in profile b and a token file.
async fn assumed(sts: &Fake, config: &str, want: &str) {
    let mut home = Home::with(config, &format!("[b]\n{KEYS}[half]\naws_access_key_id=K\n"));
    home.write("token", "header.payload.signature");
    home.set("AWS_ENDPOINT_URL_STS", sts.url(""));
    home.set("AWS_DEFAULT_REGION", "eu-west-1");
    let want = want.replace('@', "@111122223333").replace(':', "profile_assume_role");
    assert_eq!(told(&home, None).await, want, "{config}");
}

#[tokio::test]
async fn roles_are_assumed_one_with_the_other() {
    let sts = sts();
    let over = |middle: &str, source: &str| {
        role("app", &format!("source_profile=m\n[profile m]\nrole_arn={middle}\n{source}"))
    };
    let (mid, dead, denied) = (arn("mid"), arn("dead"), arn("denied"));
    let token = "web_identity_token_file=HOME/token";
    assumed(&sts, &role("app", "source_profile=b"), ": app-by-FILE@").await;
    assumed(&sts, &over(&mid, "source_profile=b"), ": app-by-mid-by-FILE@").await;
    assumed(&sts, &role("app", &format!("source_profile=default\n{CONFIG_KEYS}")), ": app-by-CONF@").await;
    assumed(&sts, &role("app", &format!("source_profile=p\n[profile p]\n{PRINTS}")), ": app-by-PROC@").await;
    assumed(&sts, &over(&mid, token), ": app-by-mid-by-token@").await;
    assumed(&sts, &over(&dead, "source_profile=b"), ":! KEY-EXPIRED").await;
    assumed(&sts, &over(&denied, "source_profile=b"), ":! STS-DENIED").await;
    assumed(&sts, &over("short", "source_profile=b"), ":! STS-VALIDATION").await;
    assumed(&sts, &over(&mid, "source_profile=half"), ":! FILE-PARTIAL").await;
    assumed(&sts, &over(&mid, "source_profile=gone"), ":! PROFILE-SOURCEMISSING").await;
    assumed(&sts, &over(&mid, "source_profile=e\n[profile e]\nregion=x"), ":! PROFILE-NOCREDS").await;
    for word in ["Environment", "EcsContainer", "Ec2InstanceMetadata"] {
        assumed(&sts, &role("app", &format!("credential_source={word}")), ":! PROFILE-NOCREDS").await;
    }
    assumed(&sts, &role("app", "source_profile=b\nduration_seconds=60"), ":! STS-VALIDATION").await;
    assumed(&sts, &role("app", "source_profile=b\nduration_seconds=1h"), ": app-by-FILE@").await;
    assumed(&sts, &role("app", "source_profile=b\nexternal_id=x"), ":! STS-VALIDATION").await;
    assumed(&sts, &role("app", "source_profile=b\nservices=gone"), ": app-by-FILE@").await;
}

#[tokio::test]
async fn the_environments_keys_are_a_source_even_for_an_explicit_profile() {
    let sts = sts();
    let mut home =
        Home::with(&format!("[profile p]\nrole_arn={}\ncredential_source=Environment", arn("app")), "");
    ENV.iter().for_each(|(name, value)| home.set(name, *value));
    home.set("AWS_ENDPOINT_URL", sts.url(""));
    assert_eq!(told(&home, Some("p")).await, "profile_assume_role app-by-ENVK@111122223333");
}

#[tokio::test]
async fn every_hop_is_told_apart() {
    let sts = sts();
    let config = format!("[default]\nrole_arn={}\nsource_profile=b\nrole_session_name=me", arn("denied"));
    let mut home = Home::with(&config, &format!("[b]\n{KEYS}"));
    home.set("AWS_ENDPOINT_URL", sts.url(""));
    let (_, _, notes) = walked(&lineup(&home, None)).await;
    let kinds: Vec<SourceKind> = notes.hops.iter().map(|hop| hop.source).collect();
    use SourceKind::{Login, ProfileAssumeRole, ProfileWebIdentity, Sso, StaticFile};
    assert!(kinds.ends_with(&[ProfileWebIdentity, Sso, StaticFile, ProfileAssumeRole]), "{kinds:?}");
    assert!(!kinds.contains(&Login), "what comes after the source that answered is not asked");
    let last = notes.hops.last().unwrap();
    assert!(matches!(&last.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Denied));
    assert_eq!(last.notes.calls.len(), 1);
    assert!(sts.heard()[0].contains("RoleSessionName=me"));
}

#[tokio::test]
async fn a_generated_session_name_stays_the_same() {
    let sts = sts();
    let mut home =
        Home::with(&format!("[default]\nrole_arn={}\nsource_profile=b", arn("app")), &format!("[b]\n{KEYS}"));
    home.set("AWS_ENDPOINT_URL", sts.url(""));
    let lineup = lineup(&home, None);
    for _ in 0..2 {
        walked(&lineup).await;
    }
    let names: Vec<String> = sts
        .heard()
        .iter()
        .map(|request| {
            request.split("RoleSessionName=").nth(1).unwrap().split('&').next().unwrap().to_owned()
        })
        .collect();
    assert!(names[0].starts_with("keyfob-") && names[0] == names[1], "{names:?}");
}

#[tokio::test]
async fn web_identity_is_put_together_from_environment_and_profile() {
    let sts = sts();
    let app = arn("app");
    let profile = format!("[default]\nrole_arn={app}\nweb_identity_token_file=HOME/token\n");
    let half = "[default]\nweb_identity_token_file=HOME/token\n".to_owned();
    let token = ("AWS_WEB_IDENTITY_TOKEN_FILE", "HOME/token");
    let role = ("AWS_ROLE_ARN", app.as_str());
    let good = "app-by-token@111122223333";
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, String);
    let rows: &[Row<'_>] = &[
        (&[], &profile, format!("profile_web_identity {good}")),
        (&[token, role], "", format!("web_identity {good}")),
        (
            &[token],
            &format!("[default]\nrole_arn={app}\nsource_profile=x"),
            "profile_assume_role! PROFILE-SOURCEMISSING".into(),
        ),
        (&[token], "", "web_identity! WI-HALF".into()),
        (&[token, ("AWS_ROLE_ARN", "")], &profile, "web_identity! WI-HALF".into()),
        (&[token], &profile, format!("web_identity {good}")),
        (&[role], &half, format!("profile_web_identity {good}")),
        (&[], &half, "profile_web_identity! WI-HALF".into()),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "")], &profile, "nothing".into()),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "HOME/gone"), role], "", "web_identity! WI-NOFILE".into()),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "HOME"), role], "", "web_identity! FILE-UNREADABLE".into()),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "HOME/config"), role], "", "web_identity! WI-TOKEN".into()),
        (&[token, ("AWS_ROLE_ARN", "x")], "", "web_identity! STS-VALIDATION".into()),
        (&[role], "", "nothing".into()),
    ];
    for (env, config, want) in rows {
        let mut home = Home::with(config, "");
        home.write("token", "header.payload.signature");
        home.set("AWS_ENDPOINT_URL", sts.url(""));
        env.iter().for_each(|(name, value)| home.set(name, *value));
        assert_eq!(told(&home, None).await, *want, "{env:?}\n{config}");
    }
    assert!(
        sts.heard()
            .iter()
            .all(|request| !request.contains("Authorization") && !request.contains("authorization"))
    );
}

fn limited(home: &Home, kinds: &[SourceKind]) -> Botocore {
    let mut role = Role::named(RoleName::default_role());
    role.sources = Some(kinds.to_vec());
    Botocore::new(role, home.env(), Arc::new(surroundings()))
}

#[tokio::test]
async fn a_source_that_is_not_allowed_is_passed_over() {
    let mut home = Home::with("", &format!("[default]\n{KEYS}"));
    ENV.iter().for_each(|(name, value)| home.set(name, *value));
    let of = |kinds: &'static [SourceKind]| limited(&home, kinds);
    assert_eq!(walked(&of(&[SourceKind::Profile])).await.0, "static_file FILE");
    assert_eq!(walked(&of(&[SourceKind::StaticFile, SourceKind::Env])).await.0, "env ENVK");
    assert_eq!(walked(&of(&[SourceKind::Process])).await.0, "nothing");
    let sources = of(&[SourceKind::Process]).sources(&mut Notes::default()).await.unwrap();
    let refusal = sources[0].fetch(&mut Notes::default()).await.unwrap_err();
    assert_eq!((refusal.kind, refusal.cause.code), (FailureKind::NotConfigured, "KF-POLICY"));
}

#[tokio::test]
async fn broken_files_do_not_matter_where_no_profile_is_allowed() {
    let mut home = Home::with("broken", "broken");
    ENV.iter().for_each(|(name, value)| home.set(name, *value));
    home.set("AWS_PROFILE", "gone");
    assert_eq!(walked(&limited(&home, &[SourceKind::Env])).await.0, "env ENVK");
    assert_eq!(
        walked(&limited(&home, &[SourceKind::Env, SourceKind::Process])).await.0,
        "profile! FILE-PARSE"
    );
}

#[tokio::test]
async fn a_role_of_our_own_is_assumed_with_what_was_found() {
    let sts = sts();
    let mut home = Home::with("", &format!("[default]\n{KEYS}"));
    home.set("AWS_ENDPOINT_URL", sts.url(""));
    let mut role = Role::named(RoleName::parse("web").unwrap());
    role.assume = Some(Assume {
        role_arn: arn("app"),
        external_id: Some("ext".to_owned()),
        duration: Some(std::time::Duration::from_secs(1800)),
        region: Some("eu-north-1".to_owned()),
        ..Assume::default()
    });
    let lineup = Botocore::new(role, home.env(), Arc::new(surroundings()));
    assert_eq!(walked(&lineup).await.0, "static_file app-by-FILE@111122223333");
    let asked = &sts.heard()[0];
    for part in ["/eu-north-1/sts/", "ExternalId=ext", "DurationSeconds=1800", "RoleSessionName=keyfob-web"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}

#[tokio::test]
async fn the_files_read_are_noted_even_when_they_are_absent_or_broken() {
    let home = Home::with("broken", "");
    std::fs::remove_file(home.path("credentials")).unwrap();
    let (told, failure, notes) = walked(&lineup(&home, None)).await;
    assert_eq!(told, "profile! FILE-PARSE");
    assert!(failure.unwrap().context.ends_with("config:1: text before the first [section]: `…`"));
    let seen: Vec<_> = notes
        .looked
        .iter()
        .filter_map(|look| match look {
            Look::File { path, .. } => path.file_name(),
            _ => None,
        })
        .collect();
    assert_eq!(seen, ["config", "credentials"]);
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_no_file_but_remembered() {
    use std::os::unix::fs::PermissionsExt;
    if nix::unistd::Uid::effective().is_root() {
        // Root may read everything: a folder in the way of a file is as close as it gets.
        return;
    }
    let home = Home::with("", &format!("[default]\n{KEYS}"));
    std::fs::set_permissions(home.path("credentials"), std::fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(told(&home, None).await, "nothing");
    assert_eq!(told(&home, Some("default")).await, "profile! FILE-EACCES");
}

#[tokio::test]
async fn an_unknown_profile_is_answered_with_what_was_probably_meant() {
    let said = |config: &str, credentials: &str, name: &str| {
        let (home, name) = (Home::with(config, credentials), name.to_owned());
        async move { walked(&lineup(&home, Some(&name))).await.1.unwrap().context }
    };
    assert!(said("[profile prod]", "", "prdo").await.ends_with("did you mean `prod`?"));
    assert!(said("[profile Prod]", "", "prod").await.ends_with("did you mean `Prod`?"));
    assert!(said("[prod]", "", "prod").await.ends_with("the section is [prod] and must be [profile prod]"));
    assert!(
        said("", "[profile prod]", "prod")
            .await
            .ends_with("the section is [profile prod] and must be [prod]")
    );
    assert!(said("[profile stage]", "", "prod").await.ends_with("/credentials"));
}

#[tokio::test]
async fn a_circle_of_keyfobs_is_broken() {
    let home = Home::with(&format!("[profile p]\n{CONFIG_KEYS}"), "");
    let inside = |walk: &[&str]| {
        let walk = walk.iter().map(ToString::to_string).collect();
        let mut role = Role::named(RoleName::default_role());
        role.profile = Some("p".to_owned());
        Botocore::new(role, home.env(), Arc::new(Surroundings { walk, ..surroundings() }))
    };
    assert_eq!(walked(&inside(&["role:other", "profile:q"])).await.0, "static_config CONF");
    assert_eq!(walked(&inside(&["role:other", "profile:p"])).await.0, "profile! KF-LOOP");
    assert_eq!(walked(&inside(&["role:default", "profile:q"])).await.0, "profile! KF-LOOP");
    assert_eq!(walked(&inside(&["role:default", "profile:q"]).unnamed()).await.0, "static_config CONF");
}

#[tokio::test]
async fn a_process_is_told_whose_walk_it_belongs_to() {
    let config = "[default]\ncredential_process = sh HOME/tell\n[profile a]\nrole_arn=R\nsource_profile=b\n\
                  [profile b]\ncredential_process = sh HOME/tell\n";
    let home = Home::with(config, "");
    home.write("tell", "printenv KEYFOB_WALK > HOME/walk; exit 1\n");
    let walk = |lineup: Botocore| {
        let path = home.path("walk");
        async move {
            walked(&lineup).await;
            std::fs::read_to_string(path).unwrap()
        }
    };
    assert_eq!(walk(lineup(&home, None)).await, "role:default\nprofile:default\n");
    assert_eq!(walk(lineup(&home, Some("a"))).await, "role:default\nprofile:a\nprofile:b\n");
    assert_eq!(walk(lineup(&home, Some("b")).unnamed()).await, "profile:b\n");
}
