//! `env`: the wiring for the running agent, in whatever format; never a secret.

use super::args::{EnvArgs, Whose};
use super::ask::{self, Agent};
use super::exit::Exit;
use super::stop::Stop;
use super::walk::Subject;
use super::{Scene, shadows};
use crate::credentials::{RoleName, SourceKind};
use crate::server::status::RoleStatus;
use crate::wiring::{Format, Wiring};

/// Prints the wiring.
///
/// # Errors
/// No agent, or no such role.
pub(super) async fn run(args: &EnvArgs, scene: &Scene) -> Result<Exit, Stop> {
    let agent = Agent::find(&scene.global, &scene.env)?;
    let status = agent.status().await?;
    let role = ask::meant(&status, args.role.as_ref())?;
    let endpoint = format!("{}/v1/credentials/{}", ask::endpoint(&status)?, role.name);
    let token_file = role.token_file.as_ref().unwrap_or(&status.token_file).to_string_lossy();
    let region = match &role.region {
        Some(region) => Some(region.clone()),
        None => region(role, scene).await,
    };
    let wiring = Wiring::new(&endpoint, &token_file, region.as_deref(), &scene.env);
    scene.terminal.answer(&wiring.write(args.format))?;
    warn(&wiring, args.format, scene).await;
    Ok(Exit::Good)
}

/// The region as the same role's configuration and files say it here: those of an agent that runs as another user may
/// differ, and then nothing is found.
async fn region(role: &RoleStatus, scene: &Scene) -> Option<String> {
    let whose = Whose { role: RoleName::parse(&role.name), profile: None };
    let subject = Subject::find(&scene.global, &whose, &scene.env).ok()?;
    let source = role.source.as_deref().and_then(SourceKind::parse)?;
    let session = subject.session(&scene.env).await;
    subject.region(session.as_ref(), &scene.env, &scene.clock, source).await
}

/// What would win over the endpoint in spite of the wiring.
async fn warn(wiring: &Wiring, format: Format, scene: &Scene) {
    let set = wiring.contradicted(&scene.env);
    if !format.unsets() && !set.is_empty() {
        let says =
            format!("this format cannot unset variables: {} would win over the endpoint", set.join(", "));
        scene.terminal.remark(&format!("keyfob: {says}"));
    }
    for shadow in shadows::of(&scene.env).await {
        scene.terminal.remark(&format!("keyfob: {shadow}"));
    }
}
