//! Codes of MFA devices: somebody has to type them, so there is one only where somebody sits.

use std::fmt;

use futures_util::future::BoxFuture;

use super::profile::plan::{Hop, Plan};
use super::shell::quoted;
use crate::aws::Mfa;
use crate::cause;
use crate::failure::{Failure, Remedy};
use crate::secret::Secret;

/// Whoever can be asked for codes.
pub trait Codes: fmt::Debug + Send + Sync {
    /// Asks for the code of the device with that serial number, for that profile.
    ///
    /// # Errors
    /// Nobody is there, or no code was given.
    fn ask<'a>(&'a self, profile: &'a str, serial: &'a str) -> BoxFuture<'a, Result<Secret, Failure>>;
}

/// STS takes no shorter one (`serialNumberType`).
const SHORTEST: usize = 9;

/// The failure of a plan that needs a code where nobody can be asked.
pub(super) fn needed(plan: &Plan) -> Option<Failure> {
    let (hop, device) = plan.hops.iter().rev().find_map(|hop| Some((hop, hop.mfa.as_ref()?)))?;
    let context = format!("{}: profile {} needs an MFA code (mfa_serial)", device.place, hop.profile);
    let ask = format!("keyfob exec --profile {} -- COMMAND", quoted(&hop.profile));
    Some(
        Failure::misconfigured(&cause::PROFILE_MFA, context)
            .mend(Remedy::new("use SSO (`aws configure sso`), or a role whose trust policy asks for no MFA"))
            .mend(Remedy::command("at a terminal, be asked for the code", ask)),
    )
}

/// The codes for a plan's roles, in their order; asked for from the outermost on and before anything else, as botocore
/// does.
pub(super) async fn codes(hops: &[Hop], codes: Option<&dyn Codes>) -> Result<Vec<Option<Mfa>>, Failure> {
    let mut all = Vec::new();
    for hop in hops.iter().rev() {
        all.push(match (&hop.mfa, codes) {
            (Some(device), Some(codes)) => {
                let (place, serial) = (&device.place, &device.serial);
                if serial.chars().count() < SHORTEST {
                    let context =
                        format!("{place}: mfa_serial `{serial}` has fewer than {SHORTEST} characters");
                    return Err(Failure::misconfigured(&cause::STS_VALIDATION, context));
                }
                let code = codes.ask(&hop.profile, serial).await?;
                Some(Mfa { serial: serial.clone(), code })
            }
            _ => None,
        });
    }
    all.reverse();
    Ok(all)
}
