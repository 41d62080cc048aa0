//! The STS face: query protocol in, XML out, with AWS's own refusals.

mod provider;
mod rules;
mod sigv4;
mod xml;

use std::collections::BTreeMap;

use super::World;
use super::knobs::Sts;
use super::mint::{Identity, Issued, sha256_hex};
use super::wire::{Asked, Said};
pub use provider::Provider;
use rules::RoleArn;
use xml::Refusal;

type Form = BTreeMap<String, String>;

/// The action, when this is a call in the query protocol at all.
pub fn operation(asked: &Asked) -> Option<String> {
    (asked.path == "/").then(|| asked.form().remove("Action")).flatten()
}

pub fn answer(world: &World, asked: &Asked) -> Said {
    if let Some(trouble) = world.sts.now().trouble {
        return trouble.into();
    }
    let form = asked.form();
    let op = form.get("Action").cloned().unwrap_or_default();
    let done = scripted(world).and_then(|()| perform(world, asked, &op, &form));
    match done {
        Ok(done) => xml::success(&op, &done),
        Err(refusal) => xml::refused(&refusal),
    }
    .into()
}

/// What an action came to: the inside of its result, and the keys in it.
struct Done {
    result: String,
    key_id: Option<String>,
}

/// Who calls: the keys that signed, and the region they were scoped to.
struct Caller {
    keys: Issued,
    region: String,
}

/// The failures that a test ordered for the next calls.
fn scripted(world: &World) -> Result<(), Refusal> {
    world.sts.take(|sts| {
        if sts.throttle_next > 0 {
            sts.throttle_next -= 1;
            return Err(Refusal::new(400, "Throttling", "Rate exceeded"));
        }
        if sts.fail_next > 0 {
            sts.fail_next -= 1;
            return Err(Refusal::internal());
        }
        if let Some((left, status, code, message)) = &mut sts.refuse_next
            && *left > 0
        {
            *left -= 1;
            return Err(Refusal::new(*status, code, message.clone()));
        }
        Ok(())
    })
}

fn perform(world: &World, asked: &Asked, op: &str, form: &Form) -> Result<Done, Refusal> {
    if form.get("Version").map(String::as_str) != Some("2011-06-15") {
        let text = format!("Could not find operation {op} for version NO_VERSION_SPECIFIED");
        return Err(Refusal::new(400, "InvalidAction", text));
    }
    let knobs = world.sts.now();
    if op == "AssumeRoleWithWebIdentity" {
        return with_web_identity(world, &knobs, form);
    }
    let caller = {
        let mint = world.mint.lock().unwrap();
        sigv4::verify(&mint, &knobs.regions, asked)?
    };
    match op {
        "GetCallerIdentity" => Ok(caller_identity(&caller)),
        "AssumeRole" => assume_role(world, &knobs, form, &caller),
        "GetSessionToken" => session_token(world, &knobs, form, &caller),
        _ => {
            let text = format!("Could not find operation {op} for version 2011-06-15");
            Err(Refusal::new(400, "InvalidAction", text))
        }
    }
}

fn caller_identity(caller: &Caller) -> Done {
    let identity = &caller.keys.identity;
    Done {
        result: xml::elements(&[
            ("Arn", &identity.arn()),
            ("UserId", &identity.user_id()),
            ("Account", identity.account()),
        ]),
        key_id: None,
    }
}

fn assume_role(world: &World, knobs: &Sts, form: &Form, caller: &Caller) -> Result<Done, Refusal> {
    let role = RoleArn::of(form)?;
    let session = rules::session_name(form)?;
    rules::external_id(form)?;
    let duration = rules::duration(form, 43_200)?.unwrap_or(3600);
    let by_role = matches!(caller.keys.identity, Identity::Role { .. });
    if by_role && duration > 3600 {
        let text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(Refusal::invalid(text));
    }
    let wanted = knobs.external_ids.get(&role.arn);
    if knobs.denied.contains(&role.arn) || wanted.is_some_and(|id| form.get("ExternalId") != Some(id)) {
        return Err(Refusal::denied(format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
            caller.keys.identity.arn(),
            role.arn
        )));
    }
    rules::mfa(form, &knobs.mfa_code)?;
    let who = caller.keys.key_id.as_str();
    let question = question("AssumeRole", form, session, who, &caller.region);
    let life = knobs.life.unwrap_or(duration);
    Ok(role_session(world, &question, &role, session, life, form))
}

