//! The charts on a real API server, as `tests/tools/setup` built it: installed, admitted, refused.

pub mod cluster;
mod injection;
mod kustomize;
mod life;
mod readme;
mod schemas;
