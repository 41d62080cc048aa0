//! DEV
use crate::cli::{Scene, exit::Exit, signals::Signals, stop::Stop};
/// DEV
pub async fn run(_command: &[std::ffi::OsString], _scene: &Scene, _signals: Signals) -> Result<Exit, Stop> {
    Err(Stop::new(Exit::Internal, "the demo is not built yet"))
}
