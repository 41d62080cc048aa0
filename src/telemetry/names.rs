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
    "Time spent in one source that was configured",
);
pub(super) static SOURCE_ACTIVE: Name =
    gauge("keyfob_source_active", &["role", "source"], "1 for the source now supplying the role, else 0");
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
pub(super) static REFRESHES: Name = counter(
    "keyfob_refreshes_total",
    &["role", "trigger", "outcome", "reason"],
    "Refreshes by what started them; outcome is success, failure or undecided",
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
pub(super) static REQUESTS: Name = counter(
    "keyfob_http_requests_total",
    &["handler", "role", "code"],
    "Requests answered; handler is credentials, health, metrics, status, explain, refresh or other",
);
pub(super) static REQUEST_DURATION: Name = histogram(
    "keyfob_http_request_duration_seconds",
    &["handler"],
    "From the parsed head of a request to its answer",
);
pub(super) static REJECTED: Name = counter(
    "keyfob_http_connections_rejected_total",
    &["reason"],
    "Connections not served; reason is limit or malformed",
);
pub(super) static AUTH_REJECTIONS: Name = counter(
    "keyfob_auth_rejections_total",
    &["reason"],
    "Requests refused for who asks; reason is missing_token, bad_token, bad_host_header, forwarded_header or role_denied",
);
pub(super) static WATCH_UP: Name = gauge(
    "keyfob_file_watch_up",
    &["kind"],
    "1 while file events are delivered, 0 while files are only looked at every 30 s",
);

/// All metrics, in the order of the exposition.
pub static NAMES: [&Name; 22] = [
    &BUILD_INFO,
    &RELOAD_SUCCESSFUL,
    &RELOAD_TIME,
    &RESOLUTIONS,
    &RESOLUTION_DURATION,
    &ATTEMPTS,
    &ATTEMPT_DURATION,
    &SOURCE_ACTIVE,
    &REQUIRED,
    &EXTENDED,
    &AVAILABLE,
    &EXPIRATION,
    &REFRESHES,
    &LAST_ATTEMPT,
    &LAST_SUCCESS,
    &NEXT,
    &FAILURES,
    &REQUESTS,
    &REQUEST_DURATION,
    &REJECTED,
    &AUTH_REJECTIONS,
    &WATCH_UP,
];
