//! The container face: ECS tasks, EKS Pod Identity and anything under `/container/`.

use serde_json::{Map, Value};

use super::World;
use super::knobs::{Container, Shape};
use super::mint::Identity;
use super::wire::{Answer, Asked, Said, credentials_json, keyless};

const POD_IDENTITY: &str = "/v1/credentials";

pub fn owns(path: &str) -> bool {
    path == POD_IDENTITY || ["/container/", "/v2/credentials/"].iter().any(|prefix| path.starts_with(prefix))
}

/// The name under which the journal counts a request.
pub fn operation(asked: &Asked) -> &'static str {
    if asked.path == POD_IDENTITY { "PodIdentity" } else { "ContainerCredentials" }
}

pub fn answer(world: &World, asked: &Asked) -> Said {
    let knobs = world.container.now();
    if let Some(trouble) = knobs.trouble {
        return trouble.into();
    }
    if asked.method != "GET" {
        return refusal(405, "MethodNotAllowed", "Only GET.").into();
    }
    if knobs.authorization.is_some() && asked.header("authorization") != knobs.authorization.as_deref() {
        return refusal(401, "Unauthorized", "The authorization token is not valid.").into();
    }
    keys(world, asked, knobs).into()
}

fn keys(world: &World, asked: &Asked, mut knobs: Container) -> Answer {
    if let Some(answer) = keyless(&knobs.shape) {
        return answer;
    }
    let role = knobs.role_name.as_str();
    let authorization = asked.header("authorization").unwrap_or_default();
    let question = ["container", &asked.path, authorization, role, &knobs.account];
    let identity = Identity::Role {
        account: knobs.account.clone(),
        name: role.to_owned(),
        session: "container".to_owned(),
    };
    let issued = world.mint.lock().unwrap().issue(&question, identity, knobs.life);
    let mut fields = Map::new();
    if knobs.show_role_arn && asked.path != POD_IDENTITY {
        let arn = format!("arn:aws:iam::{}:role/{role}", knobs.account);
        fields.insert("RoleArn".into(), arn.into());
    }
    if knobs.show_account {
        fields.insert("AccountId".into(), Value::from(knobs.account));
    }
    match &mut knobs.shape {
        Shape::Without(names) if !knobs.show_token => names.push("Token"),
        shape if !knobs.show_token => *shape = Shape::Without(vec!["Token"]),
        _ => {}
    }
    credentials_json(&knobs.shape, fields, &issued, &knobs.expiration_format)
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "code": code, "message": message });
    Answer { code: code.to_owned(), ..Answer::json(status, &body) }
}
