//! Whom requests trust: the bundle that a variable or the profile names, in place of what the system trusts.

use std::time::{Duration, Instant};

use super::*;
use crate::support::Serving;

const BOUND: Duration = Duration::from_secs(40);

/// Everything that names a bundle, and whether AWS is trusted then; botocore must be of the same mind.
#[test]
fn a_bundle_is_found_where_botocore_finds_it() {
    let Some(mut stage) = Stage::new() else { return };
    let Some(others) = Papers::make() else { return };
    let sts = format!("https://localhost:{}", stage.front.addr.port());
    let (good, other) = (stage.ca(), others.path("ca.pem").display().to_string());
    stage.home.write("ca.pem", &std::fs::read_to_string(&good).unwrap());
    let bundled = |name: &str, bundle: &str| {
        format!("{}ca_bundle = {bundle}\n", CONFIG.replace("profile role", &format!("profile {name}")))
    };
    stage.home.config(
        &(CONFIG.to_owned()
            + &bundled("good", &good)
            + &bundled("other", &other)
            + &bundled("home", "~/ca.pem")),
    );
    let rows: [(&str, &[(&str, &str)], bool); 10] = [
        ("role", &[], false),
        ("role", &[("AWS_CA_BUNDLE", &good)], true),
        ("role", &[("AWS_CA_BUNDLE", "~/ca.pem")], true),
        ("role", &[("AWS_CA_BUNDLE", "$HOME/ca.pem")], false),
        ("role", &[("AWS_CA_BUNDLE", &other)], false),
        ("role", &[("REQUESTS_CA_BUNDLE", &good)], true),
        ("good", &[("REQUESTS_CA_BUNDLE", &other)], true),
        ("good", &[("AWS_CA_BUNDLE", &other)], false),
        ("other", &[("AWS_CA_BUNDLE", &good)], true),
        ("home", &[], true),
    ];
    for (profile, more, trusted) in rows {
        // What the system trusts is somebody else here, so that an answer has one reason.
        let mut env = stage.env(&[
            ("AWS_ENDPOINT_URL_STS", &sts),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("SSL_CERT_FILE", &other),
        ]);
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let ours = key(&stage.keyfob(profile, &env));
        let theirs = stage.oracle.find(&env, profile);
        assert_eq!(
            (ours.is_ok(), theirs.is_ok()),
            (trusted, trusted),
            "{profile} {more:?}\n{ours:?}\n{theirs:?}"
        );
        if trusted {
            assert_eq!(ours, theirs);
        } else {
            assert!(
                ours.unwrap_err().contains("[TLS-CA]") && theirs.unwrap_err().contains("SSL"),
                "{more:?}"
            );
        }
    }
}

/// botocore takes an empty bundle as a wish to trust everybody. Nobody means that by an empty variable.
#[test]
fn an_empty_bundle_is_none() {
    let Some(mut stage) = Stage::new() else { return };
    let Some(others) = Papers::make() else { return };
    let sts = format!("https://localhost:{}", stage.front.addr.port());
    let other = others.path("ca.pem").display().to_string();
    let env = stage.env(&[
        ("AWS_ENDPOINT_URL_STS", &sts),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("SSL_CERT_FILE", &other),
        ("AWS_CA_BUNDLE", ""),
    ]);
    assert!(key(&stage.keyfob("role", &env)).unwrap_err().contains("[TLS-CA]"));
    assert!(
        stage.oracle.find(&env, "role").is_ok(),
        "botocore has come to its senses: delete README's remark"
    );
    assert_eq!(stage.aws.calls("AssumeRole"), 1, "no request of ours got through");
}

