//! The image as it is run: by nobody, on a root that cannot be written, with what the chart says, with AWS behind TLS.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::image::{Contained, Container, Dockerfile, Image};
use super::network::Network;
use super::outside::{Authority, Names};
use super::{SOON, ours, yaml};
use crate::sdk::Sdk;
use crate::support::run::skip;
use crate::support::serving::parse_bound;
use crate::support::tools::tool;
use crate::support::{FakeAws, Run, TempHome, keyfob, raw};

const ADMIN: &str = "127.0.0.1:5398";
const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIACONTAINER0000001"), ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-container")];

/// With keys in its environment, a place for its token, and nothing else.
fn furnished(run: &Path, words: &[&str]) -> Container {
    let container =
        Container::of(words).volume(run, "/run/keyfob", "").env("AWS_EC2_METADATA_DISABLED", "true");
    KEYS.iter().fold(container, |container, (name, value)| container.env(name, value))
}

/// A folder of the image's user, as a new volume is when it is mounted there.
fn volume() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(65532), Some(65532)).unwrap();
    folder
}

#[track_caller]
fn starts(container: &Contained) {
    let log = &container.process.stderr;
    assert!(log.find(SOON, parse_bound).is_some(), "{}", log.text());
}

#[test]
fn the_image_holds_this_and_nothing_else() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can give files to other users");
    }
    let mut wanted: Vec<String> = [
        "etc/group 644 0:0",
        "etc/keyfob 755 0:0",
        "etc/nsswitch.conf 644 0:0",
        "etc/passwd 644 0:0",
        "etc/ssl/certs/ca-certificates.crt 644 0:0",
        "home/keyfob 755 65532:65532",
        "run/keyfob 755 65532:65532",
        "tmp 1777 0:0",
        "usr/bin/keyfob 755 0:0",
        "usr/share/doc/keyfob/copyright 644 0:0",
    ]
    .map(str::to_owned)
    .into();
    // What scanners look for: where each thing is from that is not ours.
    for package in ["ca-certificates", "libc6", "libgcc-s1"] {
        wanted.push(format!("usr/share/doc/{package}/copyright 644 0:0"));
        wanted.push(format!("var/lib/dpkg/status.d/{package} 644 0:0"));
    }
    wanted.sort();
    let (libraries, others): (Vec<_>, Vec<_>) =
        Image::assembled().contents.lines().partition(|line| line.starts_with("lib"));
    // Folders that only lead somewhere are not worth a line.
    let leads = |line: &&str| line.ends_with(" 755 0:0") && Image::assembled().is_way(line);
    let others: Vec<_> = others.into_iter().filter(|line| !leads(line)).collect();
    assert_eq!(others, wanted, "in the image, and in this list");
    let files = libraries.iter().filter_map(|line| line.split(' ').next()?.rsplit('/').next());
    let names: BTreeSet<_> =
        files.filter(|file| file.contains(".so")).filter_map(|file| file.split('.').next()).collect();
    let allowed = ["ld-linux-x86-64", "ld-linux-aarch64", "libc", "libgcc_s", "libm"];
    assert!(names.contains("libc") && names.iter().all(|name| allowed.contains(name)), "{names:?}");
}

#[test]
fn the_dockerfile_builds_with_this_compiler_this_script_and_all_that_cargo_asks_for() {
    let file = Dockerfile::read();
    let cargo: toml::Table = fs::read_to_string(ours("Cargo.toml")).unwrap().parse().unwrap();
    let package = cargo["package"].as_table().unwrap();
    let text = |key: &str| package[key].as_str().unwrap();
    let from = file.all("FROM");
    assert_eq!(from, [&format!("rust:{}-bookworm AS build", text("rust-version")), "scratch"]);
    let run = file.all("RUN");
    assert_eq!(
        run,
        ["cargo build --locked --release", "deploy/docker/rootfs.sh target/release/keyfob /image"]
    );
    let label = file.all("LABEL")[0];
    let version = format!("version=\"{}\"", text("version"));
    assert!(
        label.contains(&version) && label.contains(&format!("licenses=\"{}\"", text("license"))),
        "{label}"
    );

    // What the ignore file lets through is a whole package for cargo, and holds every file that the sources include.
    let context = tempfile::tempdir().unwrap();
    let ignore = fs::read_to_string(ours("deploy/docker/Dockerfile.dockerignore")).unwrap();
    for kept in ignore.lines().filter_map(|line| line.strip_prefix('!')) {
        let to = context.path().join(kept);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        Run::new("cp").arg("-r").arg(ours(kept)).arg(&to).run().expect_code(0);
    }
    assert!(context.path().join("deploy/docker/rootfs.sh").is_file());
    let cargo = Run::new(env!("CARGO")).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--locked",
        "--format-version",
        "1",
    ]);
    let env = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"].into_iter();
    let env = env.filter_map(|name| Some((name, std::env::var(name).ok()?)));
    let metadata = cargo.dir(context.path()).envs(env).run().expect_code(0).json();
    for target in metadata["packages"][0]["targets"].as_array().unwrap() {
        let source = target["src_path"].as_str().unwrap();
        assert!(Path::new(source).is_file(), "{source}");
    }
}

