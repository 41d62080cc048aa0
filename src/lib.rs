//! keyfob serves the credentials that boto3 would find, kept fresh, to every AWS SDK; and says why when there are none.
//!
//! # The map
//!
//! ```text
//! files, env ──> config ──> agent builds ──> Chain ─resolve─> Resolution ──> Keeper ─store─> ArcSwap<Snapshot>
//! watcher ── paths changed ─────────────────────────────nudge────^   │                          │ load
//!                                                                  Event                   Handle::get
//!                                         telemetry <── Observe <──┴──── Event(Served) ── server routes ──> client
//! ```
//!
//! Nothing flows back: the server never asks a source, telemetry never asks a keeper, the watcher never parses a file.
//! A module imports only from rows below its own (`tests/layers` holds it to that):
//!
//! ```text
//! 7  main, cli, demo
//! 6  agent                  joins the parts: configuration, tasks, reloads
//! 5  server                 two listeners: credentials (token), admin (probes, metrics, status)
//! 4  roster, telemetry      which roles there are; events into metrics, log lines, traces
//!    supervisor             the same events in systemd's words
//! 3  keeper                 one task a role: walk, judge, store, sleep
//! 2  chain, event, watcher  one walk; what happened; which files changed
//! 1  source, aws, http, report
//! 0  clock, moment, secret, shutdown, credentials, cause, failure, file, config, wiring, program
//! ```
//!
//! # Words
//!
//! A *role* is a configured name under which one set of credentials is kept (it may or may not assume an IAM role).
//! A *source* is one place where credentials can come from; the *chain* is their order, botocore's; a *walk* asks the
//! chain once and leaves a *resolution*, its report. A *cause* is a known reason for failure, with a code. The *bond* is
//! what a role must not drift from: source and account of the first answer it adopted. *Usable* is what may be served
//! now; *settled* is a file that nobody is writing.
//!
//! # Decisions
//!
//! 2026-11: **Readers never cause a walk**, because a version in which they woke the keeper asked a dying source five
//! times as often. One task a role then makes "one upstream call at a time" true without a lock.
//!
//! 2026-11: **What is adopted is one pure function** (`keeper::judge`), because a role that silently becomes another
//! identity is the worst thing an agent can do, and a table can be tested in every cell.
//!
//! 2026-11: **AWS's own client signs and parses, our HTTP client carries**, instead of the SDK's default stack: one TLS
//! stack, failures told apart by the step they happened at, and no second connection pool.
//!
//! 2026-11: **A panic ends a release build** (`panic = "abort"`): the binary is smaller, a fresh connection costs fewer
//! instructions, and an agent without one of its parts must not limp on. The supervisor starts it again.
//!
//! 2026-11: **Spans are made from the finished report**, not while a walk goes on: then it is known whether anybody wants
//! them, and no library's span can carry a secret along. The few messages of OTLP are written here and go out through
//! `http`, because the SDK's exporter has a thread of its own and reads the environment behind our back.
//!
//! 2026-11: **The next state of a sign-in has its file before the refresh token is spent**, under a lock on the folder:
//! a refresh token may be good once, so one whose successor cannot be kept must not be used.
//!
//! 2026-11: **One thread serves**, because an answer is a pointer load and the kernel does most of the work; what may
//! block (files, names) runs beside it.

pub mod agent;
pub mod aws;
pub mod cause;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod demo;
pub mod event;
pub mod failure;
pub mod file;
pub mod http;
pub mod keeper;
pub mod moment;
pub mod program;
pub mod report;
pub mod roster;
pub mod secret;
pub mod server;
pub mod shutdown;
pub mod source;
pub mod supervisor;
pub mod telemetry;
pub mod watcher;
pub mod wiring;
