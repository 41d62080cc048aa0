//! The keeper on a paused clock, with scripted sources: a week passes in milliseconds.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::cause;
use crate::config::{Refresh, Role};
use crate::credentials::{Credentials, SourceKind};
use crate::failure::{Failure, FailureKind};
use crate::report::Notes;
use crate::secret::Secret;
use crate::source::{Lineup, Source};

const HOUR: Duration = Duration::from_hours(1);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// What the source does next.
#[derive(Clone)]
enum Step {
    /// Fresh keys that live that long.
    Keys(Duration),
    /// Long-term keys.
    LongTerm,
    Fail(FailureKind),
    /// Never answers within a minute.
    Hang,
}

/// A source that follows a script; its last step repeats.
#[derive(Clone)]
struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    asked: Arc<AtomicUsize>,
    kind: Arc<Mutex<SourceKind>>,
    clock: Clock,
}

impl Script {
    fn next(&self) -> Step {
        let mut steps = self.steps.lock().unwrap();
        if steps.len() > 1 { steps.pop_front().unwrap() } else { steps.front().unwrap().clone() }
    }

    fn then(&self, steps: impl IntoIterator<Item = Step>) {
        *self.steps.lock().unwrap() = steps.into_iter().collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn answer(&self) -> Result<Credentials, Failure> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let keys = |life: Option<Duration>| Credentials {
            access_key_id: format!("KEY-{number}"),
            secret_access_key: Secret::new("s"),
            session_token: life.map(|_| Secret::new("t")),
            expires_at: life.map(|life| self.clock.now() + life),
            account_id: None,
            role_arn: None,
        };
        match self.next() {
            Step::Keys(life) => Ok(keys(Some(life))),
            Step::LongTerm => Ok(keys(None)),
            Step::Fail(kind) => Err(Failure::new(kind, &cause::UNKNOWN, "as scripted")),
            Step::Hang => {
                tokio::time::sleep(Duration::from_mins(1)).await;
                Err(Failure::new(FailureKind::TimedOut, &cause::KF_TIMEOUT, "hung"))
            }
        }
    }
}

impl Source for Script {
    fn kind(&self) -> SourceKind {
        *self.kind.lock().unwrap()
    }

    fn fetch<'a>(&'a self, _: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.answer())
    }
}

impl Lineup for Script {
    fn sources<'a>(&'a self, _: &'a mut Notes) -> BoxFuture<'a, Result<Vec<Arc<dyn Source>>, Failure>> {
        Box::pin(async { Ok(vec![Arc::new(self.clone()) as Arc<dyn Source>]) })
    }
}

struct Scene {
    script: Script,
    clock: Clock,
    handle: Handle,
}

/// A keeper at work on the script, its clock watched for jumps.
#[expect(clippy::disallowed_methods, reason = "a test's own tasks")]
fn scene(role: &Role, steps: impl IntoIterator<Item = Step>) -> Scene {
    let clock = Clock::following_tokio(start());
    let script = Script {
        steps: Arc::new(Mutex::new(steps.into_iter().collect())),
        asked: Arc::default(),
        kind: Arc::new(Mutex::new(SourceKind::Process)),
        clock: clock.clone(),
    };
    let chain = Arc::new(Chain::new(role.name.clone(), Box::new(script.clone()), clock.clone()));
    let parts = Parts { chain, policy: Policy::of(role, &Refresh::default()) };
    let (keeper, handle) = Keeper::new(parts, Watcher::blind(), clock.clone(), Observers::default(), || 0.5);
    tokio::spawn(keeper.keep());
    let watching = clock.clone();
    tokio::spawn(async move { watching.watch_for_jumps().await });
    Scene { script, clock, handle }
}

fn plain() -> Role {
    Role::named(RoleName::default_role())
}

