//! Recognises the key files of boto 2 and the first EC2 tools, so that they are never passed over in silence.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Source;
use super::paths;
use super::profile::files;
use crate::cause;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::Failure;
use crate::file::Kind;
use crate::report::Notes;

/// `AWS_CREDENTIAL_FILE`, then `BOTO_CONFIG` or boto's usual places.
#[derive(Clone, Debug)]
pub struct BotoFiles {
    env: Env,
    within: Duration,
}

impl BotoFiles {
    /// The files that this environment points to.
    #[must_use]
    pub fn new(env: Env, within: Duration) -> Self {
        Self { env, within }
    }

    async fn look(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        notes.variable("AWS_CREDENTIAL_FILE", self.env.get("AWS_CREDENTIAL_FILE"));
        if let Some(named) = self.env.get("AWS_CREDENTIAL_FILE") {
            self.first_tools(named, notes).await?;
        }
        notes.variable("BOTO_CONFIG", self.env.get("BOTO_CONFIG"));
        for path in self.boto_places() {
            let file = files::read(Kind::Credentials, &path, self.within, notes).await?.parse()?;
            let keys = file.ini.section("Credentials").and_then(|keys| keys.entries.get("aws_access_key_id"));
            if let Some(key) = keys {
                return Err(unsupported(format!("{}:{} holds keys for boto 2", path.display(), key.line)));
            }
        }
        Err(Failure::not_configured("neither AWS_CREDENTIAL_FILE nor a boto 2 file holds keys"))
    }

    fn boto_places(&self) -> Vec<PathBuf> {
        let named = self.env.get("BOTO_CONFIG");
        let places = named.map_or_else(|| vec!["/etc/boto.cfg", "~/.boto"], |named| vec![named]);
        places.into_iter().map(|place| paths::expand(place, &self.env)).collect()
    }

    /// `AWSAccessKeyId=…` on a line; a named file that cannot be read ends botocore's chain.
    async fn first_tools(&self, named: &str, notes: &mut Notes) -> Result<(), Failure> {
        let path = paths::home(named, &self.env);
        let taken = files::read(Kind::Credentials, &path, self.within, notes).await?;
        let Some(bytes) = taken.bytes else {
            let why = taken.unreadable.map_or_else(|| "there is no such file".to_owned(), |why| why.context);
            let context = format!("AWS_CREDENTIAL_FILE is `{named}`, and {why}");
            return Err(Failure::misconfigured(&cause::FILE_UNREADABLE, context));
        };
        let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        let holds = text.lines().filter_map(|line| line.split_once('='));
        if holds.into_iter().any(|(key, _)| key.trim() == "AWSAccessKeyId") {
            return Err(unsupported(format!("{} holds keys (AWS_CREDENTIAL_FILE)", path.display())));
        }
        Ok(())
    }
}

fn unsupported(what: String) -> Failure {
    Failure::misconfigured(&cause::PROFILE_UNSUPPORTED, what + ": not supported yet")
}

impl Source for BotoFiles {
    fn kind(&self) -> SourceKind {
        SourceKind::BotoFile
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.look(notes))
    }
}
