//! The drop-ins that come with keyfob, run: each in the sandbox that it makes of the unit's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::Value;

use super::machine::{Machine, ours, put};
use super::notify::Ear;
use super::*;
use crate::support::{Serving, leaks};

const CONFIG: &str = "/etc/keyfob/keyfob.toml";
/// Of temporary credentials, as a helper prints them.
const LENT: &str = "ASIASYSTEMD000000002";

/// The service with one example.
fn started(machine: &Machine, example: &str) -> (Serving, Ear) {
    let ear = Ear::at(&machine.at("/run/systemd/notify"));
    let run = machine.keyfob(&[example]).args(["--set", "NOTIFY_SOCKET=/run/systemd/notify"]);
    let agent =
        Serving::launch(&run).unwrap_or_else(|log| panic!("{example}: the service does not start:\n{log}"));
    (agent, ear)
}

/// What `keyfob explain` says to somebody who may not even read the token.
fn explained(machine: &Machine) -> String {
    let said = machine.user("stranger").args(["keyfob", "explain"]).run();
    leaks::look("explain", &said.stdout);
    said.stdout
}

#[track_caller]
fn served(machine: &Machine, id: &str) -> Option<Value> {
    let found = machine.boto3("member")?.expect_code(0).json();
    assert_eq!(found["AccessKeyId"], id);
    Some(found)
}

fn keys(id: &str) -> String {
    format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {SECRET}\n")
}

#[test]
fn one_users_files_are_seen_and_followed_and_nothing_else_of_any_home() {
    let furnish = |disk: &TempHome| {
        put(disk, "/home/alice/.aws/credentials", 0o600, &keys(ID));
        put(disk, "/home/alice/.aws/config", 0o600, "");
        put(disk, "/home/alice/diary", 0o600, "");
        put(disk, "/home/stranger/diary", 0o644, "");
        for path in [
            "home/alice",
            "home/alice/.aws",
            "home/alice/.aws/credentials",
            "home/alice/.aws/config",
            "home/alice/diary",
        ] {
            chown(disk.path().join(path), Some(2003), Some(2003)).unwrap();
        }
        fs::set_permissions(disk.path().join("home/alice"), fs::Permissions::from_mode(0o700)).unwrap();
    };
    let Some(machine) = Machine::boot(furnish) else { return };
    let (agent, mut ear) = started(&machine, "home.conf");
    ear.next(|text| text.contains("STATUS=role default has credentials"));
    let path = agent.bound.token_file.clone();
    assert_eq!(path.to_str(), Some("/run/keyfob/token"));
    // The service runs as alice: the token is hers, and root's.
    let authorization = machine.boto3("alice");
    let Some(found) = authorization else { return };
    assert_eq!(found.expect_code(0).json()["AccessKeyId"], ID);
    // As the AWS CLI writes: beside it and over it.
    let beside = machine.at("/home/alice/.aws/new");
    fs::write(&beside, keys("AKIASYSTEMD000000009")).unwrap();
    chown(&beside, Some(2003), Some(2003)).unwrap();
    fs::rename(beside, machine.at("/home/alice/.aws/credentials")).unwrap();
    let begun = std::time::Instant::now();
    while machine.boto3("alice").unwrap().expect_code(0).json()["AccessKeyId"] != "AKIASYSTEMD000000009" {
        assert!(begun.elapsed() < 3 * SOON, "a change of alice's file is not followed:\n{}", agent.log());
    }
    let look = machine.keyfob(&["home.conf"]).args([
        "--",
        "sh",
        "-c",
        "find /home | sort; ls /root; echo > /home/alice/.aws/x",
    ]);
    let seen = look.run();
    let wanted = [
        "/home",
        "/home/alice",
        "/home/alice/.aws",
        "/home/alice/.aws/config",
        "/home/alice/.aws/credentials",
    ];
    assert_eq!(seen.stdout.lines().collect::<Vec<_>>(), wanted, "{seen:?}");
    assert!(seen.stderr.contains("Read-only file system"), "{seen:?}");
}

#[test]
fn keys_that_only_root_may_read_come_as_a_systemd_credential() {
    let furnish = |disk: &TempHome| {
        put(disk, "/etc/keyfob/private/credentials", 0o600, &keys(ID));
        fs::set_permissions(disk.path().join("etc/keyfob/private"), fs::Permissions::from_mode(0o700))
            .unwrap();
    };
    let Some(machine) = Machine::boot(furnish) else { return };
    let (_agent, mut ear) = started(&machine, "load-credential.conf");
    ear.next(|text| text.contains("STATUS=role default has credentials"));
    if served(&machine, ID).is_none() {
        return;
    }
    let tries = "cat /etc/keyfob/private/credentials; stat -c '%A %U' $CREDENTIALS_DIRECTORY $CREDENTIALS_DIRECTORY/*; \
                 echo > $CREDENTIALS_DIRECTORY/aws-credentials";
    let seen = machine.keyfob(&["load-credential.conf"]).args(["--", "sh", "-c", tries]).run();
    assert!(seen.stderr.contains("Permission denied") && !seen.stdout.contains("aws_access"), "{seen:?}");
    for line in seen.stdout.lines() {
        assert!(line.ends_with(" root") || line.ends_with(" keyfob"), "{seen:?}");
        assert!(
            line.get(7..10) == Some("---") && line.get(5..6) == Some("-"),
            "{line}: others may, or somebody may write"
        );
    }
}

