//! `status`: what the running agent holds.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::args::{Output, Status as Args};
use super::ask::Agent;
use super::exit::Exit;
use super::stop::Stop;
use super::terminal::{Paint, Tone};
use super::{Scene, moment};
use crate::server::status::{FailureStatus, RoleStatus, State, Status};

/// Prints it.
///
/// # Errors
/// No agent.
pub(super) async fn run(args: &Args, scene: &Scene) -> Result<Exit, Stop> {
    let status = Agent::find(&scene.global, &scene.env)?.status().await?;
    let text = match args.output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&status);
            text.map_err(|error| Stop::internal("status as JSON", error))? + "\n"
        }
        Output::Text => page(&status, scene.clock.now(), scene.terminal.out),
    };
    scene.terminal.answer(&text)?;
    Ok(Exit::Good)
}

fn page(status: &Status, now: SystemTime, paint: Paint) -> String {
    let ready =
        if status.ready { paint.paint(Tone::Good, "ready") } else { paint.paint(Tone::Warn, "not ready") };
    let mut text = format!("keyfob {}, pid {}, {ready}\n", status.version, status.pid);
    let admin = status.admin_address.as_deref().unwrap_or("off");
    let _infallible = writeln!(text, "credentials  {}", status.credentials_addresses.join(" "));
    let _infallible = writeln!(text, "admin        {admin}");
    let _infallible = writeln!(text, "token        {}", status.token_file.display());
    for problem in &status.problems {
        let problem = format!("{}: {}; wanted {}", problem.at, problem.is, problem.want);
        let _infallible = writeln!(text, "{} {problem}", paint.paint(Tone::Bad, "configuration refused:"));
    }
    text.push('\n');
    text.push_str(&table(&status.roles, now, paint));
    for role in &status.roles {
        notes(&mut text, role, now, paint);
    }
    text
}

const HEAD: [&str; 6] = ["ROLE", "STATE", "SOURCE", "ACCOUNT", "EXPIRY", "NEXT LOOK"];

fn table(roles: &[RoleStatus], now: SystemTime, paint: Paint) -> String {
    let rows: Vec<[String; 6]> = roles.iter().map(|role| cells(role, now)).collect();
    let widths = HEAD.iter().enumerate().map(|(column, head)| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        longest.unwrap_or_default().max(head.len()) + 2
    });
    let widths: Vec<usize> = widths.collect();
    let line = |cells: &[String], tones: &dyn Fn(usize) -> Option<Tone>| {
        let cells =
            cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match tones(column) {
                Some(tone) => paint.padded(tone, cell, *width),
                None => format!("{cell:width$}"),
            });
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    let mut text = line(&HEAD.map(str::to_owned), &|_| Some(Tone::Strong));
    for (role, row) in roles.iter().zip(&rows) {
        text.push_str(&line(row, &|column| (column == 1).then(|| tone(role.state))));
    }
    text
}

fn cells(role: &RoleStatus, now: SystemTime) -> [String; 6] {
    let none = || "-".to_owned();
    let when = |stamp: &Option<String>| {
        let at = stamp.as_deref().and_then(moment::parse);
        at.map_or_else(none, |at| moment::relative(at, now))
    };
    let held = role.source.is_some();
    let expiry = if held && role.expires_at.is_none() { "never".to_owned() } else { when(&role.expires_at) };
    let next = if role.walking { "now".to_owned() } else { when(&role.next_refresh) };
    [
        role.name.clone(),
        role.state.as_str().to_owned(),
        role.source.clone().unwrap_or_else(none),
        role.account.clone().unwrap_or_else(none),
        expiry,
        next,
    ]
}

fn tone(state: State) -> Tone {
    match state {
        State::Ok => Tone::Good,
        State::Starting | State::RefreshFailing | State::Extended => Tone::Warn,
        State::Expired | State::Failing => Tone::Bad,
    }
}

fn notes(text: &mut String, role: &RoleStatus, now: SystemTime, paint: Paint) {
    let mut note = |tone: Tone, failure: &FailureStatus, more: &str| {
        let code = paint.paint(tone, &failure.code);
        let _infallible = writeln!(text, "\n{}: {code} {}{more}", role.name, failure.message);
        if let Some(fix) = failure.fix.first() {
            let _infallible = writeln!(text, "  fix: {fix}");
        }
    };
    if let Some(failure) = &role.last_failure {
        let since = role.failing_since.as_deref().and_then(moment::parse);
        let since = since.map(|at| format!(", first {}", moment::relative(at, now))).unwrap_or_default();
        note(Tone::Bad, failure, &format!(" (failed {} times{since})", role.failures));
    }
    for warning in &role.warnings {
        note(Tone::Warn, warning, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause;
    use crate::failure::Failure;

    fn role(name: &str, state: State) -> RoleStatus {
        RoleStatus {
            name: name.to_owned(),
            state,
            usable: state == State::Ok,
            required: true,
            walking: false,
            source: Some("imds".to_owned()),
            account: Some("111122223333".to_owned()),
            key_suffix: None,
            issued_at: None,
            expires_at: Some("2026-01-01T01:00:00Z".to_owned()),
            next_refresh: Some("2026-01-01T00:40:00Z".to_owned()),
            last_success: None,
            failures: 0,
            failing_since: None,
            last_failure: None,
            warnings: Vec::new(),
            region: None,
            token_file: None,
        }
    }

    #[test]
    fn roles_stand_in_a_table_and_failures_below_it() {
        let failing = RoleStatus {
            source: None,
            account: None,
            expires_at: None,
            failures: 3,
            failing_since: Some("2025-12-31T23:58:00Z".to_owned()),
            last_failure: Some((&Failure::denied(&cause::KF_LOOP, "profile p leads back")).into()),
            ..role("a-longer-name", State::Failing)
        };
        let status = Status {
            version: "0.1.0".to_owned(),
            pid: 7,
            ready: false,
            credentials_addresses: vec!["127.0.0.1:5397".to_owned()],
            admin_address: None,
            endpoint: None,
            token_file: "/run/keyfob/token".into(),
            admin_token_file: None,
            roles: vec![role("app", State::Ok), failing],
            problems: Vec::new(),
        };
        let text = page(&status, moment::parse("2026-01-01T00:00:00Z").unwrap(), Paint::NONE);
        let expected = "\
keyfob 0.1.0, pid 7, not ready
credentials  127.0.0.1:5397
admin        off
token        /run/keyfob/token

ROLE           STATE    SOURCE  ACCOUNT       EXPIRY  NEXT LOOK
app            ok       imds    111122223333  in 1 h  in 40 min
a-longer-name  failing  -       -             -       in 40 min

a-longer-name: KF-LOOP profile p leads back (failed 3 times, first 2 min ago)
  fix: remove keyfob from the profile it resolves, or name another profile
";
        assert_eq!(text, expected);
    }
}
