//! What to do about instance metadata that gives no credentials; and whether it was metadata at all that answered.

use crate::cause;
use crate::failure::{Failure, Remedy};
use crate::http::Answer;
use crate::source::shell::quoted;

const OPTIONS: &str = "aws ec2 modify-instance-metadata-options --instance-id INSTANCE";

/// Who stands in between, as the headers of an answer say it. Metadata calls itself `EC2ws`.
pub(super) fn proxy(answer: &Answer) -> Option<String> {
    const KNOWN: [&str; 6] = ["squid", "proxy", "envoy", "varnish", "zscaler", "bluecoat"];
    let via = answer.header("via");
    let server = answer.header("server").filter(|server| {
        let server = server.to_ascii_lowercase();
        KNOWN.iter().any(|known| server.contains(known))
    });
    let told = via.or(server)?;
    Some(told.chars().filter(|c| !c.is_control()).take(80).collect())
}

/// The refusal of a proxy.
pub(super) fn by_proxy(failure: Failure, proxy: &str) -> Failure {
    let context = format!("{}; it came through a proxy: {proxy}", failure.context);
    Failure { cause: &cause::IMDS_PROXY, context, ..failure }
        .seen("proxy", proxy)
        .mend(Remedy::new("leave 169.254.169.254 out of what is redirected to the proxy"))
        .mend(Remedy::command(
            "tell everything else here that asks as well",
            "export NO_PROXY=169.254.169.254,169.254.170.2,169.254.170.23",
        ))
}

/// What a pod gets that asks metadata.
pub(super) fn of_node(role: &str) -> Failure {
    let context = format!("this is a pod, and instance metadata gave it {role}, the role of its node");
    Failure::misconfigured(&cause::WI_NODEROLE, context).seen("role", role)
}

/// The failure with what to do about it.
pub(super) fn mended(failure: Failure) -> Failure {
    let role = failure.fact("role").unwrap_or_default().to_owned();
    match failure.cause.code {
        "IMDS-HOP" => failure.mend(Remedy::command(
            "in a container: let the answer pass one more hop",
            format!("{OPTIONS} --http-put-response-hop-limit 2 --http-endpoint enabled"),
        )),
        "IMDS-OFF" => failure
            .mend(Remedy::command(
                "on EC2: switch metadata on, and let 169.254.169.254 through the firewall",
                format!("{OPTIONS} --http-endpoint enabled"),
            ))
            .mend(Remedy::new("elsewhere there is no metadata: configure another source")),
        "IMDS-DISABLED" => {
            failure.mend(Remedy::command("unset the variable", "unset AWS_EC2_METADATA_DISABLED"))
        }
        "IMDS-NOPROFILE" => failure.mend(Remedy::command(
            "attach an instance profile to the instance",
            "aws ec2 associate-iam-instance-profile --instance-id INSTANCE --iam-instance-profile Name=PROFILE",
        )),
        "IMDS-V1OFF" => failure
            .mend(Remedy::new("look at why the token request fails"))
            .mend(Remedy::command("or allow IMDSv1", "unset AWS_EC2_METADATA_V1_DISABLED")),
        "IMDS-EMPTYPROFILE" if !role.is_empty() => failure
            .mend(Remedy::command(
                format!("look whether the role {role} is still there, and in the instance profile"),
                format!("aws iam list-instance-profiles-for-role --role-name {}", quoted(&role)),
            ))
            .mend(Remedy::new("a role that was made anew has to be taken out of the profile and put in again")),
        "IMDS-TRUST" if !role.is_empty() => failure.mend(Remedy::command(
            format!(
                "the trust policy of {role} needs the statement {}",
                r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#
            ),
            format!("aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument", quoted(&role)),
        )),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::{HeaderMap, HeaderName};

    use super::*;

    fn answer(name: &'static str, value: &'static str) -> Answer {
        let headers: HeaderMap =
            [(HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect();
        Answer { status: 403, headers, body: Bytes::new() }
    }

    #[test]
    fn a_proxy_gives_itself_away() {
        assert_eq!(proxy(&answer("via", "1.1 cache (squid/5.7)")).as_deref(), Some("1.1 cache (squid/5.7)"));
        assert_eq!(proxy(&answer("server", "Squid/5.7")).as_deref(), Some("Squid/5.7"));
        assert_eq!(proxy(&answer("server", "EC2ws")), None);
        assert_eq!(proxy(&answer("date", "x")), None);
    }

    #[test]
    fn a_role_that_is_known_is_named() {
        let failure = |cause| Failure::denied(cause, "x").seen("role", "the-role");
        let command = |cause| mended(failure(cause)).fixes().remove(0).command.unwrap_or_default();
        assert!(command(&cause::IMDS_TRUST).contains("--role-name the-role "));
        assert!(command(&cause::IMDS_EMPTYPROFILE).ends_with("--role-name the-role"));
        assert!(command(&cause::IMDS_HOP).contains("--http-put-response-hop-limit 2"));
        assert_eq!(command(&cause::IMDS_DISABLED), "unset AWS_EC2_METADATA_DISABLED");
        assert_eq!(command(&cause::IMDS_JSON), "");
    }
}
