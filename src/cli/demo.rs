//! `demo`: the main job on a built-in fake AWS.

use super::Scene;
use super::args::Demo;
use super::exit::Exit;
use super::signals::Signals;
use super::stop::Stop;

/// Runs it.
///
/// # Errors
/// What kept it from starting.
pub(super) async fn run(args: &Demo, scene: &Scene, signals: Signals) -> Result<Exit, Stop> {
    crate::demo::run(&args.command, scene, signals).await
}
