//! A collector behind TLS with an authority of its own, which also asks who we are.

use std::path::{Path, PathBuf};

use super::collector::Collector;
use super::*;
use crate::support::run::Run;
use crate::support::tools::tool;

/// An authority, and two certificates of its.
struct Papers {
    home: TempHome,
}

impl Papers {
    fn make() -> Option<Papers> {
        let openssl = tool("openssl")?;
        let papers = Papers { home: TempHome::new() };
        let run = |command: &str| {
            let ended = Run::new(&openssl).args(command.split(' ')).dir(papers.home.path());
            ended.envs(papers.home.env()).run().expect_code(0);
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test-authority -days 2"));
        for name in ["server", "client"] {
            let more = "-addext subjectAltName=IP:127.0.0.1";
            run(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name} {more}"));
            run(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out {name}.pem"
            ));
        }
        Some(papers)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn receiver(&self) -> String {
        let line = |key: &str, path: &Path| format!("          {key}: {}\n", path.display());
        ["        tls:\n".to_owned()]
            .into_iter()
            .chain([
                line("cert_file", &self.path("server.pem")),
                line("key_file", &self.path("server.key")),
                line("client_ca_file", &self.path("ca.pem")),
            ])
            .collect()
    }
}

#[test]
fn a_private_authority_and_a_certificate_of_our_own_open_the_way_and_nothing_less_does() {
    let Some(papers) = Papers::make() else { return };
    let Some(collector) = Collector::with_tls(&papers.receiver()) else { return };
    let endpoint = format!("https://{}", collector.addr);
    let path = |name| papers.path(name).display().to_string();
    let (ca, certificate, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let ca = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str());
    let own = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate.as_str()),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", key.as_str()),
    ];
    let missing = path("no-such.pem");
    for (vars, why) in [
        (vec![], "certificate"),
        (vec![ca], "ertificate"),
        (vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", missing.as_str())], "no-such.pem"),
    ] {
        let scene = Scene::new();
        let agent = scene.serve(&endpoint, &vars);
        let trouble = "traces cannot be exported";
        let said = agent.process.stderr.find(SOON, |line| line.contains(trouble).then(|| line.to_owned()));
        let said = said.unwrap_or_else(|| panic!("{vars:?}: {}", agent.log()));
        assert!(said.contains(why), "{said}");
        assert_eq!(agent.credentials("/v1/credentials/good").status, 200);
    }
    assert!(collector.sink.posts().is_empty());
    let scene = Scene::new();
    let agent = scene.serve(&endpoint, &[ca, own[0], own[1]]);
    let trace = refusal(&agent, &[])["trace_id"].as_str().unwrap().to_owned();
    collector.sink.spans(|spans| spans.iter().any(|span| span.field("traceId") == trace));
}
