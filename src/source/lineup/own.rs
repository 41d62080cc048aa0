//! What our own configuration adds to the chain: a source in its place, and the role that is assumed in the end.

use std::sync::Arc;
use std::time::Duration;

use super::{Botocore, Sources};
use crate::aws::{AssumeRole, Place};
use crate::cause::{self, Cause};
use crate::config::{Assume, Mint, Own, SessionName, Token};
use crate::failure::Failure;
use crate::source::Source;
use crate::source::assume_role::Assumed;
use crate::source::mint::Minted;
use crate::source::process::{Process, Program};
use crate::source::web_identity::{self, Exchange, TokenSource};

impl Botocore {
    /// The one source of a role that has its own.
    pub(super) async fn own(&self, own: &Own, place: &Result<Place, Failure>) -> Arc<dyn Source> {
        let identity = match own {
            Own::Process(argv) => {
                return Arc::new(Process::of_role(argv, self.program("process", &cause::PROC_JSON)));
            }
            Own::WebIdentity(identity) => identity,
        };
        let token = match &identity.token {
            Token::File(path) => TokenSource::Plain(path.clone()),
            Token::Process(argv) => {
                TokenSource::Process(argv.clone(), self.program("token_process", &cause::WI_TOKEN))
            }
        };
        Arc::new(web_identity::WebIdentity::of_role(Exchange {
            token,
            role_arn: identity.role_arn.clone(),
            session_name: self.session_name(identity.session_name.as_ref()).await,
            duration: seconds(identity.duration),
            policy: identity.policy.clone(),
            place: at(place, identity.region.as_ref()),
            around: Arc::clone(&self.around),
        }))
    }

    /// How a command of the role's own is run; `key` is where it stands.
    fn program(&self, key: &str, useless: &'static Cause) -> Program {
        let name = format!("{key} of role {}", self.role.name);
        let (env, around) = (self.env.clone(), Arc::clone(&self.around));
        Program { name, env, walk: self.role_walked(), useless, around }
    }

    /// The walk that a process of this role belongs to.
    pub(super) fn role_walked(&self) -> Vec<String> {
        let role = self.named.then(|| format!("role:{}", self.role.name));
        self.around.walk.iter().cloned().chain(role).collect()
    }

    /// The role of our own configuration, assumed with what a source finds.
    pub(super) async fn assumed(
        &self,
        sources: Sources,
        assume: &Assume,
        place: &Result<Place, Failure>,
    ) -> Sources {
        let ask = AssumeRole {
            role_arn: assume.role_arn.clone(),
            session_name: self.session_name(assume.session_name.as_ref()).await,
            external_id: assume.external_id.clone(),
            duration: seconds(assume.duration),
            policy: assume.policy.clone(),
            tags: assume.tags.clone(),
            transitive_tags: assume.transitive_tags.clone(),
            source_identity: assume.source_identity.clone(),
            mfa: None,
        };
        let place = at(place, assume.region.as_ref());
        let assumed = |source| -> Arc<dyn Source> {
            Arc::new(Assumed::new(source, ask.clone(), place.clone(), &self.around))
        };
        sources.into_iter().map(assumed).collect()
    }

    /// Long-term keys exchanged for sessions, whichever source has them.
    pub(super) fn minted(&self, sources: Sources, mint: &Mint, place: &Result<Place, Failure>) -> Sources {
        let place = at(place, mint.region.as_ref());
        let minted = |source| -> Arc<dyn Source> {
            Arc::new(Minted::new(source, seconds(mint.duration), place.clone(), &self.around))
        };
        sources.into_iter().map(minted).collect()
    }

    /// STS takes 2 to 64 characters.
    async fn session_name(&self, given: Option<&SessionName>) -> String {
        match given {
            Some(name) => self.facts.fill(name, &self.role.name, &self.env).await,
            None => format!("keyfob-{}", self.role.name).chars().take(64).collect(),
        }
    }
}

fn seconds(duration: Option<Duration>) -> Option<i32> {
    duration.map(|given| i32::try_from(given.as_secs()).unwrap_or(i32::MAX))
}

/// The region that the role names goes before the one that was found.
fn at(place: &Result<Place, Failure>, region: Option<&String>) -> Result<Place, Failure> {
    place.clone().map(|place| Place { region: region.cloned().or(place.region), ..place })
}

