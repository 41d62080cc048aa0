//! What session names can be filled with: who and where this process is.

use tokio::sync::OnceCell;

use crate::config::env::Env;
use crate::config::{Fact, SessionName};
use crate::credentials::RoleName;
use crate::file;

/// Looked up once, so that a name stays the same for as long as the role does.
#[derive(Debug, Default)]
pub(super) struct Facts(OnceCell<Known>);

#[derive(Debug, Default)]
struct Known {
    host: Option<String>,
    namespace: Option<String>,
}

const HOST: &str = "/proc/sys/kernel/hostname";
/// Kubernetes puts it beside the service account's token.
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

impl Facts {
    /// The name as STS takes it.
    pub(super) async fn fill(&self, name: &SessionName, role: &RoleName, env: &Env) -> String {
        if name.is_plain() {
            return name.to_string();
        }
        let known = self.0.get_or_init(Known::look).await;
        name.filled(|fact| known.fact(fact, role, env))
    }
}

impl Known {
    async fn look() -> Self {
        let line = |path: &str| {
            let bytes = file::read(path.as_ref()).1.ok()?;
            Some(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        let both = move || Self { host: line(HOST), namespace: line(NAMESPACE) };
        tokio::task::spawn_blocking(both).await.unwrap_or_default()
    }

    /// The variables are those of the downward API, as the chart names them.
    fn fact<'a>(&'a self, fact: Fact, role: &'a RoleName, env: &'a Env) -> Option<&'a str> {
        let host = || self.host.as_deref();
        // A pod that was given no name of its own has its own for a host.
        let in_kubernetes = env.filled("KUBERNETES_SERVICE_HOST").is_some();
        match fact {
            Fact::Host => host(),
            Fact::Namespace => env.filled("POD_NAMESPACE").or(self.namespace.as_deref()),
            Fact::ServiceAccount => env.filled("POD_SERVICE_ACCOUNT"),
            Fact::Pod => env.filled("POD_NAME").or_else(|| host().filter(|_| in_kubernetes)),
            Fact::Role => Some(role.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_first_and_a_pod_has_its_name_for_a_host() {
        let known = Known { host: Some("web-7c9".into()), namespace: Some("of-the-file".into()) };
        let role = RoleName::default_role();
        let told = |env: &[(&str, &str)]| {
            let env: Env = env.iter().copied().collect();
            let facts = [Fact::Host, Fact::Namespace, Fact::ServiceAccount, Fact::Pod, Fact::Role];
            facts.map(|fact| known.fact(fact, &role, &env).unwrap_or("-").to_owned()).join(" ")
        };
        assert_eq!(told(&[]), "web-7c9 of-the-file - - default");
        assert_eq!(told(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]), "web-7c9 of-the-file - web-7c9 default");
        let all = [("POD_NAME", "p"), ("POD_NAMESPACE", "n"), ("POD_SERVICE_ACCOUNT", "s")];
        assert_eq!(told(&all), "web-7c9 n s p default");
        assert_eq!(told(&[("POD_NAMESPACE", ""), ("POD_NAME", "")]), "web-7c9 of-the-file - - default");
    }

    #[tokio::test]
    async fn the_host_is_the_kernels_word_for_it() {
        let name = SessionName::parse("{host}").unwrap();
        let host = std::fs::read_to_string(HOST).unwrap();
        let filled = Facts::default().fill(&name, &RoleName::default_role(), &Env::default()).await;
        assert!(host.trim().starts_with(&filled) || filled == name.filled(|_| Some(host.trim())), "{filled}");
    }
}
