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

use super::caller::{Caller, User};
use super::listen::Arrival;
use super::metadata::{self, Page, Sessions};
use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::target::Target;
use super::token::Bearer;
use super::{Answered, Facts, Shared, access};
use crate::config::Role;
use crate::credentials::RoleName;
use crate::keeper::{Handle, PATIENCE, Snapshot};
use crate::report::{CacheUse, Peer};
use crate::roster::{Entry, Roster};

/// Answers requests for credentials.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    shared: Arc<Shared>,
    from: Arrival,
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
            Err(later) => Either::Right(Box::pin(later.wait(head, self.clone(), begun))),
        }
    }
}

impl Endpoint {
    /// Answers one peer, which is named where somebody looks at that, from what is shared.
    pub(super) fn new(shared: Arc<Shared>, from: Arrival) -> Self {
        Self { shared, from, on_socket: false }
    }

    /// The same on a Unix socket.
    pub(super) fn on_socket(shared: Arc<Shared>, from: Arrival) -> Self {
        Self { shared, from, on_socket: true }
    }

    /// The answer, unless it has to wait.
    fn answer(&self, head: &Parts, begun: Instant) -> Result<Reply, Later> {
        let (shared, peer) = (&self.shared, self.from.peer.as_ref());
        let roster = shared.roster.load();
        let face = self.face(head);
        let entry = match self.find(&roster, head, face) {
            Ok(Found::Role(entry)) => entry,
            Ok(Found::Answer(reply)) => {
                // Nobody got credentials: nothing to audit.
                let answered = Answered { begun, at: shared.clock.now() };
                shared.served(face.handler(), head, reply.status(), answered, Facts::default());
                return Ok(reply);
            }
            Err(Unfit::Unmet) => return Err(Later::Meeting),
            Err(Unfit::Refused(refusal)) => {
                let facts = Facts { refused: refusal.label, peer, ..Facts::default() };
                let answered = Answered { begun, at: shared.clock.now() };
                shared.served(face.handler(), head, refusal.status, answered, facts);
                return Ok(refusal.reply());
            }
        };
        entry.handle.note_asked();
        let (role_now, now) = (entry.handle.load(), shared.clock.now());
        if role_now.usable(now).is_none() && role_now.walking {
            return Err(Later::Walk(entry.role.name.clone(), entry.handle.clone()));
        }
        let answered = Answered { begun, at: now };
        let came = Came { answered, waited: false, peer, handler: face.handler() };
        Ok(finish(shared, head, &entry.role.name, &role_now, came))
    }

    /// Which service's path it is.
    fn face<'a>(&self, head: &'a Parts) -> Face<'a> {
        match (&self.shared.sessions, Page::of(head.uri.path())) {
            (Some(_), Some(page)) => Face::Instance(page),
            _ => Face::Container,
        }
    }

    /// The role that is asked for, by someone who may: every refusal in the order of contract 3.
    fn find<'a>(&self, roster: &'a Roster, head: &Parts, face: Face<'_>) -> Result<Found<'a>, Unfit> {
        let shared = &self.shared;
        let asked = access::admit(head, (!self.on_socket).then_some(shared.hosts.as_slice()))?;
        if let (Face::Instance(page), Some(sessions)) = (face, &shared.sessions) {
            return self.instance(sessions, page, roster, head, &asked);
        }
        let doors = shared.access.doors();
        let bearer = doors.bearer(asked.token()?).ok_or_else(Refusal::token_wrong)?;
        if asked.ourselves {
            return Err(Refusal::own_loop().into());
        }
        let target = Target::of(head.uri.path());
        let entry = match target {
            Target::Unnamed => self.permitted(roster.unnamed(), bearer)?,
            Target::Role(name) => self.permitted(roster.find(name), bearer)?,
            Target::MetadataToken | Target::Nothing => None,
        };
        if target == Target::MetadataToken && head.method == Method::PUT {
            return Err(Refusal::method(READING).into());
        }
        let entry = entry.ok_or_else(|| Refusal::not_found(self.missing(&target, roster, bearer)))?;
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(Refusal::method(READING).into());
        }
        Ok(Found::Role(entry))
    }

    /// The same on the metadata service's paths.
    fn instance<'a>(
        &self,
        sessions: &Sessions,
        page: Page<'_>,
        roster: &'a Roster,
        head: &Parts,
        asked: &access::Asked<'_>,
    ) -> Result<Found<'a>, Unfit> {
        const MISSING: &str =
            "nothing here: there is one role, its credentials and its region, where they are known";
        if page == Page::Session {
            return Ok(Found::Answer(metadata::session(sessions, head)?));
        }
        metadata::admit(sessions, head, asked)?;
        let entry = metadata::role(page, roster);
        if let Some(entry) = entry {
            welcome(&entry.role, &self.from.caller)?;
        }
        let entry = entry.ok_or_else(|| Refusal::not_found(MISSING))?;
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(Refusal::method(READING).into());
        }
        match page {
            Page::Role(_) => Ok(Found::Role(entry)),
            _ => Ok(Found::Answer(metadata::word(page, entry).ok_or_else(|| Refusal::not_found(MISSING))?)),
        }
    }

    /// The entry if the bearer may have it. Holders of a role's own token do not learn which other roles exist.
    fn permitted<'a>(
        &self,
        found: Option<&'a Entry>,
        bearer: Bearer<'_>,
    ) -> Result<Option<&'a Entry>, Unfit> {
        match found {
            Some(entry) if bearer.opens(&entry.role) => {
                welcome(&entry.role, &self.from.caller)?;
                Ok(Some(entry))
            }
            None if bearer.main => Ok(None),
            _ => Err(Refusal::role_denied().into()),
        }
    }

    /// Why there is nothing, with the roles that this token opens to whoever asks.
    fn missing(&self, target: &Target<'_>, roster: &Roster, bearer: Bearer<'_>) -> String {
        const SHOWN: usize = 10;
        let open = roster.iter().filter(|entry| bearer.opens(&entry.role));
        let open = open.filter(|entry| welcome(&entry.role, &self.from.caller).is_ok());
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
}

