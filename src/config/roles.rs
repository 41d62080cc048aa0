//! Reads the roles of a configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::raw::Section;
use super::{
    Argv, Assume, Auth, Config, Expect, Mint, Own, Role, StaticKeys, Token, Vars, WebIdentity, kinds,
};
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
    let sources = sources(&mut at, kinds::sources);
    let own = own(&mut at);
    let static_keys = at.read("static_keys", kinds::static_keys).unwrap_or(StaticKeys::AsIs);
    let (assume, mint) = assume(&mut at, static_keys);
    let one = own.as_ref().map(|own| vec![own.kind()]);
    let role = Role {
        profile: at.read("profile", kinds::text),
        assume,
        required: at.read("required", kinds::flag).unwrap_or(default.required),
        static_keys,
        mint,
        expect: expect(at.section("expect"), one.as_deref().or(sources.as_deref())),
        allow_drift: at.read("allow_drift", kinds::flag).unwrap_or(default.allow_drift),
        imds_extend: at.read("imds_extend", kinds::flag).unwrap_or(default.imds_extend),
        tokens: tokens(&mut at, auth),
        allow: allow(at.section("allow")),
        env: variables(at.section("env")),
        sources,
        own,
        ..default
    };
    for (key, what) in LATER {
        at.later(key, what);
    }
    at.close();
    name.map(|_| role)
}

/// Keys of a role that the contract knows and this version does not.
const LATER: [(&str, &str); 1] = [("roles_anywhere", "IAM Roles Anywhere")];

/// The source that a role has of its own: then nothing else can be chosen.
fn own(at: &mut Section<'_, '_>) -> Option<Own> {
    let process = argv(at, "process").map(Own::Process);
    let identity = web_identity(at.section("web_identity")).map(Own::WebIdentity);
    let only = if at.has("process") { "process" } else { "web_identity" };
    for key in ["sources", "profile", "web_identity"] {
        if at.has(only) && at.has(key) && key != only {
            let want = format!("one of the two: {only} is the role's only source");
            at.problem(key, format!("it stands beside {only}"), want);
        }
    }
    process.or(identity)
}

fn web_identity(mut at: Section<'_, '_>) -> Option<WebIdentity> {
    if !at.present() {
        return None;
    }
    let role_arn = at.read("role_arn", kinds::role_arn);
    if !at.has("role_arn") {
        at.problem("role_arn", "no role_arn", "the ARN of the role that the token is good for");
    }
    let file = at.read("token_file", kinds::path).map(Token::File);
    let process = argv(&mut at, "token_process").map(Token::Process);
    match (at.has("token_file"), at.has("token_process")) {
        (true, true) => at.problem("token_process", "it stands beside token_file", "one of the two"),
        (false, false) => {
            at.problem("token_file", "no token_file", "token_file = \"…\", or token_process = [\"…\"]");
        }
        _ => {}
    }
    let session_name = at.read("session_name", kinds::session_name);
    let duration = session_length(&mut at);
    let region = at.read("region", kinds::region);
    let policy = at.read("policy", kinds::policy);
    at.close();
    let (role_arn, token) = (role_arn?, file.or(process)?);
    Some(WebIdentity { role_arn, token, session_name, duration, region, policy })
}

fn session_length(at: &mut Section<'_, '_>) -> Option<Duration> {
    let want = "a length of time from 15m to 12h, as STS allows";
    at.read("duration", kinds::length(Duration::from_mins(15), Duration::from_hours(12), want))
}

fn argv(at: &mut Section<'_, '_>, key: &'static str) -> Option<Argv> {
    const ELEMENTS: &str = "a program and its arguments, such as [\"/usr/local/bin/helper\", \"--json\"]";
    let items = at.list_hidden(key, ELEMENTS, kinds::word)?;
    if at.has_empty(key) {
        at.problem(key, "an empty list", format!("a list of {ELEMENTS}"));
    }
    let words: Vec<String> = items.into_iter().map(|item| item.value).collect();
    if words.first().is_some_and(String::is_empty) {
        at.problem(key, "a program without a name", format!("a list of {ELEMENTS}"));
    }
    (!words.is_empty()).then_some(Argv(words))
}

