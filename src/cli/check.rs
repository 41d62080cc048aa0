//! `check`: whether the configuration is right, and what is in force.

use super::Scene;
use super::args::Check;
use super::exit::Exit;
use super::stop::Stop;
use crate::config::parse::load;
use crate::config::print::print;
use crate::telemetry;

/// Judges the file; with `--print`, shows what is in force.
///
/// # Errors
/// Every problem.
pub(super) fn run(args: &Check, scene: &Scene) -> Result<Exit, Stop> {
    let flags = scene.overrides();
    let loaded = load(scene.global.config.as_deref(), &scene.env)?;
    let config = flags.apply(&loaded)?;
    let text = if args.print {
        print(&config, &loaded, &flags) + &telemetry::traces::print(&scene.env)
    } else {
        let roles: Vec<&str> = config.roles.iter().map(|role| role.name.as_str()).collect();
        match &loaded.path {
            Some(path) => format!("{} is right; roles: {}\n", path.display(), roles.join(", ")),
            None => {
                "there is no configuration file, which is right: one role, default, with the whole chain\n"
                    .to_owned()
            }
        }
    };
    scene.terminal.answer(&text)?;
    Ok(Exit::Good)
}
