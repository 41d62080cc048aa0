//! What our own configuration adds to the chain: a source in its place, and the role that is assumed in the end.

use std::sync::Arc;

use super::Botocore;
use crate::aws::{AssumeRole, Place};
use crate::cause::{self, Cause};
use crate::config::{Assume, Own};
use crate::failure::Failure;
use crate::source::Source;
use crate::source::assume_role::Assumed;
use crate::source::process::{Process, Program};

impl Botocore {
    /// The one source of a role that has its own.
    pub(super) fn own(&self, own: &Own) -> Arc<dyn Source> {
        match own {
            Own::Process(argv) => {
                Arc::new(Process::of_role(argv, self.program("process", &cause::PROC_JSON)))
            }
        }
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

    /// The role of our own configuration, assumed with what the source finds.
    pub(super) fn assumed(
        &self,
        source: Arc<dyn Source>,
        assume: &Assume,
        place: &Result<Place, Failure>,
    ) -> Arc<dyn Source> {
        let session_name = assume.session_name.clone().unwrap_or_else(|| self.own_session_name());
        let seconds = assume.duration.map(|given| i32::try_from(given.as_secs()).unwrap_or(i32::MAX));
        let ask = AssumeRole {
            role_arn: assume.role_arn.clone(),
            session_name,
            external_id: assume.external_id.clone(),
            duration: seconds,
        };
        let place =
            place.clone().map(|place| Place { region: assume.region.clone().or(place.region), ..place });
        Arc::new(Assumed::new(source, ask, place, &self.around))
    }

    /// STS takes 2 to 64 characters.
    fn own_session_name(&self) -> String {
        format!("keyfob-{}", self.role.name).chars().take(64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Argv, Role};
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
}
