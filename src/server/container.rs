//! The credentials listener: the container protocol that every AWS SDK speaks.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::Service;
use hyper::{Method, Request};
use tokio::time::Instant;

use super::reply::{self, Refusal, Reply};
use super::token::Bearer;
use super::{Answered, Facts, Shared, access};
use crate::credentials::RoleName;
use crate::keeper::{Handle, PATIENCE, Snapshot};
use crate::report::{CacheUse, Peer};
use crate::roster::{Entry, Roster};

/// Answers requests for credentials.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    shared: Arc<Shared>,
    peer: Option<Arc<Peer>>,
    /// Whether it came through a Unix socket.
    on_socket: bool,
}

type Answer = Result<Reply, Infallible>;

impl Service<Request<Incoming>> for Endpoint {
    type Response = Reply;
    type Error = Infallible;
    type Future = Either<Ready<Answer>, Pin<Box<dyn Future<Output = Answer> + Send>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let begun = Instant::now();
        let (head, _no_body) = request.into_parts();
        match self.answer(&head, begun) {
            Ok(reply) => Either::Left(ready(Ok(reply))),
            Err(later) => Either::Right(Box::pin(later.wait(head, Arc::clone(&self.shared)))),
        }
    }
}

impl Endpoint {
    /// Answers one peer, which is named where somebody looks at that, from what is shared.
    pub(super) fn new(shared: Arc<Shared>, peer: Option<Arc<Peer>>) -> Self {
        Self { shared, peer, on_socket: false }
    }

    /// The same on a Unix socket.
    pub(super) fn on_socket(shared: Arc<Shared>, peer: Option<Arc<Peer>>) -> Self {
        Self { shared, peer, on_socket: true }
    }

    /// The answer, unless it has to wait for a first walk.
    fn answer(&self, head: &Parts, begun: Instant) -> Result<Reply, Later> {
        let (shared, peer) = (&self.shared, self.peer.as_ref());
        let roster = shared.roster.load();
        let hosts = (!self.on_socket).then_some(shared.hosts.as_slice());
        let entry = match find(shared, &roster, head, hosts) {
            Ok(entry) => entry,
            Err(refusal) => {
                let facts = Facts { refused: refusal.label, peer, ..Facts::default() };
                let answered = Answered { begun, at: shared.clock.now() };
                shared.served("credentials", head, refusal.status, answered, facts);
                return Ok(refusal.reply());
            }
        };
        let (role_now, now) = (entry.handle.load(), shared.clock.now());
        if role_now.usable(now).is_none() && role_now.walking {
            let (role, handle) = (entry.role.name.clone(), entry.handle.clone());
            return Err(Later { role, handle, begun, peer: self.peer.clone() });
        }
        let answered = Answered { begun, at: now };
        Ok(finish(shared, head, &entry.role.name, &role_now, Came { answered, waited: false, peer }))
    }
}

/// A request that came while the first walk is under way.
struct Later {
    role: RoleName,
    handle: Handle,
    begun: Instant,
    peer: Option<Arc<Peer>>,
}

impl Later {
    async fn wait(self, head: Parts, shared: Arc<Shared>) -> Answer {
        let _until_answered = shared.in_flight("credentials");
        let role_now = self.handle.settled(PATIENCE).await;
        let answered = Answered { begun: self.begun, at: shared.clock.now() };
        let came = Came { answered, waited: true, peer: self.peer.as_ref() };
        Ok(finish(&shared, &head, &self.role, &role_now, came))
    }
}

/// When a request came and was answered, whether nothing usable was held at first, and from whom.
struct Came<'a> {
    answered: Answered,
    waited: bool,
    peer: Option<&'a Arc<Peer>>,
}

fn finish(shared: &Shared, head: &Parts, role: &RoleName, role_now: &Snapshot, came: Came<'_>) -> Reply {
    let now = came.answered.at;
    let mut facts = Facts { role: Some(role.clone()), peer: came.peer, ..Facts::default() };
    let reply = if let Some(usable) = role_now.usable(now) {
        facts.left = usable.expires.duration_since(now).ok();
        facts.credentials = Some(&usable.held.credentials);
        facts.source = Some(usable.held.source);
        let past = !usable.lasting && usable.held.credentials.expires_at.is_some();
        let fresh = if came.waited { CacheUse::Miss } else { CacheUse::Hit };
        facts.cache = Some(if past { CacheUse::Stale } else { fresh });
        reply::credentials(&usable)
    } else {
        let trace = role_now.last.as_ref().map(|walk| (shared.shown)(walk.trace));
        (facts.cache, facts.failure) = (Some(CacheUse::Miss), Some((role_now.reason(now).cause, trace)));
        Refusal::unavailable(role, role_now, now, trace).reply()
    };
    shared.served("credentials", head, reply.status(), came.answered, facts);
    reply
}