#[test]
fn it_is_nobody_without_capabilities_on_a_root_that_cannot_be_written() {
    let Some(network) = Network::new() else { return };
    let run = volume();
    let agent = network.inside(|| furnished(run.path(), &[]).start());
    starts(&agent);
    let status = agent.proc("status");
    let line = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        found.unwrap_or_else(|| panic!("{name} in {status}")).trim()
    };
    assert_eq!((line("Uid"), line("Gid")), ("65532\t65532\t65532\t65532", "65532\t65532\t65532\t65532"));
    assert_eq!((line("Groups"), line("NoNewPrivs")), ("", "1"));
    for caps in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(line(caps), "0000000000000000", "{caps}");
    }
    assert!(line("NSpid").ends_with("\t1"), "{}", line("NSpid"));
    let mounts = agent.proc("mountinfo");
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
    assert!(root.split(' ').nth(5).unwrap().starts_with("ro,"), "{root}");

    // The Dockerfile's own check, as an engine runs it: in the same network, with the same volumes.
    let check = Dockerfile::read().list("HEALTHCHECK");
    let healthy = network.inside(|| furnished(run.path(), &[]).command(check.clone()).run().run());
    healthy.expect_code(0);
    let ended = agent.stop().unwrap();
    assert_eq!(ended.1, Some(0), "{}", agent.process.stderr.text());
    let unhealthy = network.inside(|| furnished(run.path(), &[]).command(check).run().run());
    unhealthy.expect_code(5);
}

