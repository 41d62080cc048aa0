//! Files that SDKs ask before a container endpoint: the wiring of a running shell cannot put them out of sight, so
//! whoever prints it says which would win.

use std::path::Path;
use std::time::Duration;

use crate::config::env::Env;
use crate::report::Notes;
use crate::source::paths;
use crate::source::profile::ini::Ini;
use crate::source::session::Session;
use crate::wiring;

/// A sentence for each file that would win over the endpoint once the wiring is in force.
pub(super) async fn of(env: &Env) -> Vec<String> {
    const PATIENCE: Duration = Duration::from_secs(2);
    // With the wiring in force no variable names a profile: it is `default`.
    let wired = env.iter().filter(|(name, _)| !wiring::CONTRADICT.contains(name)).collect::<Env>();
    let mut found = Vec::new();
    match Session::open(&wired, None, PATIENCE, &mut Notes::default()).await {
        Ok(session) => found.extend(of_profile(&session)),
        Err(failure) => found.push(format!("SDKs will stop at this before they ask the endpoint: {failure}")),
    }
    if env.get("AWS_CREDENTIAL_FILE").is_some() {
        found.push("AWS_CREDENTIAL_FILE is set: its keys win over the endpoint in boto3".to_owned());
    }
    found.extend(of_boto(&wired));
    found
}

fn of_profile(session: &Session) -> Option<String> {
    let profile = session.settings()?;
    let (key, setting) = profile.iter().find(|(key, _)| yields(key))?;
    Some(format!("{setting}: {key} of profile default wins over the endpoint; `keyfob exec` hides the file"))
}

/// Keys at which an SDK stops: each begins a source of its own.
fn yields(key: &str) -> bool {
    const BEGIN: [&str; 7] = [
        "aws_access_key_id",
        "role_arn",
        "web_identity_token_file",
        "credential_process",
        "login_session",
        "sso_account_id",
        "sso_role_name",
    ];
    BEGIN.contains(&key)
}

fn of_boto(env: &Env) -> Option<String> {
    let named = env.get("BOTO_CONFIG");
    let places = named.map_or_else(|| vec!["/etc/boto.cfg", "~/.boto"], |path| vec![path]);
    let holds = |path: &Path| {
        let bytes = crate::file::read(path).1.ok()?;
        let ini = Ini::parse(&bytes).ok()?;
        ini.section("Credentials")?.entries.contains_key("aws_access_key_id").then_some(())
    };
    let path = places.into_iter().map(|path| paths::expand(path, env)).find(|path| holds(path).is_some())?;
    Some(format!("{}: its keys win over the endpoint in boto3; `keyfob exec` hides the file", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_that_would_win_are_named_with_their_line() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let (config, keys, boto) = (at("config"), at("credentials"), at("boto"));
        std::fs::write(&config, "[default]\nregion = r\n[profile p]\ncredential_process = x\n").unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let [config, keys, boto] = [config, keys, boto].map(|path| text(&path));
        let env = Env::from([
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_SHARED_CREDENTIALS_FILE", keys.as_str()),
            ("BOTO_CONFIG", boto.as_str()),
            ("AWS_PROFILE", "p"),
        ]);
        assert_eq!(of(&env).await, Vec::<String>::new());
        std::fs::write(&keys, "[default]\naws_access_key_id = AKIA\n").unwrap();
        std::fs::write(&boto, "[Credentials]\naws_access_key_id = AKIA\n").unwrap();
        let found = of(&env).await;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(&format!("{keys}:2: aws_access_key_id")), "{found:?}");
        assert!(found[1].starts_with(&format!("{boto}: ")), "{found:?}");
        std::fs::write(&keys, "not an ini").unwrap();
        assert!(of(&env).await[0].contains("[FILE-PARSE]"));
    }
}
