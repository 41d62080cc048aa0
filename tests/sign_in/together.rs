//! Several programs refresh one sign-in at once.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::sdk::python;
use crate::support::run::skip;

const BOTO3: &str = "
import boto3, sys
found = boto3.Session(profile_name=sys.argv[1]).get_credentials().get_frozen_credentials()
print(found.access_key)
";

/// As many as a busy machine may have.
const PROGRAMS: usize = 6;

#[test]
fn many_keyfobs_refresh_once() {
    let scene = Scene::ending_in(-60);
    scene.aws.sign_in().set(|fake| {
        fake.once = true;
        fake.delay = Duration::from_millis(300);
    });
    for profile in ["sso", "login"] {
        let keys: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..PROGRAMS).map(|_| scope.spawn(|| scene.get(profile).run())).collect();
            let ended = all.into_iter().map(|one| one.join().unwrap().expect_code(0));
            ended.map(|done| done.json()["access_key_id"].as_str().unwrap().to_owned()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
    assert_eq!((scene.aws.calls("CreateToken"), scene.aws.calls("CreateOAuth2Token")), (1, 1));
}

#[test]
fn keyfob_and_boto3_at_once_leave_one_good_state() {
    if !python().is_file() {
        return skip("boto3 is not there; run `make clients`");
    }
    // Good for a while: boto3 takes no lock, and whoever comes second with a token that is good once is refused.
    let scene = Scene::ending_in(240);
    scene.aws.sign_in().set(|fake| {
        fake.once = true;
        fake.token_life = 3600;
        fake.delay = Duration::from_millis(200);
    });
    let boto3 = || Run::new(python()).args(["-c", BOTO3, "sso"]).envs(scene.env());
    let over = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !over.load(Ordering::Relaxed) {
                whole(&scene.sso_file());
                reads += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            reads
        });
        for _ in 0..4 {
            scene.sso(240);
            scene.aws.sign_in().set(|fake| fake.spent.clear());
            let (ours, theirs) = (scope.spawn(|| scene.get("sso").run()), scope.spawn(|| boto3().run()));
            ours.join().unwrap().expect_code(0);
            theirs.join().unwrap().expect_code(0);
            assert_ne!(
                whole(&scene.sso_file())["accessToken"],
                "sso-access-token-0",
                "somebody refreshed it"
            );
        }
        over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads > 100, "{reads}");
    // Either goes on with what is there now.
    scene.aws.clear_requests();
    let ours = scene.get("sso").run().expect_code(0).json()["access_key_id"].clone();
    let theirs = boto3().run().expect_code(0).stdout;
    assert_eq!(ours.as_str(), Some(theirs.trim()));
    assert_eq!(scene.aws.calls("CreateToken"), 0);
}

#[test]
fn each_goes_on_with_what_the_other_wrote() {
    if !python().is_file() {
        return skip("boto3 is not there; run `make clients`");
    }
    let scene = Scene::ending_in(-60);
    scene.aws.sign_in().set(|fake| fake.once = true);
    for profile in ["sso", "login"] {
        let expire = |file: &PathBuf| {
            let mut kept = whole(file);
            match kept["accessToken"].as_object_mut() {
                Some(token) => drop(token.insert("expiresAt".to_owned(), stamp(-60).into())),
                None => kept["expiresAt"] = stamp(-60).into(),
            }
            std::fs::write(file, kept.to_string()).unwrap();
        };
        let file = if profile == "sso" { scene.sso_file() } else { scene.login_file() };
        let boto3 = || Run::new(python()).args(["-c", BOTO3, profile]).envs(scene.env());
        scene.get(profile).run().expect_code(0);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        expire(&file);
        boto3().run().expect_code(0);
        expire(&file);
        let ours = scene.get(profile).run().expect_code(0).json()["access_key_id"].clone();
        assert_eq!(ours.as_str(), Some(boto3().run().expect_code(0).stdout.trim()));
    }
    assert_eq!((scene.aws.calls("CreateToken"), scene.aws.calls("CreateOAuth2Token")), (3, 3));
}
