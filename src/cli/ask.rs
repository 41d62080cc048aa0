//! Asks the running agent: finds it, sends one request within a deadline, and says in a sentence why there is no answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::args::{Admin, Global};
use super::exit::Exit;
use super::place::{Answer, Place};
use super::stop::Stop;
use crate::config::env::Env;
use crate::config::parse::load_if_allowed;
use crate::config::{Auth, Listen};
use crate::credentials::RoleName;
use crate::http::{Certificates, Trust};
use crate::server::reachable;
use crate::server::status::{Explanation, RoleStatus, Status};

/// For answers from memory.
const SOON: Duration = Duration::from_secs(3);
/// For an answer that waits for a walk, which the agent limits to 30 s.
const WALK: Duration = Duration::from_secs(35);

/// Where the running agent is.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its admin listener.
    pub address: Place,
    /// Who may answer https: whoever has the certificate of the configuration, or one that the system trusts.
    pub trust: Trust,
    auth: Option<Auth>,
    env: Env,
}

impl Agent {
    /// The agent that the flags, the configuration or the default address name.
    ///
    /// # Errors
    /// A configuration that cannot be used, or one whose agent has no admin listener.
    pub fn find(global: &Global, env: &Env) -> Result<Self, Stop> {
        let env = env.clone();
        match &global.admin {
            Some(Admin::At(address)) => Ok(Self {
                address: Place::at(reachable(*address), false),
                trust: Trust::default(),
                auth: None,
                env,
            }),
            Some(Admin::Https(place)) => {
                // The address was named; of the configuration only the certificates are of use.
                let listen =
                    load_if_allowed(global.config.as_deref(), &env).map(|loaded| loaded.config.listen);
                let trust = listen.map_or_else(|_| Trust::default(), |listen| trust(&listen));
                Ok(Self { address: place.clone(), trust, auth: None, env })
            }
            Some(Admin::Off) => {
                Err(Stop::new(Exit::Usage, "--admin off: the agent is asked at its admin address"))
            }
            None => {
                let config = load_if_allowed(global.config.as_deref(), &env)?.config;
                let address = config.listen.admin.ok_or_else(|| {
                    let says = "the configuration turns the agent's admin listener off";
                    Stop::new(Exit::Unreachable, says)
                        .hint("fix: set listen.admin, or name an address with --admin")
                })?;
                let address = Place::at(reachable(address), config.listen.admin_tls.is_some());
                Ok(Self { address, trust: trust(&config.listen), auth: Some(config.auth), env })
            }
        }
    }

    /// All roles and the agent itself.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn status(&self) -> Result<Status, Stop> {
        self.read("/status", Method::GET, SOON, false).await
    }

    /// The role's last walk.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn explanation(&self, role: &str) -> Result<Explanation, Stop> {
        self.read(&format!("/v1/explain/{role}"), Method::GET, SOON, false).await
    }

    /// Makes the role walk now.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn refresh(&self, role: &str, drop: bool) -> Result<RoleStatus, Stop> {
        let query = if drop { "?drop=true" } else { "" };
        self.read(&format!("/v1/refresh/{role}{query}"), Method::POST, WALK, true).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        method: Method,
        within: Duration,
        with_token: bool,
    ) -> Result<T, Stop> {
        let send = async |token: Option<HeaderValue>| {
            self.address.ask(&self.trust, method.clone(), path, token, within).await
        };
        let mut answer = send(if with_token { Some(self.token().await?) } else { None }).await?;
        if answer.status == StatusCode::UNAUTHORIZED && !with_token {
            // Where the admin listener is not on loopback, status and explain need the token as well.
            answer = send(Some(self.token().await?)).await?;
        }
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body).map_err(|_| self.stranger());
        }
        Err(refused(&answer).unwrap_or_else(|| self.stranger()))
    }

    fn stranger(&self) -> Stop {
        let says = format!("what answers at {} is no agent of this version", self.address);
        Stop::new(Exit::Unreachable, says).hint("fix: name the agent's admin address with --admin ADDR")
    }

    /// The admin token, as a header.
    async fn token(&self) -> Result<HeaderValue, Stop> {
        let mut tried = self.token_files();
        if tried.is_empty()
            && self.address.is_loopback()
            && let Ok(answer) = self.address.ask(&self.trust, Method::GET, "/status", None, SOON).await
            && let Ok(status) = serde_json::from_slice::<Status>(&answer.body)
        {
            tried.extend(status.admin_token_file);
        }
        let mut failure = None;
        for path in tried.into_iter().chain(usual_places(&self.env)) {
            match crate::file::read(&path).1 {
                Ok(bytes) => return secret_header(&bytes, &path),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => failure = failure.or(Some(format!("{}: {error}", path.display()))),
            }
        }
        let says = failure.map_or_else(
            || "the agent's admin token was not found".to_owned(),
            |failure| format!("the agent's admin token cannot be read: {failure}"),
        );
        Err(Stop::new(Exit::Refused, says).hint("fix: run this as the agent's user or as root"))
    }

    fn token_files(&self) -> Vec<PathBuf> {
        let Some(auth) = &self.auth else { return Vec::new() };
        let beside = || Some(auth.token_file.as_ref()?.parent()?.join("admin.token"));
        auth.admin_token_file.clone().or_else(beside).into_iter().collect()
    }
}

fn trust(listen: &Listen) -> Trust {
    let files = [&listen.admin_tls, &listen.tls].into_iter().flatten();
    let known = files.map(|pair| pair.cert.clone()).collect();
    Trust::new(Certificates { known, ..Certificates::default() })
}