impl Scene {
    /// Whether something is served now.
    fn serves(&self) -> bool {
        self.handle.load().usable(self.clock.now()).is_some()
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_week_of_hourly_credentials_is_never_without_and_never_busy() {
    let scene = scene(&plain(), [Step::Keys(HOUR)]);
    scene.handle.settled(PATIENCE).await;
    for _ in 0..7 * 24 * 60 {
        assert!(scene.serves());
        scene.pass(Duration::from_mins(1)).await;
    }
    // Every 40 minutes, with the middle of the jitter; the week ends just before the next.
    assert_eq!(scene.script.asked(), 7 * 24 * 60 / 40);
}

#[tokio::test(start_paused = true)]
async fn five_hundred_cold_readers_cause_one_walk() {
    let scene = scene(&plain(), [Step::Keys(HOUR)]);
    let readers = (0..500).map(|_| scene.handle.settled(PATIENCE));
    for snapshot in futures_util::future::join_all(readers).await {
        assert!(snapshot.usable(scene.clock.now()).is_some());
    }
    assert_eq!(scene.script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn readers_of_a_dead_source_cause_no_walks_either() {
    let scene = scene(&plain(), [Step::Fail(FailureKind::Unreachable)]);
    scene.handle.settled(PATIENCE).await;
    for _ in 0..3600 {
        let _nothing = scene.handle.settled(PATIENCE).await;
        scene.pass(Duration::from_secs(1)).await;
    }
    assert!(scene.script.asked() < 100, "{} walks in an hour", scene.script.asked());
}

#[tokio::test(start_paused = true)]
async fn serves_old_credentials_until_they_expire_when_the_source_dies() {
    let scene = scene(&plain(), [Step::Keys(HOUR), Step::Fail(FailureKind::Unreachable)]);
    scene.handle.settled(PATIENCE).await;
    scene.pass(HOUR - Duration::from_secs(1)).await;
    assert!(scene.serves());
    scene.pass(Duration::from_secs(1)).await;
    assert!(!scene.serves(), "never past expiry");
    assert_eq!(scene.handle.load().reason(scene.clock.now()).cause.code, "UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_comes_back_is_found_again_within_a_minute() {
    let scene = scene(&plain(), [Step::Keys(HOUR), Step::Fail(FailureKind::Unreachable)]);
    scene.pass(HOUR * 3).await;
    assert!(!scene.serves());
    scene.script.then([Step::Keys(HOUR)]);
    scene.pass(Duration::from_mins(1)).await;
    assert!(scene.serves());
    assert_eq!(scene.handle.load().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn short_lives_are_refreshed_in_time_ten_times_over() {
    let scene = scene(&plain(), [Step::Keys(Duration::from_secs(15))]);
    scene.handle.settled(PATIENCE).await;
    for _ in 0..150 {
        assert!(scene.serves());
        scene.pass(Duration::from_secs(1)).await;
    }
    assert!((18..=22).contains(&scene.script.asked()), "{}", scene.script.asked());
}

#[tokio::test(start_paused = true)]
async fn a_stepped_clock_makes_the_role_look_again() {
    let scene = scene(&plain(), [Step::Keys(HOUR)]);
    scene.handle.settled(PATIENCE).await;
    scene.pass(Duration::from_mins(1)).await;
    scene.clock.step(scene.clock.now() + HOUR * 2);
    scene.pass(Duration::from_millis(1100)).await;
    assert_eq!(scene.script.asked(), 2);
    assert!(scene.serves());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_wakes_keys_without_expiry_too() {
    let scene = scene(&plain(), [Step::LongTerm]);
    scene.pass(HOUR * 24).await;
    assert_eq!(scene.script.asked(), 1, "asked again on change, signal, refresh and jump only");
    scene.clock.step(start());
    scene.pass(Duration::from_millis(1100)).await;
    assert_eq!(scene.script.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_joins_a_running_walk_and_readers_are_not_held_up() {
    let scene = scene(&plain(), [Step::Keys(HOUR), Step::Hang, Step::Keys(HOUR)]);
    scene.handle.settled(PATIENCE).await;
    scene.pass(Duration::from_secs(2)).await;
    let both = futures_util::future::join(scene.handle.refresh(false), scene.handle.refresh(false));
    let readers = async {
        for _ in 0..100 {
            let before = Instant::now();
            assert!(scene.handle.settled(PATIENCE).await.usable(scene.clock.now()).is_some());
            assert_eq!(before.elapsed(), Duration::ZERO);
            scene.pass(Duration::from_millis(100)).await;
        }
    };
    futures_util::future::join(both, readers).await;
    assert_eq!(scene.script.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_refreshes_is_one_walk_a_second() {
    let scene = scene(&plain(), [Step::Keys(HOUR)]);
    scene.handle.settled(PATIENCE).await;
    for _ in 0..100 {
        scene.handle.signal();
        scene.pass(Duration::from_millis(50)).await;
    }
    assert!((5..=7).contains(&scene.script.asked()), "{} walks in 5 s", scene.script.asked());
}

#[tokio::test(start_paused = true)]
async fn dropping_takes_away_what_is_held_but_not_the_bond() {
    let scene = scene(&plain(), [Step::Keys(HOUR)]);
    scene.handle.settled(PATIENCE).await;
    scene.pass(Duration::from_secs(2)).await;
    *scene.script.kind.lock().unwrap() = SourceKind::Imds;
    scene.handle.refresh(true).await;
    assert!(!scene.serves());
    assert_eq!(scene.handle.load().reason(scene.clock.now()).cause.code, "KF-DRIFT");
}

#[tokio::test(start_paused = true)]
async fn a_higher_source_takes_over_after_a_second_look() {
    let scene = scene(&plain(), [Step::Keys(HOUR)]);
    scene.handle.settled(PATIENCE).await;
    scene.pass(Duration::from_secs(2)).await;
    *scene.script.kind.lock().unwrap() = SourceKind::Env;
    scene.handle.refresh(false).await;
    assert_eq!(scene.handle.load().held.as_ref().unwrap().source, SourceKind::Process);
    scene.pass(Duration::from_millis(1100)).await;
    assert_eq!(scene.handle.load().held.as_ref().unwrap().source, SourceKind::Env);
}

#[tokio::test(start_paused = true)]
async fn long_term_keys_go_when_the_chain_has_nothing_twice() {
    let scene = scene(&plain(), [Step::LongTerm, Step::Fail(FailureKind::NotConfigured)]);
    scene.handle.settled(PATIENCE).await;
    scene.pass(Duration::from_secs(2)).await;
    scene.handle.refresh(false).await;
    assert!(scene.serves(), "seen once");
    scene.pass(Duration::from_millis(4900)).await;
    assert!(scene.serves(), "not yet believed");
    scene.pass(Duration::from_millis(200)).await;
    assert!(!scene.serves(), "seen again");
}

#[tokio::test(start_paused = true)]
async fn nothing_configured_is_retried_with_patience() {
    let scene = scene(&plain(), [Step::Fail(FailureKind::NotConfigured)]);
    scene.pass(HOUR).await;
    let asked = scene.script.asked();
    assert!((12..=30).contains(&asked), "{asked} walks in an hour");
}

#[test]
fn follow_ups_of_a_source_that_rewrites_its_own_input_are_spaced() {
    let (mut echo, mut now) = (Echo::default(), start());
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let due = echo.after_walk(Some("/home/u/.aws/credentials".into()), now).unwrap();
        pauses.push(due.duration_since(now).unwrap().as_secs());
        now = due;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(echo.after_walk(None, now), None);
    now += Duration::from_secs(200);
    let due = echo.after_walk(Some("/f".into()), now).unwrap();
    assert_eq!(due.duration_since(now).unwrap().as_secs(), 1, "after a quiet minute it begins anew");
}
