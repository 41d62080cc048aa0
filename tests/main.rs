//! The one integration binary: it links once, its tests are the modules below.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise and runs on the host's clock; clippy's in-tests settings do not reach helper functions"
)]
#![expect(unreachable_pub, reason = "`pub` says what the support modules offer to the suites")]

mod agent;
mod catalogue;
mod causes;
mod cli;
mod containers;
mod demo;
mod fake_aws;
mod helm;
mod kube;
mod laws;
mod layers;
mod logs;
mod monitoring;
mod network;
mod packages;
mod parity;
mod pods;
mod sdk;
mod sign_in;
mod support;
mod systemd;
mod traces;