type Kinds = fn(&DeValue<'_>) -> Result<Vec<SourceKind>, String>;

fn sources(at: &mut Section<'_, '_>, kind: Kinds) -> Option<Vec<SourceKind>> {
    let items = at.list("sources", "sources, such as [\"env\", \"profile\"]", kind)?;
    if at.has_empty("sources") {
        at.problem("sources", "an empty list", "at least one source; or no such line, which allows all");
    }
    let mut kinds: Vec<SourceKind> = items.into_iter().flat_map(|item| item.value).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Some(kinds)
}

/// What is only asked for beside a role.
const OF_A_ROLE: [&str; 8] = [
    "external_id",
    "session_name",
    "duration",
    "region",
    "policy",
    "tags",
    "transitive_tags",
    "source_identity",
];

fn assume(at: &mut Section<'_, '_>, keys: StaticKeys) -> (Option<Assume>, Option<Mint>) {
    let role_arn = at.read("role_arn", kinds::role_arn);
    let external_id = at.read_hidden("external_id", kinds::external_id);
    let session_name = at.read("session_name", kinds::session_name);
    let duration = session_length(at);
    let region = at.read("region", kinds::region);
    let policy = at.read("policy", kinds::policy);
    let tags = tags(at);
    let transitive_tags = transitive_tags(at, &tags);
    let source_identity = at.read("source_identity", kinds::source_identity);
    let minting = keys == StaticKeys::Mint && !at.has("role_arn");
    let given = |key: &str| minting && ["duration", "region"].contains(&key);
    if !at.has("role_arn") {
        for key in OF_A_ROLE.into_iter().filter(|key| !given(key)) {
            if at.has(key) {
                at.problem(
                    key,
                    "a setting of an assumed role, and there is no role_arn",
                    "role_arn beside it",
                );
            }
        }
    }
    let mint = minting.then(|| Mint { duration, region: region.clone() });
    let assume = role_arn.map(|role_arn| Assume {
        role_arn,
        external_id,
        session_name,
        duration,
        region,
        policy,
        tags,
        transitive_tags,
        source_identity,
    });
    (assume, mint)
}

/// Keys are compared without regard to case, as STS does.
fn tags(at: &mut Section<'_, '_>) -> BTreeMap<String, String> {
    const MOST: usize = 50;
    let all = at.section("tags").entries(kinds::tag);
    if all.len() > MOST {
        at.problem("tags", format!("{} tags", all.len()), format!("at most {MOST}, as STS allows"));
    }
    for (index, (key, _)) in all.iter().enumerate() {
        if all.iter().take(index).any(|(before, _)| before.to_lowercase() == key.to_lowercase()) {
            at.problem("tags", format!("{key} stands there twice"), "each key once, in whatever case");
        }
    }
    all.into_iter().collect()
}

fn transitive_tags(at: &mut Section<'_, '_>, tags: &BTreeMap<String, String>) -> Vec<String> {
    let items =
        at.list("transitive_tags", "keys of tags, such as [\"team\"]", kinds::text).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        if !tags.contains_key(&item.value) {
            at.problem_at(
                item,
                format!("{:?}, which is not in tags", item.value),
                "the key of a tag in tags",
            );
        } else if items.iter().take(index).any(|before| before.value == item.value) {
            at.problem_at(item, format!("{} stands there twice", item.value), "each key once");
        }
    }
    items.into_iter().map(|item| item.value).collect()
}

fn expect(mut at: Section<'_, '_>, allowed: Option<&[SourceKind]>) -> Expect {
    let account = at.read("account", kinds::account);
    let sources = sources(&mut at, kinds::expected_sources);
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
