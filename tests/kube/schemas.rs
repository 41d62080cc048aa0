//! Renderings held against the schemas of every Kubernetes that the charts are for, unknown fields refused.

use crate::support::run::Run;
use crate::support::tools::tool;

/// From the first with native sidecars to the newest whose schemas are to be had.
const MINORS: std::ops::RangeInclusive<u32> = 29..=37;

#[test]
fn renderings_are_valid_for_every_kubernetes_from_1_29() {
    let Some(validate) = tool("kubernetes-validate") else { return };
    let path = std::env::var_os("PATH").unwrap();
    for golden in ["example.yaml", "example-irsa.yaml", "example-shared.yaml", "keyfob-plain-cluster.yaml"] {
        let file = format!("{}/tests/helm/golden/{golden}", env!("CARGO_MANIFEST_DIR"));
        for minor in MINORS {
            let version = format!("1.{minor}.0");
            let run = Run::new(&validate).args(["--strict", "-k", &version, &file]).env("PATH", &path);
            let checked = run.run().expect_code(0);
            assert!(checked.stdout.contains("passed"), "{checked:#?}");
        }
    }
}