#[cfg(test)]
mod tests {
    use super::super::tests::sts;
    use super::*;
    use crate::config::{Argv, Role, WebIdentity};
    use crate::credentials::{RoleName, SourceKind};
    use crate::report::{Look, Notes};
    use crate::source::testing::{Home, surroundings, walked};
    use crate::source::{Lineup, Surroundings};

    const KEYS: &str = r#"{"Version": 1, "AccessKeyId": "OWNPROC", "SecretAccessKey": "s"}"#;

    /// A role with a process of its own; `HOME` in its words stands for the folder.
    fn role(home: &Home, words: &[&str]) -> Role {
        let folder = home.path("").display().to_string();
        let words = words.iter().map(|word| word.replace("HOME/", &folder)).collect();
        Role { own: Some(Own::Process(Argv(words))), ..Role::named(RoleName::parse("app").unwrap()) }
    }

    fn lineup(home: &Home, words: &[&str]) -> Botocore {
        Botocore::new(role(home, words), home.env(), Arc::new(surroundings()))
    }

    /// Files that nobody can use and keys that come first do not matter: nobody asks there.
    #[tokio::test]
    async fn a_process_of_the_roles_own_is_the_only_source() {
        let mut home = Home::with("broken", "broken");
        home.set("AWS_ACCESS_KEY_ID", "ENVK");
        home.set("AWS_SECRET_ACCESS_KEY", "s");
        home.set("AWS_PROFILE", "gone");
        let words = ["printf", KEYS];
        assert_eq!(walked(&lineup(&home, &words)).await.0, "role_process OWNPROC");
        let sources = lineup(&home, &words).sources(&mut Notes::default()).await.unwrap();
        assert_eq!(sources.iter().map(|source| source.kind()).collect::<Vec<_>>(), [SourceKind::RoleProcess]);
    }

