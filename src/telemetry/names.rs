//! Every metric by name: what it counts and by what. The registry is filled from here and README is compared with it.

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// The word of the exposition formats.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric as it is documented.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// As a scraper sees it, `_total` included.
    pub name: &'static str,
    /// Which kind.
    pub kind: Kind,
    /// Label names.
    pub labels: &'static [&'static str],
    /// One line.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Name {
    Name { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Name {
    Name { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Name {
    Name { name, kind: Kind::Histogram, labels, help }
}

pub(super) static RESOLUTIONS: Name = counter(
    "keyfob_resolutions_total",
    &["role", "source", "outcome", "reason"],
    "Complete chain walks; source is the one that provided, or none",
);
pub(super) static RESOLUTION_DURATION: Name =
    histogram("keyfob_resolution_duration_seconds", &["role", "outcome"], "Wall time of a chain walk");
pub(super) static ATTEMPTS: Name = counter(
    "keyfob_source_attempts_total",
    &["source", "result", "reason"],
    "Sources consulted; result is found, not_configured, disabled, skipped or failed",
);
pub(super) static ATTEMPT_DURATION: Name = histogram(
    "keyfob_source_attempt_duration_seconds",
    &["source", "result"],
    "Time spent in one source that was configured; not with metrics = \"core\"",
);
pub(super) static REFRESHES: Name = counter(
    "keyfob_refreshes_total",
    &["role", "trigger", "outcome", "reason"],
    "Refreshes by what started them; outcome is success, failure or undecided",
);
pub(super) static REFRESH_DURATION: Name = histogram(
    "keyfob_refresh_duration_seconds",
    &["role", "outcome"],
    "Wall time of a refresh, by what became of its answer",
);
pub(super) static SOURCE_ACTIVE: Name =
    gauge("keyfob_source_active", &["role", "source"], "1 for the source now supplying the role, else 0");
pub(super) static SOURCE_EXPECTED: Name = gauge(
    "keyfob_source_expected",
    &["role", "source"],
    "1 if the source now supplying the role is in its expect.sources, or none are given",
);
pub(super) static SOURCE_CHANGES: Name =
    counter("keyfob_source_changes_total", &["role"], "Times the supplying source became another one");
pub(super) static IDENTITY: Name = gauge(
    "keyfob_identity_info",
    &["role", "account_id", "principal"],
    "1; whose credentials are held, as their source names them; only with telemetry.identity",
);
pub(super) static REQUIRED: Name =
    gauge("keyfob_role_required", &["role"], "1 if readiness and paging count the role");
pub(super) static EXTENDED: Name = gauge(
    "keyfob_credentials_extended",
    &["role"],
    "1 while metadata credentials are served past their expiry because the service is down",
);
pub(super) static AVAILABLE: Name =
    gauge("keyfob_credentials_available", &["role"], "1 while credentials can be served");
pub(super) static EXPIRATION: Name = gauge(
    "keyfob_credentials_expiration_timestamp_seconds",
    &["role"],
    "True expiry of the credentials held; absent without one",
);
pub(super) static ISSUED: Name = gauge(
    "keyfob_credentials_issued_timestamp_seconds",
    &["role"],
    "Time when the credentials held were first seen",
);
pub(super) static LIFETIME: Name = gauge(
    "keyfob_credentials_lifetime_seconds",
    &["role"],
    "From issue to expiry of the credentials held; absent without expiry",
);
pub(super) static CREDENTIALS: Name = gauge(
    "keyfob_credentials_info",
    &["role", "kind"],
    "1; kind of the credentials held: temporary or static",
);
pub(super) static WARNINGS: Name = gauge(
    "keyfob_role_warnings",
    &["role", "reason"],
    "1 for each of the first four things that `status` warns of though credentials are served",
);
pub(super) static LAST_ATTEMPT: Name =
    gauge("keyfob_refresh_last_attempt_timestamp_seconds", &["role"], "Start of the last refresh");
pub(super) static LAST_SUCCESS: Name = gauge(
    "keyfob_refresh_last_success_timestamp_seconds",
    &["role"],
    "End of the last refresh that gave good credentials",
);
pub(super) static NEXT: Name = gauge(
    "keyfob_refresh_next_timestamp_seconds",
    &["role"],
    "Next planned refresh; absent when none is planned",
);
pub(super) static FAILURES: Name =
    gauge("keyfob_refresh_consecutive_failures", &["role"], "Failed refreshes since the last good one");
pub(super) static CACHE: Name = counter(
    "keyfob_cache_requests_total",
    &["role", "result"],
    "Requests for credentials by what they were answered from: hit, miss or stale_served",
);
pub(super) static REQUESTS: Name = counter(
    "keyfob_http_requests_total",
    &["handler", "role", "code"],
    "Requests answered; handler is credentials, imds, health, metrics, status, explain, refresh or other",
);
pub(super) static REQUEST_DURATION: Name = histogram(
    "keyfob_http_request_duration_seconds",
    &["handler"],
    "From the parsed head of a request to its answer",
);
pub(super) static IN_FLIGHT: Name = gauge(
    "keyfob_http_requests_in_flight",
    &["handler"],
    "Requests that wait for their answer; those answered at once never do",
);
pub(super) static REJECTED: Name = counter(
    "keyfob_http_connections_rejected_total",
    &["reason"],
    "Connections not served; reason is limit, malformed or tls",
);
pub(super) static REMAINING: Name = histogram(
    "keyfob_served_remaining_lifetime_seconds",
    &["role"],
    "Life left in credentials at the moment they were handed out",
);
pub(super) static AUTH_REJECTIONS: Name = counter(
    "keyfob_auth_rejections_total",
    &["reason"],
    "Requests refused for who asks; reason is missing_token, bad_token, bad_host_header, forwarded_header, role_denied or peer_denied",
);
pub(super) static WATCHED: Name = gauge(
    "keyfob_watched_files",
    &["kind"],
    "Files followed; kind is config, credentials, agent_config, token, sso_cache or ca_bundle",
);
pub(super) static FILE_EVENTS: Name = counter(
    "keyfob_file_events_total",
    &["kind", "event"],
    "Changes of followed files; event is modify, replace, delete or overflow",
);
pub(super) static FILE_RELOADS: Name = counter(
    "keyfob_file_reloads_total",
    &["kind", "outcome", "reason"],
    "What came of reading a file that had changed",
);
pub(super) static WATCH_UP: Name = gauge(
    "keyfob_file_watch_up",
    &["kind"],
    "1 while file events are delivered, 0 while files are only looked at every 30 s",
);
pub(super) static TOKEN_EXPIRATION: Name = gauge(
    "keyfob_token_file_expiration_timestamp_seconds",
    &["kind"],
    "Earliest expiry of the tokens that roles sign in with; kind is web_identity, pod_identity or sso",
);
pub(super) static UPSTREAM: Name = counter(
    "keyfob_upstream_requests_total",
    &["service", "operation", "outcome", "code"],
    "Requests to AWS and local endpoints; code is AWS's error code, else the HTTP status, else how far it came",
);
pub(super) static UPSTREAM_DURATION: Name = histogram(
    "keyfob_upstream_request_duration_seconds",
    &["service", "operation"],
    "Wall time of one such request; not with metrics = \"core\"",
);
pub(super) static RETRIES: Name = counter(
    "keyfob_upstream_retries_total",
    &["service", "operation"],
    "Requests made again within one walk",
);
pub(super) static THROTTLES: Name =
    counter("keyfob_upstream_throttles_total", &["service", "operation"], "Answers that asked to slow down");
pub(super) static BREAKER: Name = gauge(
    "keyfob_upstream_breaker_open",
    &["service"],
    "1 while a role that failed there waits before it asks again",
);
pub(super) static SKEW: Name = gauge(
    "keyfob_clock_skew_seconds",
    &["service"],
    "Clock of the service less the local one, median of the last 5 answers",
);
pub(super) static BUILD_INFO: Name =
    gauge("keyfob_build_info", &["version", "revision", "rustc", "features"], "Constant 1; build identity");
pub(super) static RELOAD_SUCCESSFUL: Name = gauge(
    "keyfob_config_last_reload_successful",
    &[],
    "1 if the last load or reload of the configuration succeeded",
);
pub(super) static RELOAD_TIME: Name = gauge(
    "keyfob_config_last_reload_success_timestamp_seconds",
    &[],
    "Time of the last good load of the configuration",
);
pub(super) static TRACES_EXPORTED: Name =
    counter("keyfob_traces_exported_total", &[], "Spans that the collector took");
pub(super) static TRACES_DROPPED: Name = counter(
    "keyfob_traces_dropped_total",
    &["reason"],
    "Spans lost; reason is queue_full, unreachable, refused or shutdown",
);
pub(super) static LOGS_DROPPED: Name = counter(
    "keyfob_log_events_dropped_total",
    &["reason"],
    "Lines of the log that were lost; reason is queue_full, write_failed or audit",
);
pub(super) static HEARTBEAT: Name = gauge(
    "keyfob_runtime_heartbeat_timestamp_seconds",
    &[],
    "Last time the runtime turned; every 5 s while it does",
);
pub(super) static CPU: Name =
    counter("process_cpu_seconds_total", &[], "Processor time spent, user and system");
pub(super) static RESIDENT: Name = gauge("process_resident_memory_bytes", &[], "Memory held");
pub(super) static VIRTUAL: Name = gauge("process_virtual_memory_bytes", &[], "Address space taken");
pub(super) static OPEN_FDS: Name = gauge("process_open_fds", &[], "Open files and connections");
pub(super) static MAX_FDS: Name = gauge("process_max_fds", &[], "How many may be open");
pub(super) static START: Name = gauge("process_start_time_seconds", &[], "Start of the process");
pub(super) static THREADS: Name = gauge("process_threads", &[], "Threads");

/// All metrics, in the order of the exposition.
pub static NAMES: [&Name; 54] = [
    &RESOLUTIONS,
    &RESOLUTION_DURATION,
    &ATTEMPTS,
    &ATTEMPT_DURATION,
    &REFRESHES,
    &REFRESH_DURATION,
    &SOURCE_ACTIVE,
    &SOURCE_EXPECTED,
    &SOURCE_CHANGES,
    &IDENTITY,
    &REQUIRED,
    &EXTENDED,
    &AVAILABLE,
    &EXPIRATION,
    &ISSUED,
    &LIFETIME,
    &CREDENTIALS,
    &WARNINGS,
    &LAST_ATTEMPT,
    &LAST_SUCCESS,
    &NEXT,
    &FAILURES,
    &CACHE,
    &REQUESTS,
    &REQUEST_DURATION,
    &IN_FLIGHT,
    &REJECTED,
    &REMAINING,
    &AUTH_REJECTIONS,
    &WATCHED,
    &FILE_EVENTS,
    &FILE_RELOADS,
    &WATCH_UP,
    &TOKEN_EXPIRATION,
    &UPSTREAM,
    &UPSTREAM_DURATION,
    &RETRIES,
    &THROTTLES,
    &BREAKER,
    &SKEW,
    &BUILD_INFO,
    &RELOAD_SUCCESSFUL,
    &RELOAD_TIME,
    &TRACES_EXPORTED,
    &TRACES_DROPPED,
    &LOGS_DROPPED,
    &HEARTBEAT,
    &CPU,
    &RESIDENT,
    &VIRTUAL,
    &OPEN_FDS,
    &MAX_FDS,
    &START,
    &THREADS,
];
