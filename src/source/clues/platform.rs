//! What a platform was meant to give and has not: a pod without the identity of its service account, an ECS task without
//! a role, a job without a token. Looked at only where a walk found nothing; the facts are gathered here, what follows
//! from them is pure.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cause::{self, Cause};
use crate::config::env::Env;
use crate::credentials::SourceKind;
use crate::failure::{Failure, Remedy};
use crate::file;

/// Variables that say where this runs and what it was given.
const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TASK: [&str; 2] = ["ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI"];

/// Kubernetes mounts this into pods that may talk to it.
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Who made the machine.
const VENDOR: &str = "/sys/class/dmi/id/sys_vendor";

/// The environment of the container's first process.
const FIRST: &str = "/proc/1/environ";

/// What was found around this process.
#[derive(Debug, Default)]
pub(super) struct Platform {
    /// Of the pod.
    namespace: Option<String>,
    /// The machine is an instance of EC2.
    ec2: bool,
    /// Names of variables that the first process has, never what they say.
    first: BTreeSet<String>,
}

impl Platform {
    /// Reads three small files.
    pub(super) fn look() -> Self {
        let read = |path: &str| file::read(Path::new(path)).1.ok();
        let namespace = read(NAMESPACE).and_then(|bytes| String::from_utf8(bytes).ok());
        let first = read(FIRST).map(|bytes| names(&bytes)).unwrap_or_default();
        let ec2 = read(VENDOR).is_some_and(|bytes| bytes.starts_with(b"Amazon EC2"));
        Self { namespace: namespace.map(|text| text.trim().to_owned()), ec2, first }
    }

    /// What follows, the most certain first.
    pub(super) fn doubts(&self, env: &Env) -> Vec<Failure> {
        let task = self.child(env).or_else(|| task(env));
        [task, job(env), self.pod(env), self.switched_off(env)].into_iter().flatten().collect()
    }

    /// The variable was set for the first process and did not come through to this one.
    fn child(&self, env: &Env) -> Option<Failure> {
        let missing = [RELATIVE, FULL].into_iter().find(|name| self.first.contains(*name))?;
        if [RELATIVE, FULL].iter().any(|name| env.get(name).is_some()) {
            return None;
        }
        let context = format!("the container's first process has {missing}, and this one has not");
        let command = format!("export \"$(tr '\\0' '\\n' < {FIRST} | grep '^{missing}=')\"");
        let text = "hand the variable over: from the first process, or where this one is started";
        Some(doubt(&cause::ECS_CHILDENV, context).mend(Remedy::command(text, command)))
    }

    /// Switched off where somebody says where it is, or where it is for certain.
    fn switched_off(&self, env: &Env) -> Option<Failure> {
        env.get("AWS_EC2_METADATA_DISABLED").filter(|value| value.eq_ignore_ascii_case("true"))?;
        let context = match env.filled("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            Some(_) => {
                "AWS_EC2_METADATA_SERVICE_ENDPOINT names instance metadata, and AWS_EC2_METADATA_DISABLED switches it off"
            }
            None if self.ec2 => {
                "this is an EC2 instance, and AWS_EC2_METADATA_DISABLED switches its metadata off"
            }
            None => return None,
        };
        let remedy = Remedy::command("unset the variable", "unset AWS_EC2_METADATA_DISABLED");
        Some(doubt(&cause::IMDS_DISABLED, context).mend(remedy))
    }

    fn pod(&self, env: &Env) -> Option<Failure> {
        env.filled("KUBERNETES_SERVICE_HOST")?;
        let given = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", FULL, RELATIVE, "AWS_ACCESS_KEY_ID"];
        if given.iter().any(|name| env.get(name).is_some()) {
            return None;
        }
        let namespace = env.filled("POD_NAMESPACE").or(self.namespace.as_deref());
        let account = env.filled("POD_SERVICE_ACCOUNT");
        let context =
            "this is a pod, and it has neither AWS_WEB_IDENTITY_TOKEN_FILE nor a Pod Identity endpoint";
        let failure = doubt(&cause::WI_NOTINJECTED, context);
        let text = "annotate the service account, then make the pod anew: variables come in when it is made";
        Some(
            failure
                .mend(Remedy::command(
                    text,
                    format!(
                        "kubectl annotate serviceaccount --namespace {} {} eks.amazonaws.com/role-arn=ROLE",
                        namespace.unwrap_or("NAMESPACE"),
                        account.unwrap_or("SERVICE_ACCOUNT")
                    ),
                ))
                .mend(Remedy::new(
                    "where it is annotated already, look whether the webhook is well: it lets pods pass without",
                )),
        )
    }
}

