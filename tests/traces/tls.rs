//! A collector behind TLS with an authority of its own, which also asks who we are.

use super::collector::Collector;
use super::*;
use crate::support::papers::Papers;

/// What the collector needs to show itself and to ask who we are.
fn receiver(papers: &Papers) -> String {
    let line = |key: &str, name: &str| format!("          {key}: {}\n", papers.path(name).display());
    let lines =
        [line("cert_file", "server.pem"), line("key_file", "server.key"), line("client_ca_file", "ca.pem")];
    ["        tls:\n".to_owned()].into_iter().chain(lines).collect()
}

#[test]
fn a_private_authority_and_a_certificate_of_our_own_open_the_way_and_nothing_less_does() {
    let Some(papers) = Papers::make() else { return };
    for name in ["server", "client"] {
        papers.issue(name, "IP:127.0.0.1");
    }
    let Some(collector) = Collector::with_tls(&receiver(&papers)) else { return };
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