/// Where an agent puts its tokens when nothing is configured (contract 2).
fn usual_places(env: &Env) -> Vec<PathBuf> {
    let under = |base: Option<PathBuf>, inner: &str| base.map(|base| base.join(inner));
    let runtime = env.filled("RUNTIME_DIRECTORY").and_then(|list| list.split(':').next());
    let places = [
        runtime.map(PathBuf::from),
        Some(PathBuf::from("/run/keyfob")),
        under(env.filled("XDG_RUNTIME_DIR").map(PathBuf::from), "keyfob"),
        under(env.home(), ".cache/keyfob"),
    ];
    places.into_iter().flatten().map(|folder| folder.join("admin.token")).collect()
}

/// A header that is never printed.
///
/// # Errors
/// Bytes that no header may hold.
pub fn secret_header(bytes: &[u8], path: &Path) -> Result<HeaderValue, Stop> {
    let mut header = HeaderValue::from_bytes(bytes).map_err(|_| {
        Stop::new(
            Exit::Refused,
            format!("{}: not a token: it has a line break or other control characters", path.display()),
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The agent's own words for a refusal; `None` if they are not an agent's.
#[must_use]
pub fn refused(answer: &Answer) -> Option<Stop> {
    #[derive(Deserialize)]
    struct Body {
        message: String,
        cause: Option<String>,
        fix: Option<String>,
    }
    let body: Body = serde_json::from_slice(&answer.body).ok()?;
    let exit = match answer.status {
        StatusCode::NOT_FOUND => Exit::Usage,
        _ => Exit::Refused,
    };
    let code = body.cause.map(|cause| format!(" [{cause}]")).unwrap_or_default();
    let stop = Stop::new(exit, format!("the agent says: {}{code}", body.message));
    Some(match body.fix {
        Some(fix) if !fix.is_empty() => stop.hint(format!("fix: {fix}")),
        _ => stop,
    })
}

/// Where the agent serves credentials to clients on this machine.
///
/// # Errors
/// The agent names no address.
pub fn endpoint(status: &Status) -> Result<&str, Stop> {
    status.endpoint.as_deref().ok_or_else(|| {
        Stop::new(Exit::Unreachable, "the agent has no credentials address that SDKs can reach")
            .hint("fix: add an IP address to listen.credentials: SDKs do not speak Unix sockets")
    })
}

/// The role that is meant: the named one, else `default`, else the only one.
///
/// # Errors
/// There is no such role, or nobody can know which.
pub fn meant<'s>(status: &'s Status, role: Option<&RoleName>) -> Result<&'s RoleStatus, Stop> {
    let names = || status.roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>().join(", ");
    let find = |name: &str| status.roles.iter().find(|role| role.name == name);
    match (role, status.roles.as_slice()) {
        (Some(name), _) => find(name.as_str()).ok_or_else(|| {
            Stop::new(Exit::Usage, format!("the agent has no role {name}; it has: {}", names()))
        }),
        (None, [only]) => Ok(only),
        (None, _) => find("default").ok_or_else(|| {
            Stop::new(Exit::Usage, format!("the agent has no role named default; name one of: {}", names()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one connection with these bytes and hangs up; returns what it was asked.
    async fn answering(bytes: &'static str) -> (SocketAddr, impl Future<Output = String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            stream.write_all(bytes.as_bytes()).await.unwrap();
            String::from_utf8(head[..read].to_vec()).unwrap()
        };
        (address, served)
    }

    fn agent(address: SocketAddr) -> Agent {
        let auth = Auth { token_file: None, token_mode: 0, admin_token_file: None };
        let (address, trust) = (Place::at(address, false), Trust::default());
        Agent { address, trust, auth: Some(auth), env: Env::from([("HOME", "/nonexistent")]) }
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_what_to_do() {
        let address = crate::http::fake::closed();
        let stop = agent(address).status().await.unwrap_err();
        assert_eq!(stop.exit, Exit::Unreachable);
        assert_eq!(stop.says, format!("no agent answers at {address}: connection refused"));
        assert!(stop.hints[0].contains("keyfob serve"), "{stop:?}");
    }

    #[tokio::test]
    async fn a_stranger_is_no_agent() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n",
        ] {
            let (address, served) = answering(answer).await;
            let (stop, head) = tokio::join!(async { agent(address).status().await.unwrap_err() }, served);
            assert_eq!(stop.exit, Exit::Unreachable);
            assert!(stop.says.contains("no agent of this version"), "{stop:?}");
            assert!(head.starts_with("GET /status HTTP/1.1\r\nhost: 127.0.0.1:"), "{head}");
        }
        let (address, served) = answering("220 smtp ready\r\n").await;
        let (stop, _) = tokio::join!(async { agent(address).status().await.unwrap_err() }, served);
        assert!(stop.says.starts_with("no agent answers at"), "{stop:?}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_agents_words() {
        let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 75\r\n\r\n{\"code\":\"NotFound\",\"message\":\"no such role\",\
                      \"cause\":\"KF-REQUEST\",\"fix\":\"x\"}";
        let (address, served) = answering(answer).await;
        let (stop, _) = tokio::join!(async { agent(address).explanation("app").await.unwrap_err() }, served);
        assert_eq!(
            (stop.exit, stop.says.as_str()),
            (Exit::Usage, "the agent says: no such role [KF-REQUEST]")
        );
        assert_eq!(stop.hints, ["fix: x"]);
    }
}
