//! Many at once: clients at a cold start, agents of one user.

use super::*;
use crate::support::raw::Wire;

#[test]
fn five_hundred_clients_at_a_cold_start_cause_one_upstream_call() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.sts().set(|sts| sts.delay = Duration::from_millis(600));
    aws.add_user("AKIABASE000000000000", "base-secret", "123456789012", "alice");
    home.credentials(
        "[base]\naws_access_key_id = AKIABASE000000000000\naws_secret_access_key = base-secret\n",
    );
    home.config("[default]\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = base\n");
    let agent = Serving::start(&[], with_aws(&home, &aws));
    let token = agent.token();
    let head = format!(
        "GET /v1/credentials HTTP/1.1\r\nHost: {}\r\nAuthorization: {token}\r\n\r\n",
        agent.bound.credentials
    );
    let mut wires: Vec<Wire> = (0..500).map(|_| Wire::connect(agent.bound.credentials)).collect();
    for wire in &mut wires {
        wire.send(head.as_bytes()).unwrap();
    }
    let mut good = 0;
    for wire in &mut wires {
        let reply = wire.reply().unwrap();
        assert!(matches!(reply.status, 200 | 503), "{reply:?}");
        good += usize::from(reply.status == 200);
    }
    assert!(good > 0, "{}", agent.log());
    assert_eq!(aws.calls("AssumeRole"), 1);
}

#[test]
fn beyond_512_connections_there_is_a_503_and_the_rest_is_served() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", "AKIAOLD0000000000000"));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, "AKIAOLD0000000000000");
    let mut held: Vec<Wire> = (0..512).map(|_| Wire::connect(agent.bound.credentials)).collect();
    let mut extra = Wire::connect(agent.bound.credentials);
    assert_eq!(extra.reply().unwrap().status, 503);
    let head = format!(
        "GET /v1/credentials HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n",
        agent.bound.credentials,
        agent.token()
    );
    held[511].send(head.as_bytes()).unwrap();
    assert_eq!(held[511].reply().unwrap().status, 200);
}

/// As many agents as one user may have event queues, and one more: it says so, and serves all the same.
#[test]
fn an_agent_without_an_event_queue_says_so_and_follows_files_all_the_same() {
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 512 {
        crate::support::run::skip("fs.inotify.max_user_instances is too high to exhaust here");
        return;
    }
    let home = TempHome::new();
    home.credentials(&static_keys("default", "AKIAOLD0000000000000"));
    // Taken by this very process: what counts is that none is left for the user.
    let mut taken = Vec::new();
    while let Ok(queue) = nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::IN_CLOEXEC) {
        taken.push(queue);
        assert!(taken.len() <= limit);
    }
    let agent = Serving::start(&[], bare(&home));
    first(&agent, "AKIAOLD0000000000000");
    drop(taken);
    let begun = Instant::now();
    while !agent.log().contains("max_user_instances") {
        assert!(begun.elapsed() < Duration::from_secs(5), "{}", agent.log());
    }
    assert!(agent.admin("/metrics").body.contains("keyfob_file_watch_up"));
    home.credentials(&static_keys("default", "AKIANEW0000000000000"));
    served_within(&agent, Duration::from_secs(40), "AKIANEW0000000000000", &["AKIAOLD0000000000000"]);
}
