//! What AWS has against a caller who wants a role; and what to do about it.

use crate::cause;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, Remedy};
use crate::file;
use crate::source::profile::plan::Hop;
use crate::source::refused::role_name;
use crate::source::shell::quoted;

/// The refusal with what is known of the caller.
pub(super) fn explained(failure: Failure, caller: &Credentials, from: SourceKind, role_arn: &str) -> Failure {
    let failure = failure.seen("caller_key", format!("…{}", caller.key_suffix()));
    match failure.cause.code {
        "STS-DENIED" if is_root(&failure.context) => root(failure, caller, from),
        "STS-DENIED" => denied(failure, role_arn),
        "KEY-INVALID" => invalid(failure, caller, from),
        "KEY-EXPIRED" => failure.mend(Remedy::new(format!(
            "get fresh ones where {from} has them from: temporary credentials do not prolong themselves"
        ))),
        _ => failure,
    }
}

/// `Roles may not be assumed by root accounts.`, or a caller who is the account itself.
fn is_root(said: &str) -> bool {
    said.contains("may not be assumed by root account")
        || caller_in(said).is_some_and(|arn| arn.ends_with(":root"))
}

/// Who AWS says has asked.
fn caller_in(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("User: ")?;
    let (arn, _) = rest.split_once(" is not ")?;
    arn.starts_with("arn:").then_some(arn)
}

fn root(failure: Failure, caller: &Credentials, from: SourceKind) -> Failure {
    let key = caller.key_suffix();
    Failure { cause: &cause::SEC_ROOT, ..failure }
        .mend(Remedy::new(format!(
            "put keys of a user of IAM in the place of …{key} ({from}), and delete the root user's access keys: sign in \
             to the console as root, Security credentials"
        )))
        .mend(Remedy::new("better: temporary credentials, from IAM Identity Center (`aws configure sso`) or a role"))
}

/// Which of the two sides says no is AWS's secret.
fn denied(failure: Failure, role_arn: &str) -> Failure {
    let caller = caller_in(&failure.context).map(str::to_owned);
    let look = format!(
        "aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument",
        quoted(role_name(role_arn))
    );
    let Some(caller) = caller else {
        return failure.mend(Remedy::command("let the role's trust policy name the caller", look)).mend(
            Remedy::new(
                "it may as well be the caller's own policies: they have to allow sts:AssumeRole on the role",
            ),
        );
    };
    let may = format!(
        "aws iam simulate-principal-policy --policy-source-arn {} --action-names sts:AssumeRole --resource-arns {}",
        quoted(principal(&caller)),
        quoted(role_arn)
    );
    failure
        .seen("caller", &caller)
        .mend(Remedy::command(
            format!(
                "let the role's trust policy name {}, with the external id it asks for",
                principal(&caller)
            ),
            look,
        ))
        .mend(Remedy::command(
            "it may as well be the caller's own policies: they have to allow sts:AssumeRole on the role",
            may,
        ))
}

/// A policy names a role, not its sessions.
fn principal(caller: &str) -> String {
    let parts: Vec<&str> = caller.splitn(6, ':').collect();
    let [arn, partition, "sts", region, account, what] = parts.as_slice() else { return caller.to_owned() };
    let Some(role) = what.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next()) else {
        return caller.to_owned();
    };
    format!("{arn}:{partition}:iam:{region}:{account}:role/{role}")
}

fn invalid(failure: Failure, caller: &Credentials, from: SourceKind) -> Failure {
    let key = caller.key_suffix();
    let text = match (failure.fact("code"), caller.session_token.is_some()) {
        (Some("SignatureDoesNotMatch"), _) => {
            format!("the secret is not that of the key …{key} ({from}): copy both parts again")
        }
        (_, true) => {
            format!("the session token is not that of the key …{key} ({from}): copy all three parts again")
        }
        (_, false) => format!(
            "AWS has no such key as …{key} ({from}), or it is switched off: look at the user's keys in IAM, or make a new one"
        ),
    };
    failure.mend(Remedy::new(text))
}

