//! The container face: ECS tasks, EKS Pod Identity and anything under `/container/`.

use serde_json::{Map, Value};

use super::World;
use super::mint::Identity;
use super::wire::{Answer, Asked, Said, credentials_json};

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
    let authorization = asked.header("authorization");
    if knobs.authorization.is_some() && authorization != knobs.authorization.as_deref() {
        return refusal(401, "Unauthorized", "The authorization token is not valid.").into();
    }
    let role = knobs.role_name.as_str();
    let identity = Identity::Role {
        account: knobs.account.clone(),
        name: role.to_owned(),
        session: "container".to_owned(),
    };
    let question = ["container", &asked.path, authorization.unwrap_or_default(), role, &knobs.account];
    let mut mint = world.mint.lock().unwrap();
    let issued = mint.issue(&question, identity, knobs.life);
    let mut fields = Map::new();
    if knobs.show_role_arn && asked.path != POD_IDENTITY {
        let arn = format!("arn:aws:iam::{}:role/{role}", knobs.account);
        fields.insert("RoleArn".into(), arn.into());
    }
    if knobs.show_account {
        fields.insert("AccountId".into(), Value::from(knobs.account.clone()));
    }
    let shape = match knobs.show_token {
        true => knobs.shape,
        false => super::Shape::Without(vec!["Token"]),
    };
    credentials_json(&shape, fields, &issued, &knobs.expiration_format).into()
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "code": code, "message": message });
    Answer { code: code.to_owned(), ..Answer::json(status, &body) }
}
