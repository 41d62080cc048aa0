//! A program that is killed while it refreshes leaves the old state or the new one, never half of one.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::*;
use crate::support::Running;

const ROUNDS: u64 = 16;
/// From the answer of AWS to the end a refresh takes a few of these, even on a busy machine.
const STEP: Duration = Duration::from_millis(1);
const BOUND: Duration = Duration::from_secs(40);

#[test]
fn killed_at_any_moment_of_a_refresh() {
    let scene = Scene::ending_in(-60);
    // The answer comes this long after the request, which can be waited for.
    let pause = Duration::from_millis(20);
    scene.aws.sign_in().set(|fake| fake.delay = pause);
    let mut new = 0;
    for (profile, op) in [("sso", "CreateToken"), ("login", "CreateOAuth2Token")] {
        for round in 0..ROUNDS {
            scene.sso(-60);
            scene.login(-60);
            scene.aws.clear_requests();
            let running = Running::start(&scene.get(profile));
            assert!(scene.aws.wait_for_calls(op, 1, BOUND), "it never asked");
            std::thread::sleep(pause + STEP * u32::try_from(round).unwrap());
            running.signal(Signal::SIGKILL);
            running.wait(BOUND).unwrap();
            let kept = whole(&if profile == "sso" { scene.sso_file() } else { scene.login_file() });
            let refresh_token = kept["refreshToken"].as_str().unwrap();
            new += usize::from(!refresh_token.ends_with("-refresh-token-0"));
        }
        // What was left lying is in nobody's way.
        scene.get(profile).run().expect_code(0);
    }
    eprintln!("killed {} refreshes: {new} left the new state", 2 * ROUNDS);
}
