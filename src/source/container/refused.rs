//! What a container endpoint that gives nothing means: which endpoint it is, whose pod asks, and what to do about it.

use crate::cause;
use crate::config::env::Env;
use crate::failure::{Failure, FailureKind, Remedy};
use crate::http::{Answer, Broken, Step};
use crate::source::jwt::Claims;
use crate::source::shell::quoted;

/// Who asks at the endpoint of EKS Pod Identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Pod {
    /// What its token says.
    pub(super) claims: Claims,
    /// Whether it is in the network of its host.
    pub(super) on_host: bool,
}

/// Whether the downward API's variables say that a pod has the address, or the name, of its host.
pub(super) fn on_host(env: &Env) -> bool {
    let same = |one: &str, other: &str| env.filled(one).is_some_and(|value| env.filled(other) == Some(value));
    same("POD_IP", "HOST_IP") || same("POD_IP", "NODE_IP") || same("HOSTNAME", "NODE_NAME")
}

/// Without an answer.
pub(super) fn unanswered(failure: Failure, broken: &Broken, pod: &Pod) -> Failure {
    let changed = |cause, failure: Failure| Failure { cause, ..failure };
    if pod.on_host {
        return changed(&cause::PI_HOSTNET, failure);
    }
    match broken.step {
        Step::ConnectTimeout | Step::Route => changed(&cause::PI_NETPOL, failure),
        Step::Cut | Step::TooLarge => changed(&cause::PI_CNI, failure),
        Step::Refused => failure.mend(Remedy::command(
            "the agent does not run on this node: add it to the cluster",
            "aws eks create-addon --addon-name eks-pod-identity-agent --cluster-name CLUSTER",
        )),
        _ => failure,
    }
}

/// With an answer that is a refusal: the agent's own ones are plain text, without the name of a server.
pub(super) fn refused(failure: Failure, answer: &Answer, pod: &Pod) -> Failure {
    let body = answer.text().unwrap_or_default();
    let says = |word: &str| body.contains(word);
    if let Some(server) = answer.header("server") {
        let server: String = server.chars().filter(|c| !c.is_control()).take(80).collect();
        let context = format!("{}, by {server}", failure.context);
        return Failure { cause: &cause::PI_CNI, context, ..failure }.seen("server", server);
    }
    if answer.status == 429 || says("Throttl") || says("TooManyRequests") {
        let kind = FailureKind::Throttled;
        return Failure { kind, cause: &cause::PI_THROTTLE, ..failure };
    }
    if pod.on_host {
        return Failure { cause: &cause::PI_HOSTNET, ..failure };
    }
    match answer.status {
        400..=499 if says("AccessDenied") => failure.mend(Remedy::new(
            "let the role's trust policy name pods.eks.amazonaws.com, with sts:AssumeRole and sts:TagSession",
        )),
        400..=499 if answer.status == 404 || says("ResourceNotFound") || says("association") => {
            unassociated(failure, pod)
        }
        _ => failure,
    }
}

fn unassociated(failure: Failure, pod: &Pod) -> Failure {
    let failure = Failure { cause: &cause::PI_NOASSOC, ..failure };
    let Some((namespace, name)) = pod.claims.service_account() else { return failure };
    failure
        .seen("namespace", namespace)
        .seen("service_account", name)
        .mend(Remedy::command(
            format!("say which role the service account {name} of {namespace} gets"),
            format!(
                "aws eks create-pod-identity-association --cluster-name CLUSTER --namespace {} --service-account {} --role-arn ROLE",
                quoted(namespace),
                quoted(name)
            ),
        ))
        .mend(Remedy::new("where it was made after the pod, make the pod anew"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::HeaderMap;

    use super::*;

    fn told(status: u16, body: &str, server: Option<&'static str>, pod: &Pod) -> (&'static str, String) {
        let mut headers = HeaderMap::new();
        if let Some(server) = server {
            headers.insert("server", server.parse().unwrap());
        }
        let answer = Answer { status, headers, body: Bytes::from(body.to_owned()) };
        let failure = refused(Failure::denied(&cause::CONT_DENIED, "x"), &answer, pod);
        (failure.cause.code, failure.fix())
    }

    #[test]
    fn what_the_agent_says_is_told_from_what_others_say() {
        let claims =
            Claims { subject: Some("system:serviceaccount:web:app".to_owned()), ..Claims::default() };
        let pod = Pod { claims, on_host: false };
        let host = Pod { on_host: true, ..Pod::default() };
        for (status, body, server, pod, code) in [
            (404, "[7]: (ResourceNotFoundException): no association", None, &pod, "PI-NOASSOC"),
            (400, "no association found", None, &pod, "PI-NOASSOC"),
            (404, "404 page not found", Some("nginx"), &pod, "PI-CNI"),
            (429, "", None, &pod, "PI-THROTTLE"),
            (500, "(ThrottlingException)", None, &pod, "PI-THROTTLE"),
            (400, "(AccessDeniedException): Unauthorized", None, &pod, "CONT-DENIED"),
            (403, "", None, &host, "PI-HOSTNET"),
            (401, "", None, &pod, "CONT-DENIED"),
        ] {
            assert_eq!(told(status, body, server, pod).0, code, "{status} {body}");
        }
        let (_, fix) = told(404, "", None, &pod);
        assert!(fix.contains("--namespace web --service-account app "), "{fix}");
        assert_eq!(told(404, "", None, &Pod::default()).1, cause::PI_NOASSOC.fix[0]);
    }

    #[test]
    fn a_pod_with_its_hosts_address_is_noticed() {
        assert!(on_host(&Env::from([("POD_IP", "10.0.0.1"), ("HOST_IP", "10.0.0.1")])));
        assert!(on_host(&Env::from([("HOSTNAME", "node-1"), ("NODE_NAME", "node-1")])));
        assert!(!on_host(&Env::from([("POD_IP", "10.0.0.2"), ("HOST_IP", "10.0.0.1"), ("NODE_NAME", "")])));
        assert!(!on_host(&Env::default()));
    }
}
