//! `refresh`: makes the running agent look again now.

use super::args::Refresh;
use super::ask::{self, Agent};
use super::exit::Exit;
use super::stop::Stop;
use super::telling::exit_of;
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
    if let (false, failure) = (role.usable, role.last_failure) {
        let exit = if failure.is_some() { exit_of(failure.as_ref()) } else { Exit::Unreachable };
        let stop = failure.map_or_else(|| Stop::new(exit, "the walk has not ended yet"), Stop::from);
        return Err(stop.hint(format!("more: keyfob explain {name}")));
    }
    if let Some(failure) = &agent
        .status()
        .await?
        .roles
        .iter()
        .find(|role| role.name == name)
        .and_then(|role| role.last_failure.clone())
    {
        let says = format!("the walk failed, what is held stays: {} [{}]", failure.message, failure.code);
        scene.terminal.remark(&format!("keyfob: {says}"));
    }
    let expiry = role.expires_at.as_deref().and_then(moment::parse);
    let expiry = expiry
        .map_or("no expiry".to_owned(), |at| format!("expiry {}", moment::relative(at, scene.clock.now())));
    let source = role.source.unwrap_or_default();
    scene.terminal.answer(&format!("{name}: {} from {source}, {expiry}\n", role.state.as_str()))?;
    Ok(Exit::Good)
}