/// The role that is asked for, by someone who may: every refusal in the order of contract 3.
fn find<'a>(
    shared: &Shared,
    roster: &'a Roster,
    head: &Parts,
    hosts: Option<&[String]>,
) -> Result<&'a Entry, Refusal> {
    let asked = access::admit(head, hosts)?;
    let doors = shared.access.doors();
    let bearer = doors.bearer(asked.token()?).ok_or_else(Refusal::token_wrong)?;
    if asked.ourselves {
        return Err(Refusal::own_loop());
    }
    let target = Target::of(head.uri.path());
    let entry = match target {
        Target::Unnamed => permitted(roster.unnamed(), bearer)?,
        Target::Role(name) => permitted(roster.find(name), bearer)?,
        Target::MetadataToken | Target::Nothing => None,
    };
    if target == Target::MetadataToken && head.method == Method::PUT {
        return Err(Refusal::method(READING));
    }
    let entry = entry.ok_or_else(|| Refusal::not_found(missing(&target, roster, bearer)))?;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Err(Refusal::method(READING));
    }
    Ok(entry)
}

const READING: &str = "GET, HEAD";

/// The entry if the bearer may have it. Holders of a role's own token do not learn which other roles exist.
fn permitted<'a>(found: Option<&'a Entry>, bearer: Bearer<'_>) -> Result<Option<&'a Entry>, Refusal> {
    match found {
        Some(entry) if bearer.opens(&entry.role) => Ok(Some(entry)),
        None if bearer.main => Ok(None),
        _ => Err(Refusal::role_denied()),
    }
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target<'a> {
    Unnamed,
    Role(&'a str),
    /// Where metadata clients fetch their session token.
    MetadataToken,
    Nothing,
}

impl<'a> Target<'a> {
    fn of(path: &'a str) -> Self {
        if let Some(rest) = path.strip_prefix("/v1/credentials") {
            return match rest.strip_prefix('/') {
                None if rest.is_empty() => Self::Unnamed,
                Some("") => Self::Unnamed,
                Some(name) => Self::named(name),
                None => Self::Nothing,
            };
        }
        match path.strip_prefix("/v2/credentials/") {
            Some(name) => Self::named(name),
            None if path == "/latest/api/token" => Self::MetadataToken,
            None => Self::Nothing,
        }
    }

    fn named(name: &'a str) -> Self {
        let name = name.strip_suffix('/').unwrap_or(name);
        if name.is_empty() { Self::Nothing } else { Self::Role(name) }
    }
}

/// Why there is nothing, with the roles that this token opens.
fn missing(target: &Target<'_>, roster: &Roster, bearer: Bearer<'_>) -> String {
    const SHOWN: usize = 10;
    let open = roster.iter().filter(|entry| bearer.opens(&entry.role));
    let names: Vec<&str> = open.map(|entry| entry.role.name.as_str()).take(SHOWN).collect();
    let names = names.join(", ");
    match target {
        Target::Role(name) => match RoleName::parse(name) {
            Some(name) => format!("there is no role \"{name}\"; this token opens: {names}"),
            None => format!("that is no role's name; this token opens: {names}"),
        },
        Target::Unnamed => format!("name a role in the path; this token opens: {names}"),
        Target::MetadataToken | Target::Nothing => {
            "nothing here: the paths are /v1/credentials and /v1/credentials/ROLE".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn paths_name_a_role_or_none() {
        let cases = [
            ("/v1/credentials", Target::Unnamed),
            ("/v1/credentials/", Target::Unnamed),
            ("/v1/credentials/app", Target::Role("app")),
            ("/v1/credentials/app/", Target::Role("app")),
            ("/v2/credentials/app", Target::Role("app")),
            ("/v1/credentials/a/b", Target::Role("a/b")),
            ("/v1/credentialsx", Target::Nothing),
            ("/v1/credentials//", Target::Nothing),
            ("/v2/credentials", Target::Nothing),
            ("/v2/credentials/", Target::Nothing),
            ("/latest/api/token", Target::MetadataToken),
            ("/", Target::Nothing),
            ("*", Target::Nothing),
        ];
        for (path, want) in cases {
            assert_eq!(Target::of(path), want, "{path}");
        }
    }
}
