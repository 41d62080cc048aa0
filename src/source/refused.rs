//! What is behind a refusal of AWS's, as far as the call itself shows it: a wrong clock, another partition, an endpoint
//! that cannot be reached from here; and what to do about it.

use std::time::SystemTime;

use crate::aws::Place;
use crate::cause;
use crate::failure::{Failure, FailureKind, Remedy};
use crate::report::Call;
use crate::source::shell::quoted;

/// A clock that is this far off breaks something.
const SKEW: i64 = 5 * 60;

/// The failure of a call with what the call shows beside AWS's words.
pub(super) fn explained(failure: Failure, role_arn: &str, place: &Place, calls: &[Call]) -> Failure {
    let failure = of_clock(failure, calls);
    let failure = of_partition(failure, role_arn, place);
    let failure = of_endpoint(failure, place);
    with_remedies(failure, place)
}

/// Seconds that our clock is behind the server's; negative where it is ahead.
pub(super) fn behind(calls: &[Call]) -> Option<i64> {
    let call = calls.iter().rev().find(|call| call.date.is_some())?;
    let (theirs, ours) = (seconds(call.date?), seconds(call.started + call.took));
    Some(theirs - ours)
}

fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What is expired or not yet valid for AWS alone is so by our clock.
pub(super) fn of_clock(failure: Failure, calls: &[Call]) -> Failure {
    let by_time = [&cause::CLOCK, &cause::WI_EXPIRED, &cause::KEY_EXPIRED].contains(&failure.cause);
    let Some(behind) = behind(calls).filter(|behind| by_time && behind.abs() >= SKEW) else { return failure };
    let way = if behind > 0 { "behind" } else { "ahead of" };
    let minutes = (behind.abs() + 30) / 60;
    let context = format!("{}; this clock is {minutes} min {way} AWS's", failure.context);
    let text = format!("this clock is {minutes} min {way} AWS's: have NTP set it");
    let failure = Failure { kind: FailureKind::Denied, cause: &cause::CLOCK, context, ..failure };
    failure
        .seen("clock_off_by", format!("{minutes} min"))
        .mend(Remedy::command(text, "sudo timedatectl set-ntp true"))
        .mend(Remedy::command("where chrony keeps the time, have it set at once", "sudo chronyc makestep"))
        .mend(Remedy::new("in a virtual machine or a container: the host's clock is the one to set"))
}

/// Regions and roles of different partitions know nothing of each other.
fn of_partition(failure: Failure, role_arn: &str, place: &Place) -> Failure {
    let answered = failure.fact("status").is_some();
    let Some(wanted) = role_arn.strip_prefix("arn:").and_then(|rest| rest.split(':').next()) else {
        return failure;
    };
    let region = place.region.as_deref().unwrap_or("us-east-1");
    let asked = partition(region);
    let known = ["aws", "aws-cn", "aws-us-gov"].contains(&wanted);
    if !answered || wanted == asked || !known || failure.kind == FailureKind::Throttled {
        return failure;
    }
    let home = match wanted {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    };
    let context =
        format!("{}; the role is of the partition {wanted}, and {region} is of {asked}", failure.context);
    let text = format!("ask where the role is: set the region to one of {wanted}");
    Failure { kind: FailureKind::Misconfigured, cause: &cause::PARTITION, context, ..failure }
        .mend(Remedy::command(text, format!("export AWS_DEFAULT_REGION={home}")))
        .mend(Remedy::new("or correct the ARN of the role"))
}

fn partition(region: &str) -> &'static str {
    match region.replace("fips-", "").as_str() {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("us-iso") || region.starts_with("eu-iso") => "aws-iso",
        _ => "aws",
    }
}

/// A private network has a way to the endpoints of its own region, if to any.
fn of_endpoint(failure: Failure, place: &Place) -> Failure {
    let lost = [&cause::NET_TIMEOUT, &cause::NET_ROUTE].contains(&failure.cause);
    if !lost || !place.global() {
        return failure;
    }
    let failure = Failure { cause: &cause::NET_STSGLOBAL, ..failure };
    match &place.region {
        Some(region) => failure.mend(Remedy::command(
            format!("ask STS of {region} itself"),
            "export AWS_STS_REGIONAL_ENDPOINTS=regional",
        )),
        None => failure.mend(Remedy::new(
            "set the region (AWS_DEFAULT_REGION, or region in the profile): then its own STS is asked",
        )),
    }
    .mend(Remedy::new("in a subnet without a way out, make a VPC endpoint for com.amazonaws.REGION.sts"))
}

