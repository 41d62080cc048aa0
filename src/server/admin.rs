//! The admin listener: probes, metrics, status and refresh. GET never walks, and no secret is ever in an answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::Service;
use hyper::{Method, Request, StatusCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::status::{Explanation, ProblemStatus, RoleStatus, Status};
use super::{Answered, Facts, Shared, accept, access, page};
use crate::credentials::RoleName;
use crate::keeper::Handle;
use crate::roster::Entry;

/// How long `refresh` waits for a walk to end (contract 5).
const LONGEST_WALK: Duration = Duration::from_secs(30);
const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers operators, probes and scrapers.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    shared: Arc<Shared>,
    /// Whether the listener is on loopback: then status and explain need no token.
    near: bool,
    closing: CancellationToken,
}

impl Service<Request<Incoming>> for Endpoint {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (begun, endpoint) = (Instant::now(), self.clone());
        let (head, _no_body) = request.into_parts();
        Box::pin(async move { Ok(endpoint.answer(&head, begun).await) })
    }
}

impl Endpoint {
    /// Answers from what is shared.
    pub(super) fn new(shared: Arc<Shared>, near: bool, closing: CancellationToken) -> Self {
        Self { shared, near, closing }
    }

    async fn answer(&self, head: &Parts, begun: Instant) -> Reply {
        let route = Route::of(head.uri.path());
        let _until_answered = self.shared.in_flight(route.handler());
        let mut facts = Facts::default();
        let reply = match self.route(&route, head, &mut facts).await {
            Ok(reply) => reply,
            Err(refusal) => {
                facts.refused = refusal.label;
                refusal.reply()
            }
        };
        let answered = Answered { begun, at: self.shared.clock.now() };
        self.shared.served(route.handler(), head, reply.status(), answered, facts);
        reply
    }

    async fn route(&self, route: &Route<'_>, head: &Parts, facts: &mut Facts<'_>) -> Result<Reply, Refusal> {
        if route.guarded() {
            self.guard(route, head)?;
        }
        let refreshes = matches!(route, Route::Refresh(_));
        match head.method {
            _ if *route == Route::Nothing => return Err(nothing()),
            Method::POST if refreshes => {}
            _ if refreshes => return Err(Refusal::method("POST")),
            Method::GET | Method::HEAD => {}
            _ => return Err(Refusal::method("GET, HEAD")),
        }
        let now = self.shared.clock.now();
        Ok(match route {
            Route::Live => reply::text(StatusCode::OK, PLAIN, "alive\n"),
            Route::Ready => self.ready(head.uri.query()),
            Route::Started => verdict(self.shared.started(), || self.shared.waiting()),
            Route::Metrics => self.metrics(head),
            Route::Status if accept::html(&head.headers) => reply::page(self.page()),
            Route::Status => reply::data(&self.status()),
            Route::Explain(name) => {
                let entry = self.entry(name)?;
                facts.role = Some(entry.role.name.clone());
                reply::data(&Explanation::of(&entry, now, &self.shared.shown))
            }
            Route::Refresh(name) => {
                let entry = self.entry(name)?;
                facts.role = Some(entry.role.name.clone());
                refresh(&entry.handle, head.uri.query()).await;
                reply::data(&RoleStatus::of(&entry, self.shared.clock.now(), &self.shared.shown))
            }
            Route::Nothing => return Err(nothing()),
        })
    }

    /// The rules of contract 3 on form, `Host` and what stands between, then the admin token where it is needed.
    fn guard(&self, route: &Route<'_>, head: &Parts) -> Result<(), Refusal> {
        let asked = access::admit(head, Some(&self.shared.hosts))?;
        if self.near && !matches!(route, Route::Refresh(_)) {
            return Ok(());
        }
        let good = self.shared.access.doors().admin(asked.token()?);
        if good { Ok(()) } else { Err(Refusal::token_wrong()) }
    }

