//! `wait`: returns when the running agent holds usable credentials; a gate for whatever needs them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Scene;
use super::args::Wait;
use super::ask::Agent;
use super::exit::Exit;
use super::stop::Stop;
use crate::credentials::RoleName;
use crate::server::status::{RoleStatus, Status};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits.
///
/// # Errors
/// The time is over: the class of the last failure. A role that the agent does not have ends the wait at once.
pub(super) async fn run(args: &Wait, scene: &Scene) -> Result<Exit, Stop> {
    let agent = Agent::find(&scene.global, &scene.env)?;
    let deadline = Instant::now() + args.timeout;
    loop {
        let lacking = match agent.status().await {
            Ok(status) => match lacking(&status, &args.roles)? {
                None => return Ok(Exit::Good),
                Some(stop) => stop,
            },
            Err(stop) => stop,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(lacking);
        }
        sleep(PAUSE.min(left)).await;
    }
}

/// Why it is not time yet; `None` when it is.
fn lacking(status: &Status, names: &[RoleName]) -> Result<Option<Stop>, Stop> {
    let find = |name: &RoleName| {
        let found = status.roles.iter().find(|role| role.name == name.as_str());
        found.ok_or_else(|| Stop::new(Exit::Usage, format!("the agent has no role {name}")))
    };
    let mut roles: Vec<&RoleStatus> = names.iter().map(find).collect::<Result<_, _>>()?;
    if names.is_empty() {
        roles.extend(status.roles.iter().filter(|role| role.required));
    }
    if roles.is_empty() {
        roles.extend(&status.roles);
    }
    Ok(roles.into_iter().find(|role| !role.usable).map(why))
}

fn why(role: &RoleStatus) -> Stop {
    let more = format!("more: keyfob explain {}", role.name);
    match &role.last_failure {
        Some(failure) => {
            let stop = Stop::from(failure.clone());
            let says = format!("role {} has no credentials: {}", role.name, stop.says);
            Stop { says, ..stop }.hint(more)
        }
        None => Stop::new(Exit::Unreachable, format!("role {}: the first walk has not ended", role.name))
            .hint(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause;
    use crate::failure::{Failure, FailureKind};
    use crate::server::status::State;

    fn role(name: &str, required: bool, usable: bool, kind: Option<FailureKind>) -> RoleStatus {
        let failure = kind.map(|kind| Failure::new(kind, &cause::UNKNOWN, "why"));
        RoleStatus {
            name: name.to_owned(),
            state: State::Starting,
            usable,
            required,
            walking: false,
            source: None,
            account: None,
            key_suffix: None,
            issued_at: None,
            expires_at: None,
            next_refresh: None,
            last_success: None,
            failures: 0,
            failing_since: None,
            last_failure: failure.as_ref().map(Into::into),
            warnings: Vec::new(),
            region: None,
            token_file: None,
        }
    }

    fn ends(roles: Vec<RoleStatus>, names: &[&str]) -> Result<Option<Exit>, Exit> {
        let status = Status {
            version: String::new(),
            pid: 1,
            ready: true,
            credentials_addresses: Vec::new(),
            admin_address: None,
            endpoint: None,
            token_file: "/t".into(),
            admin_token_file: None,
            roles,
            problems: Vec::new(),
        };
        let names: Vec<RoleName> = names.iter().filter_map(|name| RoleName::parse(name)).collect();
        lacking(&status, &names).map(|stop| stop.map(|stop| stop.exit)).map_err(|stop| stop.exit)
    }

    #[test]
    fn only_what_is_asked_for_or_required_counts() {
        let all =
            || vec![role("good", true, true, None), role("spare", false, false, Some(FailureKind::Denied))];
        assert_eq!(ends(all(), &[]), Ok(None));
        assert_eq!(ends(all(), &["good"]), Ok(None));
        assert_eq!(ends(all(), &["good", "spare"]), Ok(Some(Exit::Refused)));
        assert_eq!(ends(all(), &["none"]), Err(Exit::Usage));
    }

    #[test]
    fn the_class_of_the_last_failure_is_the_status() {
        let of = |kind| ends(vec![role("app", true, false, kind)], &[]);
        assert_eq!(of(Some(FailureKind::NotConfigured)), Ok(Some(Exit::Nothing)));
        assert_eq!(of(Some(FailureKind::Denied)), Ok(Some(Exit::Refused)));
        assert_eq!(of(Some(FailureKind::TimedOut)), Ok(Some(Exit::Unreachable)));
        assert_eq!(of(None), Ok(Some(Exit::Unreachable)));
    }

    #[test]
    fn where_nothing_is_required_everything_counts() {
        let roles = vec![role("a", false, false, None)];
        assert_eq!(ends(roles, &[]), Ok(Some(Exit::Unreachable)));
    }
}