#[test]
fn a_stranger_is_named_with_its_host() {
    let Some(stage) = Stage::new() else { return };
    let Some(others) = Papers::make() else { return };
    let (sts, other) = (
        format!("https://localhost:{}", stage.front.addr.port()),
        others.path("ca.pem").display().to_string(),
    );
    let env = stage.env(&[
        ("AWS_ENDPOINT_URL_STS", &sts),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_CA_BUNDLE", &other),
    ]);
    let args = ["explain", "--config", "/dev/null", "--output", "json", "--profile", "role"];
    let told = Run::keyfob().args(args).envs(&env).run();
    let failure = &told.json()["failure"];
    assert_eq!(failure["code"], "TLS-CA", "{told:#?}");
    let text = failure.to_string();
    for word in ["issuer=test-authority", "host=localhost"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// Path and what stands there. botocore cannot use any of them either.
#[test]
fn a_bundle_that_cannot_be_used_is_named_with_what_is_wrong() {
    let Some(mut stage) = Stage::new() else { return };
    let sts = format!("https://localhost:{}", stage.front.addr.port());
    let der = stage.home.path().join("der.pem");
    let pem = std::fs::read(stage.papers.path("ca.pem")).unwrap();
    let read: Vec<_> = {
        use rustls::pki_types::pem::PemObject;
        rustls::pki_types::CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect()
    };
    std::fs::write(&der, &read[0]).unwrap();
    stage.home.write("empty.pem", "\n");
    stage.home.write("text.pem", "tok-not-to-be-quoted\n");
    stage.home.write("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    stage.home.write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let key_only = stage.papers.path("ca.key").display().to_string();
    let rows = [
        ("~/none.pem".to_owned(), "No such file"),
        ("~".to_owned(), "is a directory"),
        ("~/empty.pem".to_owned(), "it is empty"),
        ("~/text.pem".to_owned(), "21 bytes hold no certificate"),
        ("~/torn.pem".to_owned(), "torn.pem cannot be used: "),
        ("~/garbage.pem".to_owned(), "none of its certificates can be read"),
        (der.display().to_string(), "it is DER, and PEM is wanted"),
        (key_only, "hold no certificate in PEM"),
    ];
    for (path, wanted) in rows {
        let env = stage.env(&[
            ("AWS_ENDPOINT_URL_STS", &sts),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_CA_BUNDLE", &path),
        ]);
        let ours = key(&stage.keyfob("role", &env)).unwrap_err();
        let shown = path.replace('~', &stage.home.path().display().to_string());
        assert!(
            ours.contains("[TLS-CA]") && ours.contains(&shown) && ours.contains(wanted),
            "{path}: {ours}"
        );
        assert!(!ours.contains("not-to-be-quoted"), "{ours}");
        let theirs = stage.oracle.find(&env, "role").unwrap_err();
        assert!(theirs.contains("SSL"), "{path}: {theirs}");
    }
    assert!(stage.aws.requests().is_empty());
}

/// It is for AWS alone: botocore asks container endpoints with its own authorities.
#[test]
fn a_bundle_is_not_for_container_endpoints() {
    let Some(mut stage) = Stage::new() else { return };
    let Some(others) = Papers::make() else { return };
    let endpoint = format!("https://localhost:{}/container/app", stage.front.addr.port());
    let other = others.path("ca.pem").display().to_string();
    let env = stage.env(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &endpoint),
        ("AWS_CA_BUNDLE", &stage.ca()),
        ("SSL_CERT_FILE", &other),
    ]);
    stage.home.config("[profile plain]\nregion = eu-west-1\n");
    assert!(key(&stage.keyfob("plain", &env)).unwrap_err().contains("[TLS-CA]"));
    assert!(stage.oracle.find(&env, "plain").unwrap_err().contains("SSL"));
}

#[test]
fn an_agent_notices_a_new_bundle() {
    let Some(stage) = Stage::new() else { return };
    let Some(others) = Papers::make() else { return };
    let sts = format!("https://localhost:{}", stage.front.addr.port());
    let bundle = stage.home.write("ca.pem", &std::fs::read_to_string(others.path("ca.pem")).unwrap());
    let mut env = stage.env(&[("AWS_ENDPOINT_URL_STS", &sts), ("AWS_DEFAULT_REGION", "eu-west-1")]);
    env.insert("AWS_CA_BUNDLE".to_owned(), bundle.display().to_string());
    let folder = stage.home.path().join("run");
    std::fs::create_dir_all(&folder).unwrap();
    env.insert("RUNTIME_DIRECTORY".to_owned(), folder.display().to_string());
    let agent = Serving::start(&["--profile", "role"], env);
    let until = |what: &str, fits: &dyn Fn(&serde_json::Value) -> bool| {
        let begun = Instant::now();
        loop {
            let now = agent.credentials("/v1/credentials").json();
            if fits(&now) {
                return;
            }
            assert!(begun.elapsed() < BOUND, "{what}: {}", agent.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("the stranger", &|now| now["cause"] == "TLS-CA");
    assert!(agent.admin("/metrics").body.contains("keyfob_watched_files{kind=\"ca_bundle\"} 1"));
    // Misconfigured is tried again after a while only: what helps at once is the change of the file.
    let replaced = Instant::now();
    stage.home.replace("ca.pem", &std::fs::read_to_string(stage.papers.path("ca.pem")).unwrap());
    until("credentials", &|now| now["AccessKeyId"].is_string());
    let told = agent.admin("/metrics").body;
    let by_file = told.lines().any(|line| line.contains("trigger=\"file_change\"") && !line.ends_with(" 0"));
    assert!(by_file, "after {:?}, not by the file:\n{told}", replaced.elapsed());
}