/// What a request waits for.
enum Later {
    /// The first walk, which is under way.
    Walk(RoleName, Handle),
    /// Who asks has to be found out.
    Meeting,
}

impl Later {
    async fn wait(mut self, head: Parts, endpoint: Endpoint, begun: Instant) -> Answer {
        let (shared, peer) = (&endpoint.shared, endpoint.from.peer.as_ref());
        let handler = endpoint.face(&head).handler();
        let _until_answered = shared.in_flight(handler);
        loop {
            match self {
                Self::Meeting => {
                    endpoint.from.caller.find().await;
                    match endpoint.answer(&head, begun) {
                        Ok(reply) => return Ok(reply),
                        Err(later) => self = later,
                    }
                }
                Self::Walk(role, handle) => {
                    let role_now = handle.settled(PATIENCE.saturating_sub(begun.elapsed())).await;
                    let answered = Answered { begun, at: shared.clock.now() };
                    return Ok(finish(
                        shared,
                        &head,
                        &role,
                        &role_now,
                        Came { answered, waited: true, peer, handler },
                    ));
                }
            }
        }
    }
}

/// Why a request gets no role, as yet.
enum Unfit {
    Refused(Refusal),
    /// The role wants to know who asks.
    Unmet,
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// When a request came and was answered, whether nothing usable was held at first, and from whom.
struct Came<'a> {
    answered: Answered,
    waited: bool,
    peer: Option<&'a Arc<Peer>>,
    handler: &'static str,
}

/// The service that a client takes us for.
#[derive(Clone, Copy, Debug)]
enum Face<'a> {
    Container,
    Instance(Page<'a>),
}

const INSTANCE: &str = "imds";

impl Face<'_> {
    fn handler(self) -> &'static str {
        match self {
            Self::Container => "credentials",
            Self::Instance(_) => INSTANCE,
        }
    }
}

/// What a request is about.
enum Found<'a> {
    Role(&'a Entry),
    /// No role's credentials.
    Answer(Reply),
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
        if came.handler == INSTANCE { reply::instance(&usable) } else { reply::credentials(&usable) }
    } else {
        let trace = role_now.last.as_ref().map(|walk| (shared.shown)(walk.trace));
        (facts.cache, facts.failure) = (Some(CacheUse::Miss), Some((role_now.reason(now).cause, trace)));
        Refusal::unavailable(role, role_now, now, trace).reply()
    };
    shared.served(came.handler, head, reply.status(), came.answered, facts);
    reply
}

const READING: &str = "GET, HEAD";

/// Whether that user is one of the role's.
///
/// # Errors
/// Nobody knows who asks, or it is somebody else.
fn welcome(role: &Role, caller: &Caller) -> Result<(), Unfit> {
    let Some(users) = &role.allow else { return Ok(()) };
    match caller.user() {
        User::Is(uid) if users.contains(&uid) => Ok(()),
        User::Is(_) => Err(Refusal::peer_denied("this role is for other users than the one who asks").into()),
        User::Unknown => {
            Err(Refusal::peer_denied("it cannot be known who asks, and this role is for some users only")
                .into())
        }
        User::ToBeFound => Err(Unfit::Unmet),
    }
}
