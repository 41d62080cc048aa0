//! Many at once: clients at a cold start, agents of one user.

use super::*;
use crate::support::raw::{self, Wire};
use crate::support::run::{self, Run};
use crate::support::running::Running;
use crate::support::serving::{Bound, parse_bound};

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

/// More agents than a user may have event queues. The limit is set in a user namespace of the test's own; what is used
/// there counts outside as well, so it is half of what Linux allows: no other test shall go without.
#[test]
fn a_hundred_and_twenty_nine_agents_of_one_user_all_serve_and_half_of_them_say_what_they_lack() {
    if Run::new("unshare").args(["--user", "--map-root-user", "true"]).run().code() != Some(0) {
        run::skip("no user namespaces here");
        return;
    }
    let home = TempHome::new();
    home.credentials(&static_keys("default", OLD));
    let script = home.write(
        "agents",
        "echo 64 > /proc/sys/user/max_inotify_instances || exit 9\n\
         for i in $(seq 129); do\n\
           mkdir -p $HOME/run/$i\n\
           RUNTIME_DIRECTORY=$HOME/run/$i $KEYFOB serve --log-format json --listen 127.0.0.1:0 \
             --admin 127.0.0.1:0 2> $HOME/run/$i/log &\n\
         done\n\
         trap 'kill $(jobs -p)' TERM\n\
         while ! wait; do :; done\n",
    );
    let env = bare(&home).into_iter().chain([("KEYFOB".to_owned(), run::keyfob().display().to_string())]);
    let run = Run::new("unshare").args(["--user", "--map-root-user", "sh"]).arg(script).envs(env);
    let agents = Running::start(&run);
    let bound: Vec<Bound> = (1..=129).map(|number| bound(&home, number, &agents)).collect();
    let served = |agent: &Bound| {
        let token = std::fs::read_to_string(&agent.token_file).unwrap();
        let reply = raw::get(agent.credentials, "/v1/credentials", &[("Authorization", &token)]);
        reply.body.parse::<Value>().unwrap()["AccessKeyId"].as_str().unwrap_or_default().to_owned()
    };
    everywhere(&bound, Duration::from_secs(20), |agent| served(agent) == OLD);
    let lacking = |number: usize| log(&home, number).contains("max_user_instances");
    let without: Vec<usize> = (1..=129).filter(|number| lacking(*number)).collect();
    assert!((65..75).contains(&without.len()), "without a queue: {without:?}");
    let degraded = &bound[without[0] - 1];
    assert!(raw::get(degraded.admin, "/metrics", &[]).body.contains("keyfob_file_watch_up"));
    // Events for those that have a queue, the look at everything each half minute for the others.
    home.credentials(&static_keys("default", NEW));
    everywhere(&bound, Duration::from_secs(40), |agent| served(agent) == NEW);
}

const OLD: &str = "AKIAOLD0000000000000";
const NEW: &str = "AKIANEW0000000000000";

fn log(home: &TempHome, number: usize) -> String {
    std::fs::read_to_string(home.path().join(format!("run/{number}/log"))).unwrap_or_default()
}

/// Where one of the agents listens.
#[track_caller]
fn bound(home: &TempHome, number: usize, agents: &Running) -> Bound {
    let begun = Instant::now();
    loop {
        if let Some(bound) = log(home, number).lines().find_map(parse_bound) {
            return bound;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "agent {number}: {}", agents.stderr.text());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn everywhere(agents: &[Bound], within: Duration, fine: impl Fn(&Bound) -> bool) {
    let begun = Instant::now();
    while !agents.iter().all(&fine) {
        assert!(begun.elapsed() < within, "not all of {} agents within {within:?}", agents.len());
        std::thread::sleep(Duration::from_millis(200));
    }
}
