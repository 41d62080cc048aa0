//! `refresh`: makes the running agent look again now.

use super::args::Refresh;
use super::ask::{self, Agent};
use super::exit::Exit;
use super::stop::Stop;
use super::{Scene, moment};

/// Walks, and says how the role stands then.
///
/// # Errors
/// No agent, no such role, or no right to ask for it.
pub(super) async fn run(args: &Refresh, scene: &Scene) -> Result<Exit, Stop> {
    let agent = Agent::find(&scene.global, &scene.env)?;
    let status = agent.status().await?;
    let name = ask::meant(&status, args.role.as_ref())?.name.clone();
    let role = agent.refresh(&name, args.drop).await?;
    match role.last_failure {
        Some(failure) if !role.usable => {
            return Err(Stop::from(failure).hint(format!("more: keyfob explain {name}")));
        }
        Some(failure) => {
            let says = format!("what is held stays: {} [{}]", failure.message, failure.code);
            scene.terminal.remark(&format!("keyfob: {says}"));
        }
        None if !role.usable => return Err(Stop::new(Exit::Unreachable, "the walk has not ended yet")),
        None => {}
    }
    let expiry = role.expires_at.as_deref().and_then(moment::parse);
    let expiry = expiry
        .map_or("no expiry".to_owned(), |at| format!("expiry {}", moment::relative(at, scene.clock.now())));
    let source = role.source.unwrap_or_default();
    scene.terminal.answer(&format!("{name}: {} from {source}, {expiry}\n", role.state.as_str()))?;
    Ok(Exit::Good)
}
