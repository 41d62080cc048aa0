//! What AWS has against a token, beside what the token says of itself; and what to do about it.

use std::path::Path;
use std::time::SystemTime;

use serde_json::json;

use crate::cause;
use crate::clock::stamp;
use crate::credentials::AccountId;
use crate::failure::{Failure, Remedy};
use crate::source::jwt::Claims;
use crate::source::refused::role_name;
use crate::source::shell::quoted;

const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// The refusal with the token's claims, never the token.
pub(super) fn explained(failure: Failure, claims: &Claims, role_arn: &str, file: Option<&Path>) -> Failure {
    let failure = with_claims(failure, claims);
    let known = [
        (&cause::WI_TRUST, trust as fn(Failure, &Claims, &str) -> Failure),
        (&cause::WI_AUD, audience),
        (&cause::WI_ISSUER, issuer),
        (&cause::WI_JWKS, keys),
    ];
    if failure.cause == &cause::WI_EXPIRED {
        return expired(failure, claims, file);
    }
    match known.into_iter().find(|(cause, _)| *cause == failure.cause) {
        Some((_, mend)) => mend(failure, claims, role_arn),
        None => failure,
    }
}

fn with_claims(failure: Failure, claims: &Claims) -> Failure {
    let facts = [
        ("token_sub", claims.subject.clone()),
        ("token_aud", (!claims.audience.is_empty()).then(|| claims.audience.join(","))),
        ("token_iss", claims.issuer.clone()),
        ("token_exp", claims.expiry.map(stamp)),
    ];
    let said = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    said.fold(failure, |failure, (name, value)| failure.seen(name, value))
}

/// The condition has no spaces, so that it is copied as it stands.
fn trust(failure: Failure, claims: &Claims, role_arn: &str) -> Failure {
    let (Some(provider), Some(subject)) = (claims.provider(), &claims.subject) else { return failure };
    let mut wanted = serde_json::Map::new();
    wanted.insert(format!("{provider}:sub"), json!(subject));
    if let Some(audience) = claims.audience.first() {
        wanted.insert(format!("{provider}:aud"), json!(audience));
    }
    let account = AccountId::of_arn(role_arn).map_or_else(String::new, |id| id.as_str().to_owned());
    let look = format!(
        "aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument",
        quoted(role_name(role_arn))
    );
    failure
        .mend(Remedy::command(
            format!(
                "let the role's trust policy accept this token; its Condition has to be {}",
                json!({ "StringEquals": wanted })
            ),
            look,
        ))
        .mend(Remedy::new(format!(
            "where no statement is about this provider: its Principal has to be {}, its Action sts:AssumeRoleWithWebIdentity",
            json!({ "Federated": format!("arn:aws:iam::{account}:oidc-provider/{provider}") })
        )))
}

fn audience(failure: Failure, claims: &Claims, role_arn: &str) -> Failure {
    let failure = failure.mend(Remedy::new(
        "request the token with the audience that the provider in IAM lists, as a rule sts.amazonaws.com",
    ));
    let (Some(provider), Some(audience), Some(account)) =
        (claims.provider(), claims.audience.first(), AccountId::of_arn(role_arn))
    else {
        return failure;
    };
    let arn = format!("arn:aws:iam::{}:oidc-provider/{provider}", account.as_str());
    failure.mend(Remedy::command(
        "have the provider in IAM accept this one",
        format!(
            "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}",
            quoted(&arn),
            quoted(audience)
        ),
    ))
}

fn issuer(failure: Failure, claims: &Claims, _role_arn: &str) -> Failure {
    let Some(issuer) = &claims.issuer else { return failure };
    let audience = claims.audience.first().map_or("sts.amazonaws.com", String::as_str);
    failure
        .mend(Remedy::command(
            "create the provider of this issuer in the role's account",
            format!(
                "aws iam create-open-id-connect-provider --url {} --client-id-list {}",
                quoted(issuer),
                quoted(audience)
            ),
        ))
        .mend(Remedy::new("or take a role of an account that has the provider"))
}

fn keys(failure: Failure, claims: &Claims, _role_arn: &str) -> Failure {
    let Some(issuer) = &claims.issuer else { return failure };
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    failure
        .mend(Remedy::command(
            "make this address, and the jwks_uri that it names, reachable from the internet",
            format!("curl -fsS {}", quoted(&address)),
        ))
        .mend(Remedy::new("where it is reachable, wait: AWS asks again"))
}