fn with_remedies(failure: Failure, place: &Place) -> Failure {
    let region = place.region.as_deref().unwrap_or("us-east-1");
    if failure.cause == &cause::STS_REGION_OFF {
        return failure
            .mend(Remedy::command(
                format!("activate {region} for the account (IAM, Account settings, STS)"),
                format!("aws account enable-region --region-name {}", quoted(region)),
            ))
            .mend(Remedy::new("or ask STS of another region: AWS_DEFAULT_REGION, or region in the profile"));
    }
    let issuer = failure.fact("issuer").map(str::to_owned);
    match issuer.filter(|_| failure.cause == &cause::TLS_CA) {
        Some(issuer) => failure.mend(Remedy::new(format!(
            "`{issuer}` signs for AWS here: get its certificate from whoever runs the proxy, and name the file in \
             AWS_CA_BUNDLE or ca_bundle"
        ))),
        None => failure,
    }
}

/// The name in a role's ARN, without its path.
pub(super) fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn call(behind: i64) -> Call {
        let at = NOW + Duration::from_secs(1_000_000);
        let by = Duration::from_secs(behind.unsigned_abs());
        Call {
            service: "sts",
            operation: "AssumeRole",
            url: String::new(),
            started: at,
            took: Duration::ZERO,
            status: Some(403),
            code: None,
            request_id: None,
            error: None,
            broke_at: None,
            date: Some(if behind < 0 { at - by } else { at + by }),
        }
    }

    #[test]
    fn a_wrong_clock_is_told_from_one_that_is_right() {
        let expired = || Failure::denied(&cause::KEY_EXPIRED, "x");
        for (behind, code) in [(0, "KEY-EXPIRED"), (-299, "KEY-EXPIRED"), (300, "CLOCK"), (-4000, "CLOCK")] {
            let failure = of_clock(expired(), &[call(behind)]);
            assert_eq!(failure.cause.code, code, "{behind}");
        }
        let ahead = of_clock(Failure::denied(&cause::CLOCK, "x"), &[call(-1020)]);
        assert_eq!(ahead.context, "x; this clock is 17 min ahead of AWS's");
        assert_eq!(ahead.fact("clock_off_by"), Some("17 min"));
        let denied = of_clock(Failure::denied(&cause::STS_DENIED, "x"), &[call(9999)]);
        assert_eq!(denied.cause.code, "STS-DENIED");
        assert_eq!(of_clock(expired(), &[]).cause.code, "KEY-EXPIRED");
    }

    #[test]
    fn a_role_of_another_partition_is_noticed_once_aws_has_answered() {
        let told = |role: &str, region: Option<&str>, answered: bool| {
            let place = Place { region: region.map(str::to_owned), ..Place::default() };
            let failure = Failure::denied(&cause::KEY_INVALID, "x");
            let failure = if answered { failure.seen("status", 403) } else { failure };
            let failure = explained(failure, role, &place, &[]);
            (failure.cause.code, failure.remedies.first().and_then(|remedy| remedy.command.clone()))
        };
        let cn = "arn:aws-cn:iam::111122223333:role/app";
        let export = |region: &str| Some(format!("export AWS_DEFAULT_REGION={region}"));
        assert_eq!(told(cn, None, true), ("PARTITION", export("cn-north-1")));
        assert_eq!(told(cn, Some("cn-northwest-1"), true).0, "KEY-INVALID");
        assert_eq!(told(cn, None, false).0, "KEY-INVALID");
        assert_eq!(
            told("arn:aws:iam::1:role/app", Some("us-gov-east-1"), true),
            ("PARTITION", export("us-east-1"))
        );
        assert_eq!(told("arn:aws:iam::1:role/app", Some("eu-west-1"), true).0, "KEY-INVALID");
        assert_eq!(told("nonsense", Some("cn-north-1"), true).0, "KEY-INVALID");
    }

    #[test]
    fn the_global_endpoint_is_named_where_it_cannot_be_reached() {
        let told = |place: Place, failure: Failure| explained(failure, "", &place, &[]).cause.code;
        let lost = || Failure::new(FailureKind::TimedOut, &cause::NET_TIMEOUT, "x");
        assert_eq!(told(Place::default(), lost()), "NET-STSGLOBAL");
        let own = Place { endpoint: Some("https://own".to_owned()), ..Place::default() };
        assert_eq!(told(own, lost()), "NET-TIMEOUT");
        let region = Place { region: Some("eu-west-1".to_owned()), ..Place::default() };
        assert_eq!(told(region, lost()), "NET-TIMEOUT");
        let refused = Failure::new(FailureKind::Unreachable, &cause::NET_REFUSED, "x");
        assert_eq!(told(Place::default(), refused), "NET-REFUSED");
    }
}
