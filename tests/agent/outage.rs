//! Sources die, hang, and come back; agents restart.

use nix::sys::signal::Signal;

use super::*;
use crate::support::aws::knobs::Trouble;
use crate::support::raw;

/// A role assumed through STS: a source that can die.
fn assumed(home: &TempHome, aws: &FakeAws) -> Serving {
    aws.add_user("AKIABASE000000000000", "base-secret", "123456789012", "alice");
    home.credentials(
        "[base]\naws_access_key_id = AKIABASE000000000000\naws_secret_access_key = base-secret\n",
    );
    home.config("[default]\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = base\n");
    Serving::start(&[], with_aws(home, aws))
}

#[test]
fn ten_short_lives_without_one_failed_call() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.set_generations(true);
    aws.sts().set(|sts| sts.life = Some(15));
    let agent = assumed(&home, &aws);
    let begun = Instant::now();
    while served(&agent).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", agent.log());
    }
    let (begun, mut seen) = (Instant::now(), std::collections::BTreeSet::new());
    while begun.elapsed() < Duration::from_secs(150) {
        let reply = agent.credentials("/v1/credentials");
        assert_eq!(reply.status, 200, "after {:?}: {}", begun.elapsed(), reply.body);
        let body = reply.json();
        let expires: jiff::Timestamp = body["Expiration"].as_str().unwrap().parse().unwrap();
        assert!(expires > jiff::Timestamp::now(), "served dead credentials");
        seen.insert(body["AccessKeyId"].as_str().unwrap().to_owned());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(seen.len() >= 10, "{} lives", seen.len());
}

#[test]
fn a_source_that_dies_is_outlived_until_expiry_and_found_again() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.sts().set(|sts| sts.life = Some(12));
    let agent = assumed(&home, &aws);
    let begun = Instant::now();
    while served(&agent).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", agent.log());
    }
    aws.go_dark();
    let dark = Instant::now();
    let cause = loop {
        match served(&agent) {
            Ok(_) => assert!(dark.elapsed() < Duration::from_secs(14), "served past expiry"),
            Err(cause) => break cause,
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(cause, "NET-REFUSED");
    let reply = agent.credentials("/v1/credentials");
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    aws.come_back();
    let back = Instant::now();
    while served(&agent).is_err() {
        assert!(back.elapsed() < Duration::from_secs(60), "{}", agent.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_hung_upstream_leaves_answers_as_they_were() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    let agent = assumed(&home, &aws);
    let begun = Instant::now();
    while served(&agent).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", agent.log());
    }
    aws.sts().set(|sts| sts.trouble = Some(Trouble::Hang));
    agent.process.signal(Signal::SIGUSR1);
    assert!(aws.wait_for_calls("AssumeRole", 2, Duration::from_secs(5)), "the walk hangs");
    for _ in 0..200 {
        let asked = Instant::now();
        assert!(served(&agent).is_ok());
        assert!(asked.elapsed() < Duration::from_secs(1), "every answer within a second");
    }
}

#[test]
fn a_cold_start_behind_a_hung_upstream_is_refused_within_a_second() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.sts().set(|sts| sts.trouble = Some(Trouble::Hang));
    let agent = assumed(&home, &aws);
    let asked = Instant::now();
    assert_eq!(served(&agent), Err("KF-WARMING".to_owned()));
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[test]
fn a_restart_keeps_the_token_and_clients_go_on() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", "AKIAOLD0000000000000"));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, "AKIAOLD0000000000000");
    let (token, at) = (agent.token(), agent.bound.credentials);
    drop(agent);
    let again = crate::support::run::Run::keyfob()
        .args(["serve", "--log-format", "json", "--admin", "127.0.0.1:0", "--listen", &at.to_string()])
        .envs(bare(&home));
    let agent = Serving::launch(&again).unwrap();
    assert_eq!(agent.token(), token);
    // The client's own copy of the token still opens.
    let reply = raw::get(at, "/v1/credentials", &[("Authorization", &token)]);
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[test]
fn a_rotated_token_is_good_at_once_and_the_old_one_for_a_while() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", "AKIAOLD0000000000000"));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, "AKIAOLD0000000000000");
    let (old, new) = (agent.token(), "n".repeat(40));
    let path = agent.bound.token_file.clone();
    std::fs::write(path.with_extension("next"), &new).unwrap();
    std::fs::rename(path.with_extension("next"), &path).unwrap();
    let begun = Instant::now();
    let ask = |token: &str| {
        raw::get(agent.bound.credentials, "/v1/credentials", &[("Authorization", token)]).status
    };
    while ask(&new) != 200 {
        assert!(begun.elapsed() < NOTICED, "{}", agent.log());
    }
    assert_eq!(ask(&old), 200);
    assert_eq!(ask("wrong"), 401);
    // Deleted while running: written again.
    std::fs::remove_file(&path).unwrap();
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < NOTICED, "{}", agent.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn metadata_that_goes_dark_is_outlived_and_its_true_expiry_told_to_operators() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.imds().set(|imds| imds.life = 8);
    let agent = Serving::start(&[], with_aws(&home, &aws));
    let begun = Instant::now();
    while served(&agent).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", agent.log());
    }
    aws.go_dark();
    let until = Instant::now() + Duration::from_secs(14);
    while Instant::now() < until {
        let reply = agent.credentials("/v1/credentials");
        assert_eq!(reply.status, 200, "{}", reply.body);
        std::thread::sleep(Duration::from_millis(100));
    }
    let metrics = agent.admin("/metrics").body;
    assert!(metrics.contains("keyfob_credentials_extended{role=\"default\"} 1"), "{metrics}");
    assert!(metrics.contains("keyfob_credentials_available{role=\"default\"} 1"), "{metrics}");
}