fn expired(failure: Failure, claims: &Claims, file: Option<&Path>) -> Failure {
    let written = file.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
    let failure = match written {
        Some(at) => failure.seen("token_written", stamp(at)),
        None => failure,
    };
    let place = file.map_or_else(|| "the token".to_owned(), |path| path.display().to_string());
    let text = if claims.issuer.as_deref() == Some(GITHUB) {
        "tokens of a GitHub job last five minutes: have a new one asked for each time (token_process)"
            .to_owned()
    } else if claims.service_account().is_some() {
        format!("the kubelet renews {place} as long as the pod is well: make the pod anew")
    } else {
        format!("look at what writes {place}: it has stopped")
    };
    failure.mend(Remedy::new(text))
}

/// A token of a pod that still works, and should have been written anew by now.
pub(super) fn overdue(claims: &Claims, now: SystemTime, file: Option<&Path>) -> Option<Failure> {
    let path = file.filter(|_| claims.service_account().is_some() && claims.overdue(now))?;
    let end = stamp(claims.expiry?);
    let context = format!("the token in {} ends at {end}, and nobody has written a new one", path.display());
    Some(with_claims(Failure::misconfigured(&cause::WI_MTIME, context), claims))
}

/// Whether AWS calls a token expired that is not so by our clock.
pub(super) fn good_here(claims: &Claims, now: SystemTime) -> bool {
    claims.expiry.is_some_and(|end| end > now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/path/app";

    fn claims() -> Claims {
        Claims {
            issuer: Some("https://oidc.example/id/1".to_owned()),
            subject: Some("system:serviceaccount:web:app".to_owned()),
            audience: vec!["sts.amazonaws.com".to_owned()],
            issued: Some(SystemTime::UNIX_EPOCH),
            expiry: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60)),
        }
    }

    #[test]
    fn the_fix_is_for_this_very_token() {
        let told = |cause| {
            let failure = explained(Failure::denied(cause, "x"), &claims(), ROLE, None);
            let fix = failure.fixes().remove(0);
            (fix.text, fix.command.unwrap_or_default())
        };
        let (text, command) = told(&cause::WI_TRUST);
        let condition = r#"{"StringEquals":{"oidc.example/id/1:aud":"sts.amazonaws.com","oidc.example/id/1:sub":"system:serviceaccount:web:app"}}"#;
        assert!(text.ends_with(condition), "{text}");
        assert_eq!(command, "aws iam get-role --role-name app --query Role.AssumeRolePolicyDocument");
        let create = "aws iam create-open-id-connect-provider --url https://oidc.example/id/1 --client-id-list sts.amazonaws.com";
        assert_eq!(told(&cause::WI_ISSUER).1, create);
        assert_eq!(
            told(&cause::WI_JWKS).1,
            "curl -fsS https://oidc.example/id/1/.well-known/openid-configuration"
        );
        assert!(told(&cause::WI_EXPIRED).0.contains("make the pod anew"));
        assert!(told(&cause::WI_AUD).0.starts_with("request the token with the audience"));
        assert_eq!(told(&cause::AWS_5XX).0, cause::AWS_5XX.fix[0]);
    }

    #[test]
    fn a_token_that_should_have_been_renewed_is_noticed() {
        let told = |seconds, claims: &Claims| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            overdue(claims, now, Some(Path::new("/t"))).map(|doubt| doubt.cause.code)
        };
        assert_eq!(told(50, &claims()), None);
        assert_eq!(told(55, &claims()), Some("WI-MTIME"));
        assert_eq!(told(61, &claims()), None, "AWS says so then");
        assert_eq!(told(55, &Claims { subject: Some("repo:x".to_owned()), ..claims() }), None);
        assert_eq!(told(55, &Claims { issued: None, ..claims() }), None);
    }

    #[test]
    fn claims_are_evidence_and_a_token_without_any_has_none() {
        let failure = explained(Failure::denied(&cause::WI_TRUST, "x"), &claims(), ROLE, None);
        assert_eq!(failure.fact("token_sub"), Some("system:serviceaccount:web:app"));
        assert_eq!(failure.fact("token_exp"), Some("1970-01-01T00:01:00Z"));
        let opaque = explained(Failure::denied(&cause::WI_TRUST, "x"), &Claims::default(), ROLE, None);
        assert!(opaque.evidence.is_empty() && opaque.remedies.is_empty());
    }
}