/// A helper as runtimes that compile while they run are: it needs memory to write and execute, and a home for its cache.
const COMPILES: &str = r#"#!/usr/bin/python3
import mmap, os
mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
with open(os.path.expanduser("~/cache"), "a") as cache:
    cache.write("x")
print('{"Version": 1, "AccessKeyId": "ASIASYSTEMD000000002", "SecretAccessKey": "a-secret-of-the-helper",'
      ' "SessionToken": "a-token-of-the-helper", "Expiration": "2099-01-01T00:00:00Z"}')
"#;

#[test]
fn a_credential_process_has_what_its_drop_in_gives_it_and_says_what_it_misses() {
    leaks::secret("a-secret-of-the-helper");
    leaks::secret("a-token-of-the-helper");
    if !std::path::Path::new("/usr/bin/python3").exists() {
        crate::support::run::skip("the sandbox shows /usr only, and there is no /usr/bin/python3");
        return;
    }
    let furnish = |disk: &TempHome| {
        put(disk, "/installed/usr/bin/helper", 0o755, COMPILES);
        put(disk, "/etc/keyfob/aws/config", 0o644, "[default]\ncredential_process = helper\n");
    };
    let Some(machine) = Machine::boot(furnish) else { return };
    let (agent, mut ear) = started(&machine, "audit.conf");
    let refused = ear.next(|text| text.contains("READY=1"));
    assert!(refused.contains("[PROC-EXIT]"), "{refused}");
    let why = explained(&machine);
    assert!(why.contains("PermissionError") && why.contains("PROC-EXIT"), "{why}");
    assert_eq!(agent.process.stop().code(), Some(0));
    drop(ear);
    let (_agent, mut ear) = started(&machine, "credential-process.conf");
    ear.next(|text| text.contains("STATUS=role default has credentials"));
    served(&machine, LENT);
    let cache = machine.at("/var/lib/keyfob/cache").metadata().unwrap();
    assert_eq!(cache.permissions().mode() & 0o777, 0o600);
}

/// Prints what the real one prints, when it is called as it is documented and can read key and certificate.
const SIGNING_HELPER: &str = r#"#!/bin/sh
[ "$1" = credential-process ] || { echo "unknown command $1" >&2; exit 1; }
shift
while [ $# -gt 0 ]; do
    case "$1" in
    --certificate) certificate=$2 ;;
    --private-key) key=$2 ;;
    --trust-anchor-arn) anchor=$2 ;;
    --profile-arn) profile=$2 ;;
    --role-arn) role=$2 ;;
    *) echo "unknown flag: $1" >&2; exit 1 ;;
    esac
    shift 2