/// The line of the profile that asks for a longer session than a chain of roles may have.
pub(super) fn shorter(failure: Failure, hop: &Hop) -> Failure {
    const LONGEST: &str = "duration_seconds = 3600";
    let here = hop.duration_at.as_ref().filter(|_| failure.cause == &cause::STS_CHAIN1H);
    let Some((path, line)) = here else { return failure };
    let text = format!("ask for an hour at most: {}:{line}", path.display());
    let old = file::read(path).1.ok().and_then(|bytes| {
        let text = String::from_utf8(bytes).ok()?;
        text.lines().nth(line.checked_sub(1)?).map(str::to_owned)
    });
    // Whatever else the line has come to say is nobody's business.
    match old.filter(|old| old.trim_start().starts_with("duration_seconds")) {
        Some(old) => failure.mend(Remedy::line(text, path.display(), *line, &old, LONGEST)),
        None => failure.mend(Remedy::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const ROLE: &str = "arn:aws:iam::111122223333:role/path/app";

    fn told(cause: &'static cause::Cause, context: &str, code: &str, token: Option<&str>) -> Failure {
        let caller = Credentials {
            access_key_id: "AKIAEXAMPLE7777".to_owned(),
            secret_access_key: Secret::new("s"),
            session_token: token.map(Secret::new),
            expires_at: None,
            account_id: None,
            role_arn: None,
        };
        let failure = Failure::denied(cause, context).seen("code", code);
        explained(failure, &caller, SourceKind::StaticFile, ROLE)
    }

    #[test]
    fn a_denial_names_both_sides_and_what_to_ask() {
        let said = "x: AccessDenied: User: arn:aws:sts::1:assumed-role/node/i-1 is not authorized to perform";
        let failure = told(&cause::STS_DENIED, said, "AccessDenied", None);
        assert_eq!(failure.fact("caller"), Some("arn:aws:sts::1:assumed-role/node/i-1"));
        let commands: Vec<_> = failure.remedies.iter().filter_map(|remedy| remedy.command.clone()).collect();
        assert_eq!(commands[0], "aws iam get-role --role-name app --query Role.AssumeRolePolicyDocument");
        assert!(commands[1].contains("--policy-source-arn arn:aws:iam::1:role/node "), "{}", commands[1]);
        let silent = told(&cause::STS_DENIED, "x: AccessDenied", "AccessDenied", None);
        assert_eq!((silent.fact("caller"), silent.remedies.len()), (None, 2));
    }

    #[test]
    fn keys_of_the_account_itself_are_known_by_awss_words() {
        for (said, code) in [
            ("x: AccessDenied: Roles may not be assumed by root accounts.", "SEC-ROOT"),
            (
                "x: AccessDenied: User: arn:aws:iam::111122223333:root is not authorized to perform",
                "SEC-ROOT",
            ),
            ("x: AccessDenied: User: arn:aws:iam::111122223333:user/root is not authorized to", "STS-DENIED"),
        ] {
            let failure = told(&cause::STS_DENIED, said, "AccessDenied", None);
            assert_eq!((failure.cause.code, failure.confidence()), (code, "certain"), "{said}");
            assert_eq!(failure.fix().contains("…7777"), code == "SEC-ROOT", "{}", failure.fix());
        }
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_by_code() {
        for (code, token, says) in [
            ("SignatureDoesNotMatch", None, "the secret is not that of the key …7777"),
            ("InvalidClientTokenId", None, "AWS has no such key as …7777 (shared_credentials_file)"),
            ("InvalidClientTokenId", Some("t"), "the session token is not that"),
        ] {
            let fix = told(&cause::KEY_INVALID, "x", code, token).fix();
            assert!(fix.contains(says.split(" (").next().unwrap()), "{fix}");
        }
    }
}
