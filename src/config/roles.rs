//! Reads the roles of a configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::raw::Section;
use super::{Assume, Auth, Config, Expect, Role, StaticKeys, Vars, kinds};
use crate::credentials::{RoleName, SourceKind};

/// Every `[[role]]`; without any, the one that exists without configuration.
pub(super) fn roles(top: &mut Section<'_, '_>, auth: &Auth) -> Vec<Role> {
    let read = top.sections("role", |section| Some(role(section, auth)));
    let mut roles: Vec<Role> = Vec::new();
    for item in read {
        let Some(role) = &item.value else { continue };
        if roles.iter().any(|before| before.name == role.name) {
            let is = format!("a second role named \"{}\"", role.name);
            top.problem_at(&item, is, "a name of its own for each role");
        }
        roles.extend(item.value);
    }
    if roles.is_empty() { Config::default().roles } else { roles }
}

fn role(mut at: Section<'_, '_>, auth: &Auth) -> Option<Role> {
    let name = at.read("name", kinds::role_name);
    if !at.has("name") && !at.torn() {
        at.problem("name", "no name", "name = \"…\", 1 to 64 letters, digits, '.', '_' or '-'");
    }
    let default = Role::named(name.clone().unwrap_or_else(RoleName::default_role));
    let sources = sources(&mut at);
    let role = Role {
        profile: at.read("profile", kinds::text),
        assume: assume(&mut at),
        required: at.read("required", kinds::flag).unwrap_or(default.required),
        static_keys: at.read("static_keys", kinds::static_keys).unwrap_or(StaticKeys::AsIs),
        expect: expect(at.section("expect"), sources.as_deref()),
        allow_drift: at.read("allow_drift", kinds::flag).unwrap_or(default.allow_drift),
        imds_extend: at.read("imds_extend", kinds::flag).unwrap_or(default.imds_extend),
        tokens: tokens(&mut at, auth),
        allow: allow(at.section("allow")),
        env: variables(at.section("env")),
        sources,
        ..default
    };
    for (key, what) in LATER {
        at.later(key, what);
    }
    at.close();
    name.map(|_| role)
}

/// Keys of a role that the contract knows and this version does not.
const LATER: [(&str, &str); 7] = [
    ("process", "a command of the role's own"),
    ("web_identity", "a web identity of the role's own"),
    ("roles_anywhere", "IAM Roles Anywhere"),
    ("policy", "a session policy"),
    ("tags", "session tags"),
    ("transitive_tags", "transitive session tags"),
    ("source_identity", "a source identity"),
];

fn sources(at: &mut Section<'_, '_>) -> Option<Vec<SourceKind>> {
    let items = at.list("sources", "sources, such as [\"env\", \"profile\"]", kinds::sources)?;
    if at.has_empty("sources") {
        at.problem("sources", "an empty list", "at least one source; or no such line, which allows all");
    }
    let mut kinds: Vec<SourceKind> = items.into_iter().flat_map(|item| item.value).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Some(kinds)
}

fn assume(at: &mut Section<'_, '_>) -> Option<Assume> {
    let role_arn = at.read("role_arn", kinds::role_arn);
    let external_id = at.read_hidden("external_id", kinds::external_id);
    let session_name = at.read("session_name", kinds::session_name);
    let want = "a length of time from 15m to 12h, as STS allows";
    let duration =
        at.read("duration", kinds::length(Duration::from_mins(15), Duration::from_hours(12), want));
    let region = at.read("region", kinds::region);
    if !at.has("role_arn") {
        for key in ["external_id", "session_name", "duration", "region"] {
            if at.has(key) {
                at.problem(
                    key,
                    "a setting of an assumed role, and there is no role_arn",
                    "role_arn beside it",
                );
            }
        }
    }
    Some(Assume { role_arn: role_arn?, external_id, session_name, duration, region })
}

fn expect(mut at: Section<'_, '_>, allowed: Option<&[SourceKind]>) -> Expect {
    let account = at.read("account", kinds::account);
    let sources = sources(&mut at);
    if let (Some(expected), Some(allowed)) = (&sources, allowed)
        && !expected.is_empty()
        && !expected.iter().any(|kind| allowed.contains(kind))
    {
        let is = "none of these is among the role's sources";
        at.problem("sources", is, "a source that the role may use: nothing would ever be served");
    }
    at.close();
    Expect { account, sources }
}

fn tokens(at: &mut Section<'_, '_>, auth: &Auth) -> Vec<PathBuf> {
    let items = at.list("tokens", "paths of token files", kinds::path).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        if items.iter().take(index).any(|before| before.value == item.value) {
            at.problem_at(item, format!("{} stands there twice", item.value.display()), "each file once");
        }
        let of_auth = [("token_file", &auth.token_file), ("admin_token_file", &auth.admin_token_file)];
        for (key, file) in of_auth {
            if file.as_ref() == Some(&item.value) {
                at.problem_at(item, format!("the same file as auth.{key}"), "a file of the role's own");
            }
        }
    }
    items.into_iter().map(|item| item.value).collect()
}

fn allow(mut at: Section<'_, '_>) -> Option<Vec<u32>> {
    let users = at.list("uids", "numbers of users, such as [1000]", kinds::uid);
    if at.has_empty("uids") {
        at.problem("uids", "an empty list", "at least one user: nobody could ask");
    }
    if at.present() && !at.has("uids") && !at.torn() {
        at.problem("uids", "not there", "the users who may ask: { uids = [1000] }");
    }
    at.close();
    users.map(|users| users.into_iter().map(|user| user.value).collect())
}

fn variables(mut at: Section<'_, '_>) -> Option<Vars> {
    let present = at.present();
    let all = at.entries(kinds::variable);
    present.then(|| Vars(all.into_iter().collect()))
}