#[test]
fn what_is_tried_first_works_in_it() {
    let Some(network) = Network::new() else { return };
    let version = network.inside(|| Container::of(&["--version"]).run().run()).expect_code(0);
    assert_eq!(version.stdout.trim(), concat!("keyfob ", env!("CARGO_PKG_VERSION")));
    // The whole job on the built-in AWS, with a client that is no part of the image.
    let demo = network.inside(|| Container::of(&["demo"]).volume("tmpfs", "/tmp", "").start());
    let printed = |name: &str| {
        let line = |line: &str| Some(line.split_once(&format!("{name}="))?.1.trim_matches('\'').to_owned());
        demo.process.stdout.find(SOON, line).unwrap_or_else(|| panic!("{}", demo.process.stderr.text()))
    };
    let (uri, file) =
        (printed("AWS_CONTAINER_CREDENTIALS_FULL_URI"), printed("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    let token = demo.proc(&format!("root{file}"));
    let (at, path) = uri.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let ask = || raw::get(at.parse().unwrap(), &format!("/{path}"), &[("Authorization", &token)]);
    let key = network.inside(ask).json()["AccessKeyId"].as_str().unwrap().to_owned();
    assert!(key.contains("DEMO"), "{key}");
}

#[test]
fn without_configuration_it_serves_what_instance_metadata_has() {
    let Some(network) = Network::new() else { return };
    // As an engine makes a place in memory: root's, and anybody may write there.
    let (aws, run) = (FakeAws::spawn_thread(), volume());
    chown(run.path(), Some(0), Some(0)).unwrap();
    fs::set_permissions(run.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    network.ip("address add 169.254.169.254/32 dev lo");
    let _metadata = network.door("169.254.169.254:80", aws.addr());
    let agent = network.inside(|| Container::of(&[]).volume(run.path(), "/run/keyfob", "").start());
    starts(&agent);
    let wait = network.inside(|| Container::of(&["wait", "--timeout", "40s"]).run().run());
    wait.expect_code(0);
    let served = network.inside(|| served(run.path()));
    assert!(aws.issued(served["AccessKeyId"].as_str().unwrap()).is_some());
}

#[test]
fn the_binary_runs_wherever_glibc_is_as_old_as_the_readme_says() {
    let Some(objdump) = tool("objdump") else { return };
    let symbols = Run::new(objdump).arg("-T").arg(keyfob()).run().expect_code(0).stdout;
    let minor = |symbol: &str| symbol.split(['.', ')', ' ']).nth(1)?.parse::<u32>().ok();
    let newest = symbols.split("GLIBC_2").skip(1).filter_map(minor).max().unwrap();
    assert!(newest <= 34, "glibc 2.{newest}");
    for file in ["deploy/ecs/Dockerfile", "deploy/README.md"] {
        assert!(fs::read_to_string(ours(file)).unwrap().contains("glibc 2.34 or later"), "{file}");
    }
}

/// What the agent of this network answers to the token in this folder.
fn served(folder: &Path) -> serde_json::Value {
    let token = fs::read_to_string(folder.join("token")).unwrap();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 5397));
    let reply = raw::get(at, "/v1/credentials", &[("Authorization", &token)]);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// The pod of the example chart, its volumes as folders.
struct Pod {
    home: TempHome,
    sidecar: serde_json::Value,
    app: serde_json::Value,
}

impl Pod {
    fn rendered() -> Pod {
        let documents = yaml(&ours("tests/helm/golden/example.yaml"));
        let of = |kind: &str| documents.iter().find(|object| object["kind"] == kind).unwrap();
        let spec = &of("Deployment")["spec"]["template"]["spec"];
        let pod = Pod {
            home: TempHome::new(),
            sidecar: spec["initContainers"][0].clone(),
            app: spec["containers"][0].clone(),
        };
        pod.home.write("keyfob-config/keyfob.toml", of("ConfigMap")["data"]["keyfob.toml"].as_str().unwrap());
        pod.home.write("keyfob-identity/token", "header.payload.signature");
        for name in ["keyfob-auth", "keyfob-private"] {
            fs::create_dir(pod.folder(name)).unwrap();
        }
        for name in ["", "keyfob-auth", "keyfob-private"] {
            fs::set_permissions(pod.folder(name), fs::Permissions::from_mode(0o777)).unwrap();
        }
        pod
    }

    fn folder(&self, volume: &str) -> PathBuf {
        self.home.path().join(volume)
    }

    /// The chart's command and arguments, or the command with other arguments, as `kubectl exec` does.
    fn container(&self, words: Option<&[&str]>) -> Container {
        let list = |key: &str| -> Vec<String> { serde_json::from_value(self.sidecar[key].clone()).unwrap() };
        let mut command = list("command");
        match words {
            Some(words) => command.extend(words.iter().map(|word| (*word).to_owned())),
            None => command.extend(list("args")),
        }
        let context = &self.sidecar["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        let container = Container::of(&[])
            .command(command)
            .user(&format!("{}:{}", context["runAsUser"], context["runAsGroup"]));
        let mounts = self.sidecar["volumeMounts"].as_array().unwrap().iter();
        let container = mounts.fold(container, |container, mount| {
            let (name, at) = (mount["name"].as_str().unwrap(), mount["mountPath"].as_str().unwrap());
            container.volume(self.folder(name), at, if mount["readOnly"] == true { "ro" } else { "" })
        });
        plain(&self.sidecar).fold(container, |container, (name, value)| container.env(name, value))
    }
}

/// The variables of a container that stand in the chart as they are.
fn plain(container: &serde_json::Value) -> impl Iterator<Item = (&str, &str)> {
    let vars = container["env"].as_array().unwrap().iter();
    let vars = vars.filter_map(|var| Some((var["name"].as_str()?, var["value"].as_str()?)));
    vars.filter(|(_, value)| !value.contains("$("))
}

#[test]
fn the_charts_sidecar_signs_in_with_aws_behind_tls_and_the_images_own_certificates_and_names() {
    const STS: &str = "sts.eu-central-1.amazonaws.com";
    let Some(network) = Network::new() else { return };
    let Some(authority) = Authority::with_server(STS) else { return };
    let (aws, pod) = (FakeAws::spawn_thread(), Pod::rendered());
    let _sts = authority.in_front_of(&network, "127.0.0.1:443", aws.addr());
    let names = Names::answer_with(&network, Ipv4Addr::LOCALHOST);
    let resolver = pod.home.write("resolv.conf", "nameserver 127.0.0.1\n");
    let sidecar = || pod.container(None).volume(&resolver, "/etc/resolv.conf", "ro");
    let trusting = |container: Container| {
        container.volume(authority.certificate(), "/etc/ssl/certs/ca-certificates.crt", "ro")
    };

    // The certificates that the image has do not know this authority: the agent says so, and the pod does not start.
    let stranger = network.inside(|| sidecar().start());
    assert!(stranger.process.stderr.says(SOON, "TLS-CA"), "{}", stranger.process.stderr.text());
    stranger.stop();
    drop(stranger);

    let agent = network.inside(|| trusting(sidecar()).start());
    starts(&agent);
    let status = network.inside(|| pod.container(Some(&["wait", "--timeout", "40s"])).run().run());
    status.expect_code(0);
    let up = network.inside(|| raw::get(ADMIN.parse().unwrap(), "/startupz", &[]).status);
    assert_eq!(up, 200, "{}", agent.process.stderr.text());
    assert!(names.asked().iter().any(|name| name == STS), "{:?}", names.asked());
    let found = network.inside(|| served(&pod.folder("keyfob-auth")));
    assert_eq!(found["AccountId"], "111122223333");

    // The application's variables, as the chart has them; its volume is a folder here.
    let door = network.door("127.0.0.1:0", aws.addr());
    let auth = pod.folder("keyfob-auth").display().to_string();
    let env = plain(&pod.app).map(|(name, value)| (name.to_owned(), value.replace("/run/keyfob", &auth)));
    let env = env.chain([("AWS_ENDPOINT_URL".to_owned(), format!("http://{}", door.at))]);
    let Some(me) = network.inside(|| Sdk::Boto3.identity(env)) else { return };
    assert!(me.arn.starts_with("arn:aws:sts::111122223333:assumed-role/example/"), "{me:?}");
    assert_eq!(agent.stop().and_then(|ended| ended.1), Some(0));
}
