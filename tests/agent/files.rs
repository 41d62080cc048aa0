//! Files change in every way that files change: each is noticed in time, and no bad answer is served meanwhile.

use super::*;

const OLD: &str = "AKIAOLD0000000000000";
const NEW: &str = "AKIANEW0000000000000";

fn scene() -> (TempHome, Serving) {
    let home = TempHome::new();
    home.credentials(&static_keys("default", OLD));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, OLD);
    (home, agent)
}

#[test]
fn a_file_written_in_place() {
    let (home, agent) = scene();
    home.credentials(&static_keys("default", NEW));
    served_within(&agent, NOTICED, NEW, &[OLD]);
}

#[test]
fn a_file_renamed_over_the_old_one() {
    let (home, agent) = scene();
    home.replace(".aws/credentials", &static_keys("default", NEW));
    served_within(&agent, NOTICED, NEW, &[OLD]);
}

#[test]
fn a_volume_swapped_as_kubernetes_does() {
    let home = TempHome::new();
    let mut volume = home.volume("mounted", &[("credentials", &static_keys("default", OLD))]);
    let mut env = bare(&home);
    env.push(("AWS_SHARED_CREDENTIALS_FILE".to_owned(), volume.path("credentials").display().to_string()));
    let agent = Serving::start(&[], env);
    first(&agent, OLD);
    for id in [NEW, OLD, NEW] {
        volume.swap(&[("credentials", &static_keys("default", id))]);
        let before = if id == NEW { OLD } else { NEW };
        served_within(&agent, NOTICED, id, &[before]);
    }
}

#[test]
fn a_file_truncated_then_rewritten() {
    use std::io::Write;
    let (home, agent) = scene();
    let mut file = std::fs::File::create(home.credentials_path()).unwrap();
    let text = static_keys("default", NEW);
    let (head, tail) = text.split_at(text.len() / 2);
    for part in [head, tail] {
        // Half a file is served as nothing: the old keys stay.
        let until = Instant::now() + Duration::from_millis(700);
        while Instant::now() < until {
            assert_eq!(served(&agent).as_deref(), Ok(OLD));
        }
        file.write_all(part.as_bytes()).unwrap();
        file.flush().unwrap();
    }
    drop(file);
    served_within(&agent, NOTICED, NEW, &[OLD]);
}

#[test]
fn a_file_deleted_and_restored() {
    let (home, agent) = scene();
    std::fs::remove_file(home.credentials_path()).unwrap();
    // Long-term keys go when their ground has been gone for five seconds, noticed within two.
    served_within(&agent, NOTICED + Duration::from_secs(6), "KF-NOTHING", &[OLD]);
    home.credentials(&static_keys("default", OLD));
    served_within(&agent, NOTICED, OLD, &["KF-NOTHING"]);
}

#[test]
fn a_file_deleted_and_restored_at_once_is_never_missed() {
    let (home, agent) = scene();
    std::fs::remove_file(home.credentials_path()).unwrap();
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        assert_eq!(served(&agent).as_deref(), Ok(OLD));
    }
    home.credentials(&static_keys("default", NEW));
    served_within(&agent, NOTICED, NEW, &[OLD]);
}

#[test]
fn a_profile_that_vanishes_beside_metadata_never_becomes_the_nodes() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    home.credentials(&static_keys("default", OLD));
    let agent = Serving::start(&[], with_aws(&home, &aws));
    first(&agent, OLD);
    home.credentials("# nothing here\n");
    served_within(&agent, NOTICED + Duration::from_secs(6), "KF-DRIFT", &[OLD]);
    std::fs::remove_file(home.credentials_path()).unwrap();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert_eq!(served(&agent), Err("KF-DRIFT".to_owned()));
        std::thread::sleep(Duration::from_millis(50));
    }
    home.credentials(&static_keys("default", NEW));
    served_within(&agent, NOTICED, NEW, &["KF-DRIFT"]);
}

#[test]
fn a_process_that_names_keyfob_itself_ends_at_once() {
    let home = TempHome::new();
    let keyfob = crate::support::run::keyfob().display();
    home.config(&format!("[default]\ncredential_process = {keyfob} get\n"));
    let run =
        crate::support::run::Run::keyfob().args(["get"]).envs(bare(&home)).within(Duration::from_secs(10));
    let ended = run.run();
    assert_eq!(ended.code(), Some(4), "{ended:?}");
    assert!(ended.stderr.contains("KF-LOOP"), "{}", ended.stderr);
    let agent = Serving::start(&[], bare(&home));
    first(&agent, "KF-LOOP");
}

#[test]
fn a_helper_that_rewrites_the_file_that_names_it_does_not_spin() {
    let home = TempHome::new();
    let log = home.path().join("ran");
    let script = format!(
        "#!/bin/sh\necho ran >> {log}\nprintf '[other]\\nregion = r%s\\n' \"$(wc -l < {log})\" > {file}\n\
         echo '{{\"Version\":1,\"AccessKeyId\":\"{OLD}\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}}'\n",
        log = log.display(),
        file = home.credentials_path().display(),
    );
    let helper = home.write("helper", &script);
    std::process::Command::new("chmod").arg("+x").arg(&helper).status().unwrap();
    home.config(&format!("[default]\ncredential_process = {}\n", helper.display()));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, OLD);
    std::thread::sleep(Duration::from_secs(8));
    let ran = std::fs::read_to_string(log).unwrap().lines().count();
    // At 0, 1, 3 and 7 seconds.
    assert!((2..=5).contains(&ran), "ran {ran} times in eight seconds");
}
