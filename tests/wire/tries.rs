//! How often a call is tried: counted at the fake, for botocore and for us.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::support::aws::Trouble;

const WORKERS: usize = 4;

/// Variables, lines of the profile, what STS says to each call, and how often it is called; none is a setting that is
/// refused before anybody is asked.
type Row = (&'static [(&'static str, &'static str)], &'static str, (u16, &'static str), Option<usize>);

const DOWN: (u16, &str) = (503, "ServiceUnavailable");
const BUSY: (u16, &str) = (400, "Throttling");
const MOST: &str = "AWS_MAX_ATTEMPTS";
const MODE: &str = "AWS_RETRY_MODE";
const DEFAULTS: &str = "AWS_DEFAULTS_MODE";

const ROWS: [Row; 42] = [
    (&[], "", DOWN, Some(5)),
    (&[(MOST, "1")], "", DOWN, Some(1)),
    (&[(MOST, "2")], "", DOWN, Some(2)),
    (&[(MOST, "8")], "", DOWN, Some(8)),
    (&[(MOST, " 3 ")], "", DOWN, Some(3)),
    (&[], "max_attempts = 4\n", DOWN, Some(4)),
    (&[(MOST, "2")], "max_attempts = 4\n", DOWN, Some(2)),
    (&[(MODE, "legacy")], "", DOWN, Some(5)),
    (&[(MODE, "standard")], "", DOWN, Some(3)),
    (&[(MODE, "adaptive")], "", DOWN, Some(3)),
    (&[(MODE, "standard"), (MOST, "6")], "", DOWN, Some(6)),
    (&[(MODE, "adaptive"), (MOST, "2")], "", DOWN, Some(2)),
    (&[], "retry_mode = standard\n", DOWN, Some(3)),
    (&[(MODE, "legacy")], "retry_mode = standard\n", DOWN, Some(5)),
    (&[(DEFAULTS, "standard")], "", DOWN, Some(3)),
    (&[(DEFAULTS, "In-Region")], "", DOWN, Some(3)),
    (&[], "defaults_mode = cross-region\n", DOWN, Some(3)),
    (&[(DEFAULTS, "mobile"), (MODE, "legacy")], "", DOWN, Some(5)),
    (&[(DEFAULTS, "legacy")], "", DOWN, Some(5)),
    (&[(MOST, "0")], "", DOWN, None),
    (&[(MOST, "-1")], "", DOWN, None),
    (&[(MOST, "x")], "", DOWN, None),
    (&[(MOST, "")], "", DOWN, None),
    (&[(MOST, "2.0")], "", DOWN, None),
    (&[], "max_attempts = many\n", DOWN, None),
    (&[(MODE, "nonsense")], "", DOWN, None),
    (&[(MODE, "Standard")], "", DOWN, None),
    (&[(MODE, "")], "", DOWN, None),
    (&[], "retry_mode = nonsense\n", DOWN, None),
    (&[(DEFAULTS, "nonsense")], "", DOWN, None),
    (&[], "", BUSY, Some(5)),
    (&[(MODE, "standard")], "", BUSY, Some(3)),
    (&[], "", (400, "RequestLimitExceeded"), Some(1)),
    (&[(MODE, "standard")], "", (400, "RequestLimitExceeded"), Some(3)),
    (&[], "", (429, "Whatever"), Some(5)),
    (&[(MODE, "standard")], "", (429, "Whatever"), Some(1)),
    (&[], "", (509, "Whatever"), Some(5)),
    (&[(MODE, "standard")], "", (509, "Whatever"), Some(1)),
    (&[], "", (400, "RequestTimeout"), Some(1)),
    (&[(MODE, "standard")], "", (400, "RequestTimeout"), Some(3)),
    (&[], "", (403, "AccessDenied"), Some(1)),
    (&[(MODE, "standard")], "", (403, "AccessDenied"), Some(1)),
];

#[test]
fn calls_are_tried_as_often_as_botocore_tries_them() {
    let Some(papers) = Papers::make().map(Arc::new) else { return };
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let Some(mut stage) = Stage::with(&papers) else { return };
                while let Some(row) = ROWS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = compare(row, &mut stage) {
                        problems.lock().unwrap().push(problem);
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn compare(row: &Row, stage: &mut Stage) -> Result<(), String> {
    let (more, lines, (status, code), calls) = row;
    stage.home.config(&format!("{CONFIG}{lines}"));
    stage.aws.sts().set(|fake| fake.refuse_next = Some((100, *status, (*code).to_owned(), "no".to_owned())));
    let url = stage.aws.url();
    let mut env = stage.env(&[("AWS_ENDPOINT_URL_STS", &url), ("AWS_DEFAULT_REGION", "eu-west-1")]);
    env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let counted = |stage: &Stage| {
        let counted = stage.aws.calls("AssumeRole");
        stage.aws.clear_requests();
        counted
    };
    let (ours, by_us) = (key(&stage.keyfob("role", &env)).unwrap_err(), counted(stage));
    let (theirs, by_them) = (stage.oracle.find(&env, "role").unwrap_err(), counted(stage));
    let wanted = calls.unwrap_or_default();
    let named = calls.is_some() || (ours.contains("[PROFILE-VALUE]") && names_it(row, &ours));
    if (by_us, by_them, named) == (wanted, wanted, true) {
        return Ok(());
    }
    Err(format!("{more:?} {lines:?} {status} {code}: {by_us} {by_them}, wanted {wanted}\n{ours}\n{theirs}"))
}

/// A refusal says where the value stands: the variable, or file and line.
fn names_it(row: &Row, said: &str) -> bool {
    match row.0.first() {
        Some((name, value)) => said.contains(&format!("{name} is `{value}`")),
        None => said.contains("/.aws/config:7: "),
    }
}

/// Variables, lines of the profile, and how often each metadata request is made where the role's answer is the trouble.
#[test]
fn metadata_is_asked_as_often_and_for_as_long_as_botocore_asks_it() {
    const ATTEMPTS: &str = "AWS_METADATA_SERVICE_NUM_ATTEMPTS";
    const TIMEOUT: &str = "AWS_METADATA_SERVICE_TIMEOUT";
    let Some(mut stage) = Stage::new() else { return };
    let down = || Trouble::status(500).unwrap();
    // Long enough for a busy machine where the answer comes; what never comes is waited for twice or once.
    let (long, two) = ((TIMEOUT, "30"), "metadata_service_timeout = 2\n");
    let four = "metadata_service_timeout = 30\nmetadata_service_num_attempts = 4\n";
    let rows: [(&[(&str, &str)], &str, Trouble, usize, u64); 6] = [
        (&[long], "", down(), 1, 0),
        (&[long, (ATTEMPTS, "3")], "", down(), 3, 0),
        (&[], four, down(), 4, 0),
        (&[(ATTEMPTS, "2")], four, down(), 2, 0),
        (&[(ATTEMPTS, "2"), (TIMEOUT, "2")], four, Trouble::Hang, 2, 4),
        (&[], two, Trouble::Hang, 1, 2),
    ];
    for (more, lines, trouble, asked, seconds) in rows {
        stage.home.config(&format!("[profile plain]\n{lines}"));
        stage.aws.imds().set(|fake| fake.role = Some(trouble.clone()));
        let url = stage.aws.url();
        let mut env =
            stage.env(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url), ("AWS_EC2_METADATA_DISABLED", "false")]);
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let counted = |stage: &Stage| {
            let counted = ["PutToken", "ListRoles", "GetRole"].map(|op| stage.aws.calls(op));
            stage.aws.clear_requests();
            counted
        };
        let done = stage.keyfob("plain", &env);
        assert!(
            key(&done).is_err() && done.took >= Duration::from_secs(seconds),
            "{more:?} {lines:?} {done:?}"
        );
        let by_us = counted(&stage);
        assert!(stage.oracle.find(&env, "plain").is_err());
        assert_eq!((by_us, counted(&stage)), ([1, 1, asked], [1, 1, asked]), "{more:?} {lines:?}");
    }
}

/// As many tries as are wanted, within the time of an attempt.
#[test]
fn an_attempt_ends_in_its_time_however_many_tries_are_left() {
    let Some(stage) = Stage::new() else { return };
    stage.aws.sts().set(|fake| fake.trouble = Some(Trouble::Hang));
    let config = stage.home.write("keyfob.toml", "[refresh]\nattempt_timeout = \"2s\"\n");
    let url = stage.aws.url();
    let env =
        stage.env(&[("AWS_ENDPOINT_URL_STS", &url), ("AWS_DEFAULT_REGION", "eu-west-1"), (MOST, "1000")]);
    let args = ["get", "--output", "json", "--profile", "role", "--config"];
    let done = Run::keyfob().args(args).arg(config).envs(&env).run();
    assert!(done.code() != Some(0) && done.stderr.contains("2s"), "{done:#?}");
    assert!(done.took < Duration::from_secs(30), "{done:#?}");
}