/// ECS tells tasks with a role where their credentials are.
fn task(env: &Env) -> Option<Failure> {
    let metadata = TASK.into_iter().find(|name| env.filled(name).is_some())?;
    if [RELATIVE, FULL].iter().any(|name| env.get(name).is_some()) {
        return None;
    }
    let context = format!("{metadata} is set, as in ECS tasks, and {RELATIVE} is not: the task has no role");
    Some(doubt(&cause::ECS_NOROLE, context).mend(Remedy::new(
        "name a taskRoleArn in the task definition and start the task anew; the executionRoleArn is for ECS itself",
    )))
}

fn job(env: &Env) -> Option<Failure> {
    if env.get("GITHUB_ACTIONS") != Some("true") || env.get("ACTIONS_ID_TOKEN_REQUEST_URL").is_some() {
        return None;
    }
    let context = "this is a job of GitHub Actions, and ACTIONS_ID_TOKEN_REQUEST_URL is not set";
    let failure = doubt(&cause::GHA_IDTOKEN, context);
    let of_fork = env.get("GITHUB_EVENT_NAME") == Some("pull_request");
    let permissions = Remedy::new("give the job `permissions: {id-token: write, contents: read}`");
    let fork = "for the pull request of a fork there is never a token: run what needs one after the merge";
    Some(if of_fork { failure.mend(permissions).mend(Remedy::new(fork)) } else { failure.mend(permissions) })
}

/// The source that would have had credentials.
pub(in crate::source) fn about(cause: &Cause) -> Option<SourceKind> {
    match cause.code {
        "WI-NOTINJECTED" | "GHA-IDTOKEN" => Some(SourceKind::WebIdentity),
        "ECS-NOROLE" | "ECS-CHILDENV" => Some(SourceKind::Container),
        "IMDS-DISABLED" => Some(SourceKind::Imds),
        _ => None,
    }
}

fn doubt(cause: &'static Cause, context: impl Into<String>) -> Failure {
    Failure { cause, ..Failure::not_configured(context) }
}

fn names(environ: &[u8]) -> BTreeSet<String> {
    let pairs = environ.split(|&byte| byte == 0);
    let name = |pair: &[u8]| pair.split(|&byte| byte == b'=').next().map(<[u8]>::to_vec);
    pairs.filter_map(name).filter_map(|name| String::from_utf8(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(first: &[&str], env: &[(&str, &str)]) -> Vec<&'static str> {
        let first: BTreeSet<String> = first.iter().map(ToString::to_string).collect();
        let platform = Platform { namespace: Some("web".to_owned()), ec2: first.is_empty(), first };
        platform.doubts(&env.iter().copied().collect()).iter().map(|doubt| doubt.cause.code).collect()
    }

    #[test]
    fn what_a_platform_has_not_given_is_noticed_and_what_it_has_given_is_not() {
        let pod = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        let task = ("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x");
        let job = ("GITHUB_ACTIONS", "true");
        let relative = (RELATIVE, "/v2/x");
        let off = ("AWS_EC2_METADATA_DISABLED", "True");
        let cases: [(&[&str], &[(&str, &str)], &[&str]); 15] = [
            (&[], &[], &[]),
            (&[], &[pod], &["WI-NOTINJECTED"]),
            (&[], &[pod, ("AWS_ROLE_ARN", "arn:x")], &[]),
            (&[], &[pod, (FULL, "http://169.254.170.23/v1/credentials")], &[]),
            (&[], &[task], &["ECS-NOROLE"]),
            (&[], &[task, relative], &[]),
            (&[RELATIVE], &[task], &["ECS-CHILDENV"]),
            (&[RELATIVE], &[relative], &[]),
            (&[FULL], &[], &["ECS-CHILDENV"]),
            (&[], &[job], &["GHA-IDTOKEN"]),
            (&[], &[job, ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x")], &[]),
            (&[], &[("GITHUB_ACTIONS", "false")], &[]),
            (&[], &[off], &["IMDS-DISABLED"]),
            (&["X"], &[off], &[]),
            (&["X"], &[off, ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://x")], &["IMDS-DISABLED"]),
        ];
        for (first, env, wanted) in cases {
            assert_eq!(codes(first, env), wanted, "{first:?} {env:?}");
        }
    }

    #[test]
    fn only_names_are_kept_of_another_process() {
        assert_eq!(names(b"A=secret\0B=\0C"), ["A", "B", "C"].map(str::to_owned).into());
    }
}