    fn entry(&self, name: &str) -> Result<Entry, Refusal> {
        let roster = self.shared.roster.load();
        let names = || roster.iter().map(|entry| entry.role.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = roster.find(name).cloned();
        found.ok_or_else(|| Refusal::not_found(format!("there is no such role; there are: {}", names())))
    }

    fn ready(&self, query: Option<&str>) -> Reply {
        let strict = parameters(query).any(|(name, _)| name == "credentials");
        if self.closing.is_cancelled() {
            return reply::text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "not ready: shutting down\n");
        }
        let now = self.shared.clock.now();
        let lacking = if strict { self.shared.without(now) } else { self.shared.waiting() };
        verdict(lacking.is_empty(), || lacking.clone())
    }

    fn metrics(&self, head: &Parts) -> Reply {
        let open = accept::open_metrics(&head.headers);
        let body = (self.shared.render)(open, self.shared.clock.now());
        let kind = if open {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        };
        reply::text(StatusCode::OK, kind, body)
    }

    fn page(&self) -> String {
        let now = self.shared.clock.now();
        let roster = self.shared.roster.load();
        let roles: Vec<_> =
            roster.iter().map(|entry| Explanation::of(entry, now, &self.shared.shown)).collect();
        page::page(&self.status(), &roles, now)
    }

    fn status(&self) -> Status {
        let (shared, now) = (&self.shared, self.shared.clock.now());
        let about = &shared.about;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            ready: shared.waiting().is_empty(),
            credentials_addresses: about.credentials.iter().map(ToString::to_string).collect(),
            admin_address: about.admin.map(|at| at.to_string()),
            endpoint: about.endpoint.clone(),
            token_file: about.token_file.clone(),
            admin_token_file: about.admin_token_file.clone(),
            roles: shared
                .roster
                .load()
                .iter()
                .map(|entry| RoleStatus::of(entry, now, &shared.shown))
                .collect(),
            problems: shared.problems.load().iter().map(ProblemStatus::from).collect(),
        }
    }
}

async fn refresh(handle: &Handle, query: Option<&str>) {
    let drop = parameters(query).any(|(name, value)| name == "drop" && matches!(value, "" | "true" | "1"));
    let _slow_walks_are_told_by_the_status = tokio::time::timeout(LONGEST_WALK, handle.refresh(drop)).await;
}

fn parameters(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&');
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn verdict(fine: bool, lacking: impl Fn() -> Vec<RoleName>) -> Reply {
    if fine {
        return reply::text(StatusCode::OK, PLAIN, "ready\n");
    }
    let names = lacking().iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let sentence = format!("not ready: no credentials yet for {names}\n");
    reply::text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, sentence)
}

fn nothing() -> Refusal {
    let paths = "/livez, /readyz, /startupz, /metrics, /status, /v1/explain/ROLE and POST /v1/refresh/ROLE";
    Refusal::not_found(format!("nothing here: there are {paths}"))
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Live,
    Ready,
    Started,
    Metrics,
    Status,
    Explain(&'a str),
    Refresh(&'a str),
    Nothing,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        match path {
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/startupz" => Self::Started,
            "/metrics" => Self::Metrics,
            "/status" => Self::Status,
            _ => {
                let path = path.strip_suffix('/').unwrap_or(path);
                let explain = path.strip_prefix("/v1/explain/").map(Self::Explain);
                let refresh = || path.strip_prefix("/v1/refresh/").map(Self::Refresh);
                explain.or_else(refresh).unwrap_or(Self::Nothing)
            }
        }
    }

    /// Whether who asks matters.
    fn guarded(self) -> bool {
        matches!(self, Self::Status | Self::Explain(_) | Self::Refresh(_))
    }

    /// The metric's label.
    fn handler(self) -> &'static str {
        match self {
            Self::Live | Self::Ready | Self::Started => "health",
            Self::Metrics => "metrics",
            Self::Status => "status",
            Self::Explain(_) => "explain",
            Self::Refresh(_) => "refresh",
            Self::Nothing => "other",
        }
    }
}
