//! How AWS is asked, as environment and profile say: whom to trust, how often to try.

use super::Session;
use crate::aws::{Manner, Mode, Tries};
use crate::failure::Failure;
use crate::source::paths;

impl Session {
    /// How AWS is asked. botocore looks at these when it makes a client, whichever it is.
    ///
    /// An empty bundle is none: botocore takes it as a wish to trust everybody.
    pub(super) fn manner(&self) -> Result<Manner, Failure> {
        let bundle = self.value("AWS_CA_BUNDLE", "ca_bundle").or_else(|| self.env.get("REQUESTS_CA_BUNDLE"));
        let bundle = bundle.filter(|path| !path.is_empty());
        let authorities = bundle.map(|path| paths::home(path, &self.env));
        Ok(Manner { authorities, tries: self.tries()? })
    }

    fn tries(&self) -> Result<Tries, Failure> {
        let (variable, key) = ("AWS_DEFAULTS_MODE", "defaults_mode");
        let defaults = self.value(variable, key).map(str::to_lowercase);
        let usual = match defaults.as_deref() {
            None | Some("legacy") => Mode::Legacy,
            Some("standard" | "in-region" | "cross-region" | "mobile" | "auto") => Mode::Standard,
            Some(_) => return Err(self.strange(variable, key, "which is no mode of defaults")),
        };
        let (variable, key) = ("AWS_RETRY_MODE", "retry_mode");
        let mode = match self.value(variable, key) {
            None => usual,
            Some("legacy") => Mode::Legacy,
            Some("standard" | "adaptive") => Mode::Standard,
            Some(_) => {
                return Err(self.strange(variable, key, "neither `legacy` nor `standard` nor `adaptive`"));
            }
        };
        let (variable, key) = ("AWS_MAX_ATTEMPTS", "max_attempts");
        let most = match self.number(variable, key)? {
            None => mode.tries(),
            Some(0) => return Err(self.strange(variable, key, "less than 1")),
            Some(most) => u32::try_from(most).unwrap_or(u32::MAX),
        };
        Ok(Tries { most, mode })
    }
}
