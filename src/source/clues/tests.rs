//! Facts and what they mean, in tables; those of SELinux and systemd as real machines had them.

use std::path::PathBuf;

use super::facts::{Facts, Seen};
use super::{home, place};
use crate::config::env::Env;
use crate::failure::Failure;

/// A user on a machine where nothing is out of the way, and nothing set up.
fn alice() -> Facts {
    let files = ["config", "credentials"]
        .map(|name| (PathBuf::from(format!("/home/alice/.aws/{name}")), Seen::Nothing));
    Facts {
        env: Env::from([("HOME", "/home/alice"), ("TERM", "xterm")]),
        uid: 1000,
        user: Some("alice".to_owned()),
        home: Some("/home/alice".into()),
        home_seen: Seen::There,
        files,
        mounts: "25 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n".to_owned(),
        ancestors: ["bash", "sshd", "systemd"].map(str::to_owned).to_vec(),
        container: None,
        of_sudo: None,
        enforcing: false,
        mode_allows: false,
        label: None,
    }
}

fn all(facts: &Facts) -> Vec<Failure> {
    place::told(facts).chain(home::told(facts)).collect()
}

fn codes(facts: &Facts) -> Vec<&'static str> {
    all(facts).iter().map(|failure| failure.cause.code).collect()
}

fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = alice();
    change(&mut facts);
    facts
}

fn env(pairs: &[(&str, &str)]) -> Facts {
    with(|facts| facts.env = pairs.iter().copied().collect())
}

#[test]
fn nothing_out_of_the_way_is_no_reason() {
    assert_eq!(codes(&alice()), [""; 0]);
    // Most containers and pods mean no file at all.
    let container = |facts: &mut Facts| facts.container = Some("/.dockerenv".to_owned());
    assert_eq!(codes(&with(container)), [""; 0]);
    let pod = with(|facts| {
        facts.container = Some("KUBERNETES_SERVICE_HOST".to_owned());
        facts.env = Env::from([("HOME", "/"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        (facts.user, facts.home) = (None, Some("/".into()));
    });
    assert_eq!(codes(&pod), [""; 0]);
    let read = with(|facts| {
        facts.files[1].1 = Seen::There;
        facts.ancestors.push("cron".to_owned());
        facts.env = Env::from([("INVOCATION_ID", "x")]);
    });
    assert_eq!(codes(&read), [""; 0], "what was read is where it should be");
}

#[test]
fn where_a_home_was_looked_for_is_told() {
    let cron = |facts: &mut Facts| {
        facts.ancestors = ["sh", "CRON", "cron"].map(str::to_owned).to_vec();
        facts.env = Env::from([("HOME", "/home/alice"), ("SHELL", "/bin/sh")]);
    };
    assert_eq!(codes(&with(cron)), ["HOME-CRON"]);
    assert_eq!(codes(&env(&[("INVOCATION_ID", "x")])), ["HOME-SYSTEMD"]);
    assert_eq!(codes(&env(&[("INVOCATION_ID", "x"), ("HOME", "/home/alice")])), [""; 0]);
    let nobody = |facts: &mut Facts| (facts.user, facts.home) = (None, None);
    assert_eq!(codes(&with(nobody)), ["HOME-NOUSER"]);
    let sudo = with(|facts| {
        facts.env = Env::from([("SUDO_USER", "bob"), ("HOME", "/home/alice")]);
        facts.of_sudo = Some("/home/bob".into());
    });
    let told = all(&sudo).remove(0);
    assert_eq!(told.cause.code, "HOME-SUDO");
    assert!(told.context.contains("/home/alice/.aws is read, not /home/bob/.aws of bob"), "{}", told.context);
    let own = with(|facts| {
        facts.env = Env::from([("SUDO_USER", "alice")]);
        facts.of_sudo = Some("/home/alice".into());
    });
    assert_eq!(codes(&own), [""; 0]);
}

/// As systemd 252 mounts them for `ProtectHome=yes` and `ProtectHome=tmpfs`.
#[test]
fn a_hidden_home_is_seen_in_the_mounts() {
    let yes = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        380 379 0:26 /systemd/inaccessible/dir /home ro,nosuid - tmpfs tmpfs rw,mode=755\n";
    let tmpfs = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        380 379 0:66 / /home ro,nosuid - tmpfs tmpfs ro,mode=755\n";
    let bound = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        380 379 0:66 / /home ro - tmpfs tmpfs ro\n381 380 8:1 /home/alice/.aws /home/alice/.aws ro - ext4 /dev/sda1 rw\n";
    let disk = "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n26 25 8:2 / /home rw - ext4 /dev/sda2 rw\n";
    let rows = [
        (yes, Seen::Closed, true),
        (tmpfs, Seen::Nothing, true),
        (tmpfs, Seen::Empty, true),
        (bound, Seen::There, false),
        (disk, Seen::Nothing, false),
        (disk, Seen::Empty, false),
    ];
    for (mounts, seen, hidden) in rows {
        let facts = with(|facts| (facts.mounts, facts.home_seen) = (mounts.to_owned(), seen));
        assert_eq!(codes(&facts).contains(&"HOME-PROTECT"), hidden, "{mounts} {seen:?}");
    }
}

/// What a Fedora host says of a folder mounted into a container without `:z`: mode 0644, and no permission.
#[test]
fn selinux_is_told_from_the_mode() {
    let fedora = |enforcing, mode_allows| {
        with(|facts| {
            facts.files[1].1 = Seen::Closed;
            (facts.enforcing, facts.mode_allows) = (enforcing, mode_allows);
            facts.label = Some("unconfined_u:object_r:user_home_t:s0".to_owned());
            facts.container = Some("container=podman".to_owned());
        })
    };
    let told = all(&fedora(true, true)).remove(0);
    assert_eq!(told.cause.code, "FILE-SELINUX");
    assert_eq!(told.fact("label"), Some("unconfined_u:object_r:user_home_t:s0"));
    assert!(told.fix().contains(":z"), "{}", told.fix());
    for (enforcing, mode_allows) in [(false, true), (true, false)] {
        assert!(!codes(&fedora(enforcing, mode_allows)).contains(&"FILE-SELINUX"));
    }
}

#[test]
fn why_a_file_is_not_there_is_told() {
    assert_eq!(codes(&env(&[("SNAP_NAME", "x")])), ["FILE-SANDBOX"]);
    assert_eq!(codes(&env(&[("FLATPAK_ID", "org.x")])), ["FILE-SANDBOX"]);
    let missing = env(&[("AWS_CONFIG_FILE", "/no/such/folder/config")]);
    assert_eq!(codes(&missing), ["FILE-WRONGPATH"]);
    assert_eq!(codes(&env(&[("AWS_SHARED_CREDENTIALS_FILE", "")])), [""; 0], "left out on purpose");
    let asked = with(|facts| {
        facts.container = Some("/.dockerenv".to_owned());
        facts.env = Env::from([("AWS_PROFILE", "prod"), ("HOME", "/home/alice")]);
    });
    assert_eq!(codes(&asked), ["FILE-NOTMOUNTED"]);
}