fn with_web_identity(world: &World, knobs: &Sts, form: &Form) -> Result<Done, Refusal> {
    let role = RoleArn::of(form)?;
    let session = rules::session_name(form)?;
    let duration = rules::duration(form, 43_200)?.unwrap_or(3600);
    let token = rules::web_identity_token(form)?;
    if knobs.bad_identity_token {
        let text = "No OpenIDConnect provider found in your account for https://oidc.example.invalid/id/FAKE";
        return Err(Refusal::new(400, "InvalidIdentityToken", text));
    }
    if knobs.expired_identity_token {
        let text = "Token expired: current date/time must be before the expiration date/time";
        return Err(Refusal::new(400, "ExpiredTokenException", text));
    }
    let claims = match &knobs.provider {
        Some(provider) => provider.verify(token, world.mint.lock().unwrap().now())?,
        None => serde_json::Value::Null,
    };
    if knobs.denied.contains(&role.arn) {
        let text = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(Refusal::denied(text));
    }
    let who = sha256_hex(token.as_bytes());
    // The call is not signed, so no region is known.
    let question = question("AssumeRoleWithWebIdentity", form, session, &who, "");
    let life = knobs.life.unwrap_or(duration);
    let mut done = role_session(world, &question, &role, session, life, form);
    done.result += &xml::elements(&[
        (
            "SubjectFromWebIdentityToken",
            claims["sub"].as_str().unwrap_or("system:serviceaccount:default:app"),
        ),
        ("Audience", "sts.amazonaws.com"),
        ("Provider", &format!("arn:aws:iam::{}:oidc-provider/oidc.example.invalid/id/FAKE", role.account)),
    ]);
    Ok(done)
}

fn session_token(world: &World, knobs: &Sts, form: &Form, caller: &Caller) -> Result<Done, Refusal> {
    let Identity::User { account, name } = &caller.keys.identity else {
        let text = "Cannot call GetSessionToken with session credentials";
        return Err(Refusal::denied(text));
    };
    let duration = rules::duration(form, 129_600)?.unwrap_or(43_200);
    rules::mfa(form, &knobs.mfa_code)?;
    let who = caller.keys.key_id.as_str();
    let question = question("GetSessionToken", form, "", who, &caller.region);
    let identity = Identity::UserSession { account: account.clone(), name: name.clone() };
    let issued = issue(world, &question, identity, knobs.life.unwrap_or(duration));
    Ok(Done { result: xml::credentials(&issued), key_id: Some(issued.key_id) })
}

/// What the key id is a fingerprint of: everything asked for, less what differs from run to run.
fn question(op: &str, form: &Form, session: &str, who: &str, region: &str) -> Vec<String> {
    let generated = ["botocore-session-", "keyfob-"];
    let session = match generated.iter().any(|start| session.starts_with(start)) {
        true => "",
        false => session,
    };
    // Asked for over and above: a policy, tags and the like make another question.
    let known = ["Action", "Version", "RoleSessionName", "TokenCode", "WebIdentityToken"];
    let rest = form.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    let rest = rest.map(|(name, value)| format!("{name}={value}"));
    [op, session, who, region].map(str::to_owned).into_iter().chain(rest).collect()
}

fn role_session(
    world: &World,
    question: &[String],
    role: &RoleArn,
    session: &str,
    life: i64,
    form: &Form,
) -> Done {
    let identity = Identity::Role {
        account: role.account.clone(),
        name: role.name.clone(),
        session: session.to_owned(),
    };
    let (arn, id) = (identity.arn(), identity.user_id());
    let issued = issue(world, question, identity, life);
    let user = xml::elements(&[("AssumedRoleId", &id), ("Arn", &arn)]);
    let mut result = format!("<AssumedRoleUser>{user}</AssumedRoleUser>{}", xml::credentials(&issued));
    if let Some(source) = form.get("SourceIdentity") {
        result += &xml::elements(&[("SourceIdentity", source)]);
    }
    Done { result, key_id: Some(issued.key_id) }
}

fn issue(world: &World, question: &[String], identity: Identity, life: i64) -> Issued {
    let question: Vec<&str> = question.iter().map(String::as_str).collect();
    let mut mint = world.mint.lock().unwrap();
    mint.issue(&question, identity, life)
}
