//! Keys written down in one of the AWS files, each file by itself: botocore never completes one from the other.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::{self, BoxFuture};

use super::Source;
use super::keys::{self, Written};
use super::profile::files::AwsFile;
use super::profile::merge::{Profile, Setting};
use super::shell::sed;
use crate::cause;
use crate::credentials::{AccountId, Credentials, SourceKind};
use crate::failure::{Failure, Remedy};
use crate::report::{Look, Notes, Stored};
use crate::secret::Secret;

/// The static keys of a profile in one file.
#[derive(Clone, Debug)]
pub struct Statics {
    kind: SourceKind,
    name: String,
    file: Arc<Path>,
    unreadable: Option<Failure>,
    profile: Option<Profile>,
}

const KEY_ID: &str = "aws_access_key_id";
const SECRET_KEY: &str = "aws_secret_access_key";
/// The older name first, as botocore has it; one that is there and empty hides the other.
const TOKENS: [&str; 2] = ["aws_security_token", "aws_session_token"];

impl Statics {
    /// The keys of `profile`, which is what `file` alone says about `name`.
    #[must_use]
    pub fn new(kind: SourceKind, name: &str, file: &AwsFile, profile: Option<Profile>) -> Self {
        let (path, unreadable) = (Arc::clone(&file.path), file.unreadable.clone());
        Self { kind, name: name.to_owned(), file: path, unreadable, profile }
    }

    fn look(&self, notes: &mut Notes) -> Result<Credentials, Failure> {
        let Some(profile) = &self.profile else { return Err(self.absent()) };
        let Some(key_id) = profile.setting(KEY_ID) else {
            let also =
                if profile.has(SECRET_KEY) { ", only a secret, which botocore passes over" } else { "" };
            let context = format!("{} has no {KEY_ID} for profile {}{also}", self.file.display(), self.name);
            return Err(Failure::not_configured(context));
        };
        notes.looked.push(Look::Setting {
            path: key_id.file.to_path_buf(),
            line: key_id.line,
            saw: KEY_ID.to_owned(),
        });
        let secret = profile.setting(SECRET_KEY).ok_or_else(|| self.half(profile, key_id))?;
        let token = TOKENS.into_iter().find_map(|name| Some((name, profile.setting(name)?)));
        let token = token.map(|(name, at)| Ok::<_, Failure>((name, at, at.text(name)?))).transpose()?;
        let token = token.filter(|(_, _, text)| !text.is_empty());
        let account = profile.text("aws_account_id")?;
        let (id_text, secret_text) = (filled(KEY_ID, key_id, secret)?, filled(SECRET_KEY, secret, key_id)?);
        let keys = [(KEY_ID, key_id, id_text), (SECRET_KEY, secret, secret_text)].into_iter().chain(token);
        let keys = keys.map(|(name, at, value)| Written { name, value, file: &at.file, line: at.line });
        notes.doubts.extend(keys::of_file(&keys.collect::<Vec<_>>()));
        let found = Credentials {
            access_key_id: id_text.to_owned(),
            secret_access_key: Secret::new(secret_text),
            session_token: token.map(|(_, _, text)| Secret::new(text)),
            expires_at: None,
            account_id: account.and_then(AccountId::parse),
            role_arn: None,
        };
        notes.stored = Some(Stored::keys(Some(&self.file), &found));
        Ok(found)
    }

    /// A key id without its secret, which may stand there under another name.
    fn half(&self, profile: &Profile, key_id: &Setting) -> Failure {
        let context =
            format!("{key_id}: profile {} has {KEY_ID} and no {SECRET_KEY} in this file", self.name);
        let failure = Failure::misconfigured(&cause::FILE_PARTIAL, context);
        let near = profile.iter().find(|(name, _)| name.starts_with("aws") && name.contains("secret"));
        let file = self.file.display();
        if let Some((name, at)) = near {
            let rename = sed(&format!("{}s/^[^=:]*/{SECRET_KEY} /", at.line), file);
            return failure.mend(Remedy::command(format!("{name} is not read: rename it"), rename));
        }
        let text = format!("remove {KEY_ID}, so that the next source is asked");
        failure
            .mend(Remedy::new(format!("add {SECRET_KEY} below line {}", key_id.line)))
            .mend(Remedy::command(text, sed(&format!("{}d", key_id.line), file)))
    }

    fn absent(&self) -> Failure {
        // A file that may not be read is no file to botocore, and most likely the reason why nothing is found.
        self.unreadable.clone().unwrap_or_else(|| {
            let context = format!("{} says nothing about profile {}", self.file.display(), self.name);
            Failure::not_configured(context)
        })
    }
}

/// botocore would serve an empty key; that can only fail later and elsewhere.
fn filled<'a>(key: &str, setting: &'a Setting, other: &Setting) -> Result<&'a str, Failure> {
    let text = setting.text(key)?;
    if text.is_empty() {
        let (file, lines) = (setting.file.display(), format!("{}d;{}d", setting.line, other.line));
        let both = Remedy::command("remove both keys, so that the next source is asked", sed(&lines, file));
        return Err(Failure::misconfigured(&cause::FILE_EMPTYVAL, format!("{setting}: {key} is empty"))
            .mend(Remedy::new(format!("fill in {key} in line {}", setting.line)))
            .mend(both));
    }
    Ok(text)
}

impl Source for Statics {
    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn fetch<'a>(&'a self, notes: &'a mut Notes) -> BoxFuture<'a, Result<Credentials, Failure>> {
        Box::pin(future::ready(self.look(notes)))
    }

    fn is_local(&self) -> bool {
        true
    }
}