    #[tokio::test]
    async fn its_words_are_taken_as_they_are_and_its_walk_is_the_roles() {
        let home = Home::with("", "");
        home.write("tell", "printf '%s\\n' \"$@\" > HOME/told; printenv KEYFOB_WALK >> HOME/told; exit 3\n");
        let (told, failure, notes) =
            walked(&lineup(&home, &["sh", "HOME/tell", "a b", "$PATH", "", "'"])).await;
        assert_eq!(told, "role_process! PROC-EXIT");
        assert_eq!(std::fs::read_to_string(home.path("told")).unwrap(), "a b\n$PATH\n\n'\nrole:app\n");
        assert_eq!(failure.unwrap().context, "process of role app failed: exit status: 3");
        let commands: Vec<_> =
            notes.looked.iter().filter(|look| matches!(look, Look::Command { .. })).collect();
        assert!(matches!(commands[..], [Look::Command { program, .. }] if program == "sh"), "{commands:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_run_or_read_has_the_causes_of_any_process() {
        let home = Home::with("", "");
        let said = async |words: &[&str]| walked(&lineup(&home, words)).await;
        for (words, code) in [
            (["no-such-helper", ""], "PROC-START"),
            (["/no/such/helper", ""], "PROC-START"),
            (["printf", "hello"], "PROC-JSON"),
            (["false", ""], "PROC-EXIT"),
        ] {
            assert_eq!(said(&words).await.0, format!("role_process! {code}"), "{words:?}");
        }
    }

    /// Only the role's name makes a circle: no profile is resolved here.
    #[tokio::test]
    async fn a_circle_is_one_of_the_role_alone() {
        let mut home = Home::with("", "");
        home.set("AWS_PROFILE", "p");
        let inside = |walk: &[&str]| {
            let walk = walk.iter().map(ToString::to_string).collect();
            let around = Surroundings { walk, ..surroundings() };
            Botocore::new(role(&home, &["printf", KEYS]), home.env(), Arc::new(around))
        };
        assert_eq!(walked(&inside(&["role:other", "profile:p"])).await.0, "role_process OWNPROC");
        assert_eq!(walked(&inside(&["role:app"])).await.0, "profile! KF-LOOP");
    }

    /// The default role with a web identity of its own over that token.
    fn identity(home: &Home, token: Token, more: impl FnOnce(&mut WebIdentity)) -> Botocore {
        let mut identity = WebIdentity {
            role_arn: "arn:aws:iam::111122223333:role/app".to_owned(),
            token,
            session_name: None,
            duration: None,
            region: None,
            policy: None,
        };
        more(&mut identity);
        let role = Role { own: Some(Own::WebIdentity(identity)), ..Role::named(RoleName::default_role()) };
        Botocore::new(role, home.env(), Arc::new(surroundings()))
    }

    fn printed(words: &[&str]) -> Token {
        Token::Process(Argv(words.iter().map(ToString::to_string).collect()))
    }

    #[tokio::test]
    async fn a_token_of_a_file_or_a_command_is_exchanged_without_what_is_around_it() {
        let sts = sts();
        let mut home = Home::with("", "");
        home.set("AWS_ENDPOINT_URL", sts.url(""));
        home.set("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/not-this");
        home.write("token", " header.payload.signature\n");
        home.set("POD_NAME", "web/7");
        let name = SessionName::parse("{pod}");
        let more = |identity: &mut WebIdentity| {
            (identity.session_name, identity.duration) = (name.clone(), Some(Duration::from_mins(20)));
        };
        let file = identity(&home, Token::File(home.path("token")), more);
        let (told, _, notes) = walked(&file).await;
        assert_eq!(told, "role_web_identity app-by-token@111122223333");
        let watched = |look: &Look| matches!(look, Look::File { path, .. } if *path == home.path("token"));
        assert!(notes.looked.iter().any(watched), "{:?}", notes.looked);
        let command = identity(&home, printed(&["echo", "header.payload.signature"]), |_| {});
        assert_eq!(walked(&command).await.0, "role_web_identity app-by-token@111122223333");
        let heard = sts.heard();
        let asked =
            ["WebIdentityToken=header.payload.signature", "RoleSessionName=web-7", "DurationSeconds=1200"];
        assert!(asked.iter().all(|part| heard[0].contains(part)), "{}", heard[0]);
        let token = heard[1].split("WebIdentityToken=").nth(1).unwrap().split('&').next();
        assert_eq!(token, Some("header.payload.signature"));
        assert!(heard[1].contains("RoleSessionName=keyfob-default"), "{}", heard[1]);
    }

    #[tokio::test]
    async fn what_is_no_token_is_never_sent_nor_quoted() {
        let sts = sts();
        let mut home = Home::with("", "");
        home.set("AWS_ENDPOINT_URL", sts.url(""));
        home.write("empty", " \n");
        home.write("long", "printf '%20001s' x | tr ' ' x");
        let long = home.path("long").display().to_string();
        for (token, code, says) in [
            (Token::File(home.path("gone")), "WI-NOFILE", "does not exist"),
            (Token::File(home.path("empty")), "WI-TOKEN", "holds no token"),
            (printed(&["true"]), "WI-TOKEN", "token_process of role default printed no token"),
            (printed(&["echo", "hush hush"]), "WI-TOKEN", "printed more than a token"),
            (printed(&["printf", "\\377\\377\\377\\377"]), "WI-TOKEN", "not UTF-8"),
            (printed(&["sh", &long]), "WI-TOKEN", "more than the 20000 characters"),
            (printed(&["yes"]), "WI-TOKEN", "more than 64 KiB"),
            (printed(&["sh", "-c", "echo hush.hush; exit 9"]), "PROC-EXIT", "exit status: 9"),
            (printed(&["no-such-issuer"]), "PROC-START", "`no-such-issuer` is nowhere in PATH"),
        ] {
            let (told, failure, _) = walked(&identity(&home, token, |_| {})).await;
            let failure = failure.unwrap();
            assert_eq!(told, format!("role_web_identity! {code}"), "{failure}");
            assert!(failure.context.contains(says) && !failure.context.contains("hush"), "{failure}");
        }
        assert!(sts.heard().is_empty());
    }

    #[tokio::test]
    async fn a_role_is_assumed_with_what_a_web_identity_gave() {
        let sts = sts();
        let mut home = Home::with("", "");
        home.set("AWS_ENDPOINT_URL", sts.url(""));
        let mut lineup = identity(&home, printed(&["echo", "header.payload.signature"]), |_| {});
        lineup.role.assume = Some(Assume {
            role_arn: "arn:aws:iam::222233334444:role/far".to_owned(),
            session_name: SessionName::parse("{role}-{serviceaccount}"),
            ..Assume::default()
        });
        assert_eq!(walked(&lineup).await.0, "role_web_identity far-by-app-by-token@222233334444");
        assert!(sts.heard()[1].contains("RoleSessionName=default-unknown"), "{}", sts.heard()[1]);
    }
}