done
[ "$(cat "$key")" = the-private-key ] || { echo "no key" >&2; exit 1; }
case "$anchor$profile$role" in
*:trust-anchor/*:profile/*:role/app) ;;
*) echo "arns: $anchor $profile $role" >&2; exit 1 ;;
esac
if [ "$(cat "$certificate")" != the-certificate ]; then
    echo "2026/11/23 12:00:00 operation error RolesAnywhere: CreateSession, https response error StatusCode: 403, RequestID: 6f2d, AccessDeniedException: Untrusted certificate. Certificate expired" >&2
    exit 1
fi
printf '{"Version":1,"AccessKeyId":"ASIASYSTEMD000000002","SecretAccessKey":"a-secret-of-the-helper","SessionToken":"a-token-of-the-helper","Expiration":"2099-01-01T00:00:00Z"}'
"#;

/// The configuration in a drop-in's comment, as it stands there.
fn documented(example: &str) -> String {
    let text = fs::read_to_string(ours("examples").join(example)).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("#     "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn roles_anywhere_works_as_its_drop_in_says_and_tells_why_not() {
    leaks::secret("a-secret-of-the-helper");
    leaks::secret("a-token-of-the-helper");
    let furnish = |disk: &TempHome| {
        put(disk, "/installed/usr/local/bin/aws_signing_helper", 0o755, SIGNING_HELPER);
        put(disk, "/etc/keyfob/private/certificate.pem", 0o600, "an-old-certificate");
        put(disk, "/etc/keyfob/private/key.pem", 0o600, "the-private-key");
        put(disk, CONFIG, 0o644, &documented("roles-anywhere.conf"));
    };
    let Some(machine) = Machine::boot(furnish) else { return };
    let (agent, mut ear) = started(&machine, "roles-anywhere.conf");
    ear.next(|text| text.contains("STATUS=no credentials; role default: ") && text.contains("[RA-CERT]"));
    let why = explained(&machine);
    assert!(why.contains("AccessDeniedException: Untrusted certificate. Certificate expired"), "{why}");
    assert_eq!(agent.process.stop().code(), Some(0));
    drop(ear);
    machine.write("/etc/keyfob/private/certificate.pem", 0o600, "the-certificate");
    let (_agent, mut ear) = started(&machine, "roles-anywhere.conf");
    ear.next(|text| text.contains("STATUS=role default has credentials"));
    served(&machine, LENT);
    let source = machine.user("stranger").args(["keyfob", "status"]).run().expect_code(0).stdout;
    assert!(source.contains("role_process"), "{source}");
}

/// Prints what the real one prints; what it meets stands in /run/vault, as a server of its own would know.
const VAULT: &str = r#"#!/bin/sh
[ "$1 $2" = "read -format=json" ] && [ $# = 3 ] || { echo "arguments: $*" >&2; exit 1; }
fail() {
    printf 'Error reading %s: Error making API request.\n\nURL: GET %s/v1/%s\nCode: %s. Errors:\n\n* %s\n' \
        "$path" "$VAULT_ADDR" "$path" "$1" "$2" >&2
    exit 2
}
path=$3
[ "$VAULT_TOKEN" = "hvs.the-token-of-this-machine" ] || fail 403 'permission denied'
[ "$VAULT_ADDR" = https://vault.example.com:8200 ] || fail 404 "$VAULT_ADDR"
case "$(cat /etc/vault-state)" in
sealed) fail 503 'Vault is sealed' ;;
denied) fail 403 'permission denied' ;;
odd) printf '{\n  "data": {\n    "access_key": "ASIA$(id)00000000000"\n  }\n}\n'; exit 0 ;;
user) key=AKIASYSTEMD000000003; token=null; lease=2764800 ;;
*) key=ASIASYSTEMD000000002; token='"aToken/of/the/helper=="'; lease=3599 ;;
esac
cat <<END
{
  "request_id": "e5b4a4b3-97f3-4d50-8b9b-ab72ad8d2b0e",
  "lease_id": "$path/yYVGKVfpQoWG3Vc8bjmwEjYZ",
  "lease_duration": $lease,
  "renewable": false,
  "data": {
    "access_key": "$key",
    "arn": "arn:aws:sts::111122223333:assumed-role/app/vault-1",
    "secret_key": "a/secret/of/the/helper+==",
    "security_token": $token,
    "session_token": $token,
    "ttl": $lease
  },
  "warnings": null
}
END
"#;

#[test]
fn vault_works_as_its_drop_in_says_and_tells_why_not() {
    for secret in ["a/secret/of/the/helper+==", "aToken/of/the/helper==", "hvs.the-token-of-this-machine"] {
        leaks::secret(secret);
    }
    let script = fs::read_to_string(ours("vault-credentials")).unwrap();
    let furnish = |disk: &TempHome| {
        put(disk, "/installed/usr/bin/vault", 0o755, VAULT);
        put(disk, "/installed/usr/lib/keyfob/vault-credentials", 0o755, &script);
        put(disk, "/etc/keyfob/private/vault-token", 0o600, "hvs.the-token-of-this-machine\n");
        put(disk, "/etc/vault-state", 0o644, "sealed");
        put(disk, CONFIG, 0o644, &documented("vault.conf"));
    };
    let Some(machine) = Machine::boot(furnish) else { return };
    let (_agent, mut ear) = started(&machine, "vault.conf");
    ear.next(|text| {
        text.contains("STATUS=no credentials; role default: ") && text.contains("Vault is sealed")
    });
    let why = explained(&machine);
    assert!(why.contains("Code: 503") && why.contains("[PROC-EXIT]"), "{why}");
    let walk = || machine.user("root").args(["keyfob", "refresh"]).run();
    for (state, says) in [("denied", "permission denied"), ("odd", "answered without a usable access_key")] {
        machine.write("/etc/vault-state", 0o644, state);
        let said = walk();
        assert_eq!(said.code(), Some(4), "{said:?}");
        assert!(explained(&machine).contains(says), "{state}: {}", explained(&machine));
    }
    for (state, id, lasts) in [("", LENT, 3599), ("user", "AKIASYSTEMD000000003", 2_764_800)] {
        machine.write("/etc/vault-state", 0o644, state);
        let before = jiff::Timestamp::now();
        walk().expect_code(0);
        let Some(found) = served(&machine, id) else { return };
        let expiry: jiff::Timestamp = found["expiration"].as_str().unwrap().parse().unwrap();
        let life = expiry.as_second() - before.as_second();
        assert!((lasts - 60..=lasts + 60).contains(&life), "{state}: {life} s, of {lasts} s");
    }
}
