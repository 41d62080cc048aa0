//! Through which proxy requests go: plain and over TLS, with and without a login, and past it.

use serde_json::Value;

use super::*;
use crate::support::leaks;

/// What unit tests hold the choice of a proxy to is what the installed botocore chooses.
#[test]
fn the_table_of_proxies_is_botocores() {
    let home = TempHome::new();
    let Some(mut oracle) = Oracle::start(home.path()) else { return };
    let text = std::fs::read_to_string(repository().join("tests/parity/tables/proxies.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(rows.len() >= 40);
    for row in rows {
        let said = oracle.proxies(&row["env"], &[row["url"].as_str().unwrap()]);
        let wanted = serde_json::json!([{ "proxy": row["proxy"], "login": row["login"] }]);
        assert_eq!(said, wanted, "run tests/parity/tables.py: {row}");
    }
}

struct Row<'a> {
    name: &'a str,
    env: Vec<(&'a str, String)>,
    /// What the proxy is asked; nothing is a request that goes past it.
    asked: Vec<String>,
    /// The cause, where it does not work.
    cause: Option<&'a str>,
}

const STS: &str = "CONNECT sts.eu-west-1.amazonaws.com:443 HTTP/1.1";
/// `me:p@ss`
const LOGIN: &str = "Basic bWU6cEBzcw==";

/// An open proxy and one that wants a login, plain and over TLS.
fn gates(stage: &Stage) -> [Relay; 4] {
    stage.papers.issue("gate", "DNS:localhost");
    vouched(&stage.papers, "sts.eu-west-1.amazonaws.com");
    leaks::secret("bWU6cEBzcw==");
    let papers = Some((&*stage.papers, "gate"));
    [(None, None), (Some(LOGIN), None), (None, papers), (Some(LOGIN), papers)]
        .map(|(login, papers)| Relay::proxy(stage.gate(login), papers))
}

fn rows<'a>(stage: &Stage, gates: &[Relay; 4]) -> Vec<Row<'a>> {
    let [open, locked, tls, locked_tls] = gates.each_ref().map(|gate| gate.addr.port());
    let there = |scheme: &str, login: &str, port: u16| format!("{scheme}://{login}localhost:{port}");
    let https = |scheme: &str, login: &str, port: u16| ("HTTPS_PROXY", there(scheme, login, port));
    let (up, login) = (https("http", "", open), "me:p%40ss@");
    let place = format!("localhost:{}", stage.front.addr.port());
    let direct = ("AWS_ENDPOINT_URL_STS", format!("https://{place}"));
    let plain = ("AWS_ENDPOINT_URL_STS", stage.aws.url());
    let none_for = |names: &str| ("NO_PROXY", names.to_owned());
    let through = |login: Option<&str>| vec![format!("{STS} login {:?}", login.map(str::to_owned))];
    let whole = vec![format!("POST {}/ HTTP/1.1 login None", stage.aws.url())];
    let row = |name, env: &[(&'a str, String)], asked, cause| Row { name, env: env.to_vec(), asked, cause };
    vec![
        row("plain", &[https("http", "", open)], through(None), None),
        row("no scheme", &[("https_proxy", format!("localhost:{open}"))], through(None), None),
        row("plain, login", &[https("http", login, locked)], through(Some(LOGIN)), None),
        row("plain, no login", &[https("http", "", locked)], through(None), Some("NET-PROXY")),
        row("plain, a name alone", &[https("http", "me@", locked)], through(None), Some("NET-PROXY")),
        row("over TLS", &[https("https", "", tls)], through(None), None),
        row("over TLS, login", &[https("https", login, locked_tls)], through(Some(LOGIN)), None),
        row("over TLS, no login", &[https("https", "", locked_tls)], through(None), Some("NET-PROXY")),
        row("past it", &[up.clone(), direct.clone(), none_for("x, .localhost")], vec![], None),
        row("past it, by port", &[up.clone(), direct.clone(), ("no_proxy", place)], vec![], None),
        row("a star in a list", &[up.clone(), none_for("x,*")], through(None), None),
        row("for all", &[up.clone(), direct.clone(), none_for("*")], vec![], None),
        row(
            "lower case is empty",
            &[up.clone(), direct.clone(), ("https_proxy", String::new())],
            vec![],
            None,
        ),
        row("ALL_PROXY", &[("ALL_PROXY", there("http", "", open)), direct], vec![], None),
        row("http", &[("HTTP_PROXY", there("http", "", open)), plain.clone()], whole, None),
        row("https is not for http", &[up, plain], vec![], None),
        row("nobody there", &[https("http", login, closed())], vec![], Some("NET-REFUSED")),
        row("no address", &[("HTTPS_PROXY", "http://a b".to_owned())], vec![], Some("NET-OTHER")),
    ]
}

#[test]
fn requests_go_through_the_proxies_that_botocore_takes() {
    let Some(mut stage) = Stage::new() else { return };
    let gates = gates(&stage);
    for row in rows(&stage, &gates) {
        row.compare(&mut stage, &gates);
    }
}

impl Row<'_> {
    #[track_caller]
    fn compare(self, stage: &mut Stage, gates: &[Relay; 4]) {
        let Row { name, env: more, asked, cause } = self;
        let base = [
            ("AWS_CA_BUNDLE", stage.ca()),
            ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
            ("AWS_MAX_ATTEMPTS", "1".to_owned()),
        ];
        let mut env = stage.env(&[]);
        env.extend(base.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)));
        let noted = |stage: &Stage| {
            let asked = gates.iter().flat_map(Relay::asked).collect::<Vec<_>>();
            let reached = reached(&stage.aws.requests());
            stage.aws.clear_requests();
            // Python says HTTP/1.0 in some versions.
            (asked.iter().map(|line| line.replace("HTTP/1.0", "HTTP/1.1")).collect::<Vec<_>>(), reached)
        };
        let done = stage.keyfob("role", &env);
        right(stage, name, cause.is_none());
        let (ours, by_us) = (key(&done), noted(stage));
        let (theirs, by_them) = (stage.oracle.find(&env, "role"), noted(stage));
        assert_eq!(by_us.0, asked, "{name}\n{ours:?}");
        assert_eq!(by_us, by_them, "{name}\n{ours:?}\n{theirs:?}");
        match cause {
            None => assert_eq!((ours.is_ok(), &ours), (true, &theirs), "{name}"),
            Some(code) => {
                let said = ours.unwrap_err();
                assert!(said.contains(&format!("[{code}]")) && said.contains("the proxy"), "{name}: {said}");
                assert!(theirs.is_err(), "{name}");
            }
        }
        done.expect_none_of(&["p@ss", "p%40ss", "bWU6cEBzcw"].map(str::to_owned));
    }
}

/// The request itself is right, whatever it went through.
#[track_caller]
fn right(stage: &Stage, name: &str, answered: bool) {
    let requests = stage.aws.requests();
    assert_eq!(requests.len(), usize::from(answered), "{name}");
    let Some(request) = requests.first() else { return };
    let form: Vec<(&str, &str)> =
        request.form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let wanted = [
        ("Action", "AssumeRole"),
        ("DurationSeconds", "1800"),
        ("ExternalId", "ext-1"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "wired"),
        ("Version", "2011-06-15"),
    ];
    assert_eq!(form, wanted, "{name}");
    let agent = request.header("user-agent").unwrap();
    assert!(agent.starts_with("aws-sdk-rust/") && agent.contains("app/keyfob"), "{name}: {agent}");
    assert!(request.header("authorization").unwrap().contains("/eu-west-1/sts/aws4_request"), "{name}");
    assert_eq!((request.status(), request.header("proxy-authorization")), (200, None), "{name}");
}

/// Bound by us, and nobody listens.
fn closed() -> u16 {
    static HELD: std::sync::OnceLock<socket2::Socket> = std::sync::OnceLock::new();
    let socket = HELD.get_or_init(|| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket
    });
    socket.local_addr().unwrap().as_socket().unwrap().port()
}

/// botocore asks metadata through a proxy too, and then serves what that machine's role is: its own.
#[test]
fn metadata_is_never_asked_through_a_proxy() {
    let Some(mut stage) = Stage::new() else { return };
    let gate = Relay::proxy(stage.gate(None), None);
    stage.home.config("[profile plain]\nregion = eu-west-1\n");
    let (proxy, metadata) = (format!("http://{}", gate.addr), stage.aws.url());
    let env = stage.env(&[
        ("HTTP_PROXY", &proxy),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "5"),
    ]);
    let ours = key(&stage.keyfob("plain", &env)).unwrap();
    assert!(ours.starts_with("ASIA") && gate.asked().is_empty());
    assert!(stage.oracle.find(&env, "plain").is_ok());
    assert!(!gate.asked().is_empty(), "botocore has come to its senses: delete README's remark");
    let endpoint = stage.aws.container_url("/container/app");
    let env = stage.env(&[("HTTP_PROXY", &proxy), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &endpoint)]);
    assert_eq!(key(&stage.keyfob("plain", &env)), stage.oracle.find(&env, "plain"));
    assert!(gate.asked().is_empty());
}
