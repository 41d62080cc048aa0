//! The key files of the first EC2 tools and of boto 2: two keys, never a token.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Source;
use super::paths;
use super::profile::files::{self, AwsFile};
use super::profile::merge::Profile;
use super::reading;
use super::text::{lines, strip, universal_newlines};
use crate::cause;
use crate::config::env::Env;
use crate::credentials::{Credentials, SourceKind};
use crate::failure::Failure;
use crate::file::Kind;
use crate::report::{Look, Notes, Stored};
use crate::secret::Secret;

/// `AWS_CREDENTIAL_FILE`, then `BOTO_CONFIG` or boto's usual places.
#[derive(Clone, Debug)]
pub struct BotoFiles {
    env: Env,
    within: Duration,
}

const FIRST_TOOLS: [&str; 2] = ["AWSAccessKeyId", "AWSSecretKey"];
const BOTO: [&str; 2] = ["aws_access_key_id", "aws_secret_access_key"];

impl BotoFiles {
    /// The files that this environment points to.
    #[must_use]
    pub fn new(env: Env, within: Duration) -> Self {
        Self { env, within }
    }

    async fn look(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        notes.variable("AWS_CREDENTIAL_FILE", self.env.get("AWS_CREDENTIAL_FILE"));
        if let Some(named) = self.env.get("AWS_CREDENTIAL_FILE")
            && let Some(found) = self.first_tools(named, notes).await?
        {
            return Ok(found);
        }
        notes.variable("BOTO_CONFIG", self.env.get("BOTO_CONFIG"));
        let mut unreadable = None;
        for path in self.boto_places() {
            let file = files::read(Kind::Credentials, &path, self.within, notes).await?.parse()?;
            if let Some(found) = of_boto(&file, notes)? {
                return Ok(found);
            }
            unreadable = unreadable.or(file.unreadable);
        }
        Err(unreadable.unwrap_or_else(|| {
            Failure::not_configured("neither AWS_CREDENTIAL_FILE nor a boto 2 file holds keys")
        }))
    }

    fn boto_places(&self) -> Vec<PathBuf> {
        let named = self.env.get("BOTO_CONFIG");
        let places = named.map_or_else(|| vec!["/etc/boto.cfg", "~/.boto"], |named| vec![named]);
        places.into_iter().map(|place| paths::expand(place, &self.env)).collect()
    }

    /// `OriginalEC2Provider`: `AWSAccessKeyId=…` on a line. A named file that cannot be read ends botocore's chain.
    async fn first_tools(&self, named: &str, notes: &mut Notes) -> Result<Option<Credentials>, Failure> {
        let path = paths::home(named, &self.env);
        let unusable = |why: String| {
            let context = format!("AWS_CREDENTIAL_FILE is `{named}`, and {why}");
            Failure::misconfigured(&cause::FILE_UNREADABLE, context)
        };
        let bytes = reading::read(Kind::Credentials, &path, self.within, notes).await?;
        let bytes = bytes.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                unusable("there is no such file".to_owned())
            }
            io::ErrorKind::PermissionDenied => unusable(files::forbidden(&path, &cause::FILE_EACCES).context),
            _ => unusable(format!("it cannot be read: {error}")),
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is not UTF-8".to_owned()))?;
        let text = zeroize::Zeroizing::new(universal_newlines(text));
        let said = |wanted: &str| {
            let pairs =
                lines(&text).enumerate().filter_map(|(at, line)| Some((at + 1, line.split_once('=')?)));
            // Of two lines the later one counts.
            let (line, (_, value)) = pairs.filter(|(_, (key, _))| strip(key) == wanted).last()?;
            Some(Written { path: Arc::from(path.as_path()), line, text: strip(value).to_owned() })
        };
        pair(FIRST_TOOLS, FIRST_TOOLS.map(said), notes)
    }
}

/// `BotoProvider`: the section `[Credentials]`.
fn of_boto(file: &AwsFile, notes: &mut Notes) -> Result<Option<Credentials>, Failure> {
    let Some(section) = file.ini.section("Credentials") else { return Ok(None) };
    let keys = Profile::of(section, &file.path);
    let said = |key: &str| {
        let Some(setting) = keys.setting(key) else { return Ok(None) };
        let (path, line, text) = (Arc::clone(&setting.file), setting.line, setting.text(key)?.to_owned());
        Ok::<_, Failure>(Some(Written { path, line, text }))
    };
    let [key_id, secret] = BOTO;
    pair(BOTO, [said(key_id)?, said(secret)?], notes)
}

/// A value and its place.
struct Written {
    path: Arc<Path>,
    line: usize,
    text: String,
}

/// The two keys; none where there is no key id.
fn pair(
    [key_name, secret_name]: [&str; 2],
    [key_id, secret]: [Option<Written>; 2],
    notes: &mut Notes,
) -> Result<Option<Credentials>, Failure> {
    let Some(key_id) = key_id else { return Ok(None) };
    let place = |at: &Written| format!("{}:{}", at.path.display(), at.line);
    let (path, line) = (key_id.path.to_path_buf(), key_id.line);
    notes.looked.push(Look::Setting { path, line, saw: key_name.to_owned() });
    let secret = secret.ok_or_else(|| {
        let context = format!("{}: {key_name} is there and no {secret_name}", place(&key_id));
        Failure::misconfigured(&cause::FILE_PARTIAL, context)
    })?;
    // botocore would serve an empty key; that can only fail later and elsewhere.
    for (name, value) in [(key_name, &key_id), (secret_name, &secret)] {
        if value.text.is_empty() {
            let context = format!("{}: {name} is empty", place(value));
            return Err(Failure::misconfigured(&cause::FILE_EMPTYVAL, context));
        }
    }
    let found = Credentials {
        access_key_id: key_id.text,
        secret_access_key: Secret::new(secret.text),
        session_token: None,
        expires_at: None,
        account_id: None,
        role_arn: None,
    };
    notes.stored = Some(Stored::keys(Some(&key_id.path), &found));
    Ok(Some(found))
}

impl Source for BotoFiles {
    fn kind(&self) -> SourceKind {
        SourceKind::BotoFile
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(self.look(notes))
    }

    fn is_local(&self) -> bool {
        true
    }
}
